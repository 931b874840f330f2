"""The AMQP 0-9-1 methods and contents that claiming takes, as bytes and back.

A message is kept as it came: its properties are carried over as bytes, and its headers but for our own.

Source: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf, https://www.rabbitmq.com/docs/amqp-0-9-1-errata
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from tidegate.connections.rabbitmq.frames import DECLARE, END, HEAD, Method, method, short

HEADER, BODY = 2, 3
DELETE = (50, 40)
CONSUME, CANCEL, CANCEL_OK = (60, 20), (60, 30), (60, 31)
PUBLISH, RETURN, DELIVER = (60, 40), (60, 50), (60, 60)
GET, GET_OK, GET_EMPTY = (60, 70), (60, 71), (60, 72)
ACK, NACK = (60, 80), (60, 120)
CONFIRM = (85, 10)

WITH_CONTENT = frozenset({RETURN, DELIVER, GET_OK})

_DURABLE, _IF_UNUSED, _IF_EMPTY, _EXCLUSIVE, _MANDATORY = 2, 1, 2, 4, 1
_CLASSIC = short("x-queue-type") + b"S" + struct.pack(">I", 7) + b"classic"

# What a flag of the properties announces, in this order.
_PROPERTIES = (
    "content-type",
    "content-encoding",
    "headers",
    "delivery-mode",
    "priority",
    "correlation-id",
    "reply-to",
    "expiration",
    "message-id",
    "timestamp",
    "type",
    "user-id",
    "app-id",
    "cluster-id",
)
_SIZES = {"delivery-mode": 1, "priority": 1, "timestamp": 8}
# Bytes of a header's value, by its type; those of the others stand before them.
_FIXED = {
    b"t": 1, b"b": 1, b"B": 1, b"s": 2, b"u": 2, b"I": 4, b"i": 4, b"l": 8, b"f": 4, b"d": 8, b"D": 5,
    b"T": 8, b"V": 0,
}  # fmt: skip
_LONG = (b"S", b"x", b"A", b"F")


@dataclass(frozen=True, slots=True)
class Content:
    """A message: its properties and headers as they stand on the wire, by name, and its body."""

    properties: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, bytes] = field(default_factory=dict)
    body: bytes = b""

    def text(self, header: str) -> str:
        """The text of a header; "" where it has none."""
        raw = self.headers.get(header, b"")
        return raw[5:].decode("utf-8", "replace") if raw[:1] == b"S" else ""

    def texts(self) -> dict[str, str]:
        """Properties and headers that are texts."""
        short_texts = {
            name: raw[1:].decode("utf-8", "replace")
            for name, raw in self.properties.items()
            if name not in _SIZES
        }
        return short_texts | {name: self.text(name) for name, raw in self.headers.items() if raw[:1] == b"S"}


def long_text(text: str) -> bytes:
    """The value of a header."""
    raw = text.encode()
    return b"S" + struct.pack(">I", len(raw)) + raw


# --- what goes out


def declare(channel: int, queue: str) -> bytes:
    """A durable queue of the plain kind: it counts no deliveries, and drops nothing after some."""
    arguments = struct.pack(">I", len(_CLASSIC)) + _CLASSIC
    return method(channel, DECLARE, b"\x00\x00" + short(queue) + bytes([_DURABLE]) + arguments)


def delete_empty(channel: int, queue: str) -> bytes:
    return method(channel, DELETE, b"\x00\x00" + short(queue) + bytes([_IF_UNUSED | _IF_EMPTY]))


def consume_alone(channel: int, queue: str, tag: str) -> bytes:
    fields = b"\x00\x00" + short(queue) + short(tag) + bytes([_EXCLUSIVE]) + b"\x00\x00\x00\x00"
    return method(channel, CONSUME, fields)


def cancel(channel: int, tag: str) -> bytes:
    return method(channel, CANCEL, short(tag) + b"\x00")


def get(channel: int, queue: str) -> bytes:
    return method(channel, GET, b"\x00\x00" + short(queue) + b"\x00")


def ack(channel: int, tag: int) -> bytes:
    return method(channel, ACK, struct.pack(">QB", tag, 0))


def requeue(channel: int, tag: int) -> bytes:
    return method(channel, NACK, struct.pack(">QB", tag, 2))


def publish(channel: int, queue: str, content: Content, frame_bytes: int) -> bytes:
    """To a queue by its name; it comes back where there is none."""
    sent = method(channel, PUBLISH, b"\x00\x00\x00" + short(queue) + bytes([_MANDATORY]))
    sent += _frame(HEADER, channel, _header(content))
    room = frame_bytes - HEAD.size - 1
    for start in range(0, len(content.body), room):
        sent += _frame(BODY, channel, content.body[start : start + room])
    return sent


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return HEAD.pack(kind, channel, len(payload)) + payload + bytes([END])


def _named(header: str) -> bytes:
    raw = header.encode("utf-8", "surrogateescape")
    return bytes([len(raw)]) + raw


def _header(content: Content) -> bytes:
    table = b"".join(_named(name) + raw for name, raw in content.headers.items())
    given = dict(content.properties)
    if table:
        given["headers"] = struct.pack(">I", len(table)) + table
    flags, values = 0, b""
    for number, name in enumerate(_PROPERTIES):
        if name in given:
            flags |= 1 << (15 - number)
            values += given[name]
    return struct.pack(">HHQH", 60, 0, len(content.body), flags) + values


def header_bytes(content: Content) -> int:
    return len(_header(content))


# --- what comes in; struct.error or IndexError where it is not what it says it is


def size_of(header: bytes) -> int:
    """Bytes of the body that follows a header."""
    (size,) = struct.unpack_from(">Q", header, 4)
    return int(size)


def content(header: bytes, body: bytes) -> Content:
    (flags,) = struct.unpack_from(">H", header, 12)
    place, properties, headers = 14, dict[str, bytes](), dict[str, bytes]()
    for number, name in enumerate(_PROPERTIES):
        if not flags & (1 << (15 - number)):
            continue
        if name == "headers":
            (size,) = struct.unpack_from(">I", header, place)
            headers = dict(_entries(header[place + 4 : place + 4 + size]))
            place += 4 + size
            continue
        size = _SIZES.get(name) or 1 + header[place]
        properties[name] = header[place : place + size]
        place += size
    return Content(properties, headers, body)


def _entries(table: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and values of a table, each value with its type."""
    place = 0
    while place < len(table):
        name = table[place + 1 : place + 1 + table[place]].decode("utf-8", "surrogateescape")
        place += 1 + table[place]
        kind = table[place : place + 1]
        if kind in _LONG:
            size = 4 + int(struct.unpack_from(">I", table, place + 1)[0])
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise IndexError("a header of a type that nobody knows")
        yield name, table[place : place + 1 + size]
        place += 1 + size


def delivery_tag(told: Method) -> int:
    """The tag of a Deliver, of a GetOk, or of an Ack or Nack that confirms."""
    place = 1 + told.fields[0] if told.id == DELIVER else 0
    (tag,) = struct.unpack_from(">Q", told.fields, place)
    return int(tag)


def is_multiple(confirm: Method) -> bool:
    """Whether a confirm is one of all that were before it, too."""
    return bool(confirm.fields[8] & 1)
