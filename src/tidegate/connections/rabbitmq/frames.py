"""The few AMQP 0-9-1 methods that counting takes, as bytes and back.

A frame is a type, a channel, a size, the payload and an end mark; a method's payload begins with the
numbers of its class and of itself. Client libraries refuse names that the broker takes (`$`, umlauts,
128 characters and more), which is why these are written here.

Source: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

METHOD, HEARTBEAT, END = 1, 8, 0xCE
HEAD = struct.Struct(">BHI")
_METHOD_ID = struct.Struct(">HH")

START, START_OK = (10, 10), (10, 11)
SECURE = (10, 20)
TUNE, TUNE_OK = (10, 30), (10, 31)
OPEN, OPEN_OK = (10, 40), (10, 41)
CLOSE, CLOSE_OK = (10, 50), (10, 51)
CHANNEL_OPEN, CHANNEL_OPEN_OK = (20, 10), (20, 11)
CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 40), (20, 41)
DECLARE, DECLARE_OK = (50, 10), (50, 11)

GREETING = b"AMQP\x00\x00\x09\x01"
BEAT = HEAD.pack(HEARTBEAT, 0, 0) + bytes([END])
PASSIVE = 1


@dataclass(frozen=True, slots=True)
class Method:
    """A method that came in; `fields` is what follows its numbers."""

    channel: int
    id: tuple[int, int]
    fields: bytes


@dataclass(frozen=True, slots=True)
class Tuning:
    """Limits: channels at once (0: none set), bytes of a frame, seconds between heartbeats (0: none)."""

    channels: int
    frame_bytes: int
    heartbeat_s: int


def method(channel: int, id: tuple[int, int], fields: bytes = b"") -> bytes:
    payload = _METHOD_ID.pack(*id) + fields
    return HEAD.pack(METHOD, channel, len(payload)) + payload + bytes([END])


def start_ok(mechanism: str, response: bytes) -> bytes:
    """The login. What we announce makes the broker tell a refused login instead of hanging up."""
    capabilities = _table(_flag("authentication_failure_close"))
    properties = _table(
        _text("product", "tidegate")
        + _text("connection_name", "tidegate")
        + b"\x0ccapabilitiesF"
        + capabilities
    )
    return method(0, START_OK, properties + short(mechanism) + _long(response) + short("en_US"))


def tune_ok(tuning: Tuning) -> bytes:
    return method(0, TUNE_OK, struct.pack(">HIH", tuning.channels, tuning.frame_bytes, tuning.heartbeat_s))


def open_vhost(name: str) -> bytes:
    """ValueError when the name is too long to be one."""
    return method(0, OPEN, short(name) + b"\x00\x00")


def open_channel(channel: int) -> bytes:
    return method(channel, CHANNEL_OPEN, b"\x00")


def count_of(channel: int, queue: bytes) -> bytes:
    """A passive declaration: it makes nothing and is answered with the number of ready messages."""
    return method(channel, DECLARE, b"\x00\x00" + queue + bytes([PASSIVE]) + b"\x00\x00\x00\x00")


def short(text: str) -> bytes:
    """A short string. ValueError from 256 bytes on."""
    raw = text.encode()
    if len(raw) > 255:
        raise ValueError("is longer than 255 bytes")
    return bytes([len(raw)]) + raw


# --- what comes in; struct.error or IndexError where it is not what it says it is


def as_method(channel: int, payload: bytes) -> Method:
    class_number, number = _METHOD_ID.unpack_from(payload)
    return Method(channel, (class_number, number), payload[_METHOD_ID.size :])


def mechanisms(start: bytes) -> tuple[str, ...]:
    """The ways to log in that a Start offers."""
    (table_bytes,) = struct.unpack_from(">I", start, 2)
    place = 6 + table_bytes
    (size,) = struct.unpack_from(">I", start, place)
    return tuple(start[place + 4 : place + 4 + size].decode("ascii", "replace").split())


def tuning(tune: bytes) -> Tuning:
    return Tuning(*struct.unpack_from(">HIH", tune))


def closing(close: bytes) -> tuple[int, str]:
    """Code and words of a Close, of a connection or a channel."""
    (code,) = struct.unpack_from(">H", close)
    return code, close[3 : 3 + close[2]].decode("utf-8", "replace")


def ready(declare_ok: bytes) -> int:
    """The number of ready messages in a DeclareOk."""
    (count,) = struct.unpack_from(">I", declare_ok, 1 + declare_ok[0])
    return int(count)


def _long(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _table(entries: bytes) -> bytes:
    return _long(entries)


def _text(name: str, value: str) -> bytes:
    return short(name) + b"S" + _long(value.encode())


def _flag(name: str) -> bytes:
    return short(name) + b"t\x01"
