"""Frames of AMQP 1.0: what is written, what is read, and the messages of its request and response links.

Source: OASIS, "AMQP 1.0 Part 2: Transport", "Part 3: Messaging", "Part 5: Security".
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass, field
from typing import Any

from tidegate.connections.azure_eventhub.values import (
    Described,
    Strange,
    Symbol,
    Ubyte,
    Uint,
    decoded,
    encoded,
)

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
MECHANISMS, INIT, OUTCOME = 0x40, 0x41, 0x44
SOURCE, TARGET, ACCEPTED, REJECTED = 0x28, 0x29, 0x24, 0x25
PROPERTIES, APPLICATION_PROPERTIES, VALUE = 0x73, 0x74, 0x77

AMQP, SASL = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"
FRAME_BYTES = 1 << 18
"""The largest frame that is taken."""

BEAT = b"\x00\x00\x00\x08\x02\x00\x00\x00"
_HEAD = struct.Struct(">IBBH")
_TLS_ALERT = b"\x15\x03"


class Encrypted(Exception):
    """The other side speaks TLS to us, who speak plain."""


@dataclass(frozen=True, slots=True)
class Frame:
    """`code` says which; `fields` may be shorter than the standard's list. `payload` is a transfer's."""

    code: int
    fields: list[Any]
    payload: bytes = b""

    def at(self, place: int) -> Any:
        return self.fields[place] if place < len(self.fields) else None


@dataclass(frozen=True, slots=True)
class Message:
    """A response: which request it is for, its properties, its value."""

    correlation: Any
    properties: dict[Any, Any] = field(repr=False)
    value: Any = field(repr=False)

    @property
    def status(self) -> int:
        status = self.properties.get("status-code", self.properties.get("statusCode"))
        if type(status) is not int:
            raise Strange
        return status


def frame(code: int, fields: list[Any], payload: bytes = b"", *, is_sasl: bool = False) -> bytes:
    body = encoded(Described(code, fields)) + payload
    return _HEAD.pack(len(body) + 8, 2, int(is_sasl), 0) + body


async def read_header(reader: asyncio.StreamReader, wanted: bytes) -> None:
    """The other side's protocol header. Strange or Encrypted where it is another one."""
    header = await reader.readexactly(len(wanted))
    if header.startswith(_TLS_ALERT):
        raise Encrypted
    if header != wanted:
        raise Strange


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None for an empty one. Strange where it is none."""
    size, offset, kind, _ = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if size < 8 or size > FRAME_BYTES or offset < 2 or offset * 4 > size or kind > 1:
        raise Strange
    body = (await reader.readexactly(size - 8))[offset * 4 - 8 :]
    if not body:
        return None
    described, at = decoded(body)
    if not isinstance(described, Described) or not isinstance(described.value, list):
        raise Strange
    return Frame(described.code, described.value, body[at:])


def open_frame(container: str, host: str) -> bytes:
    return frame(OPEN, [container, host, Uint(FRAME_BYTES)])


def begin_frame(window: int) -> bytes:
    return frame(BEGIN, [None, Uint(0), Uint(window), Uint(window), Uint(63)])


def attach_frame(name: str, handle: int, source: str, target: str, *, is_receiver: bool) -> bytes:
    ends = [Described(SOURCE, [source]), Described(TARGET, [target])]
    first = [] if is_receiver else [None, None, Uint(0)]
    return frame(ATTACH, [name, Uint(handle), is_receiver, Ubyte(0), Ubyte(0), *ends, *first])


def flow_frame(seen: int, sent: int, window: int, handle: int, received: int, credit: int) -> bytes:
    """Takes `credit` more messages on a link, `received` so far; `seen` and `sent` are the session's."""
    numbers = (seen, window, sent, window, handle, received, credit)
    return frame(FLOW, [Uint(number & 0xFFFFFFFF) for number in numbers])


def request(identity: str, reply_to: str, properties: dict[str, Any], value: Any = None) -> bytes:
    """A message's sections: `value` is its body."""
    sections = (
        Described(PROPERTIES, [identity, None, None, None, reply_to]),
        Described(APPLICATION_PROPERTIES, properties),
        Described(VALUE, value),
    )
    return b"".join(map(encoded, sections))


def read_message(payload: bytes) -> Message:
    """Strange where it is none."""
    at, sections = 0, {}
    while at < len(payload):
        section, at = decoded(payload, at)
        if not isinstance(section, Described):
            raise Strange
        sections[section.code] = section.value
    properties, named = sections.get(PROPERTIES, []), sections.get(APPLICATION_PROPERTIES, {})
    if not isinstance(properties, list) or not isinstance(named, dict):
        raise Strange
    return Message(properties[5] if len(properties) > 5 else None, named, sections.get(VALUE))


def condition(error: Any) -> str:
    """The symbol of an error that a peer gave, "" for none: `amqp:not-found`."""
    if not isinstance(error, Described) or not isinstance(error.value, list) or not error.value:
        return ""
    text = error.value[0]
    return text if isinstance(text, str) and len(text) < 100 and text.isascii() and text.isprintable() else ""


def transfer_frame(handle: int, delivery: int, payload: bytes) -> bytes:
    tag = struct.pack(">I", delivery & 0xFFFFFFFF)
    fields = [Uint(handle), Uint(delivery & 0xFFFFFFFF), tag, Uint(0), False]
    return frame(TRANSFER, fields, payload)


def init_frame(host: str) -> bytes:
    return frame(INIT, [Symbol("ANONYMOUS"), b"", host], is_sasl=True)


def accepted_frame(delivery: int) -> bytes:
    return frame(DISPOSITION, [True, Uint(delivery), Uint(delivery), True, Described(ACCEPTED, [])])
