"""Frames of the native protocol, versions 3 and 4, as far as one number needs them.

Source: https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tidegate.kit.systems.sql import NO_ROW

STARTUP, QUERY, AUTH_RESPONSE = 0x01, 0x07, 0x0F
ERROR, READY, AUTHENTICATE, RESULT, AUTH_SUCCESS = 0x00, 0x02, 0x03, 0x08, 0x10

PAGE_ROWS = 5000
"""Rows in an answer at most: it is also the step in which a server counts."""

LONGEST = 4 << 20

_HEAD = struct.Struct(">BBhBi")
_ROWS = 2
_GLOBAL, _PAGED = 0x01, 0x02


class Strange(Exception):
    """What came back is not the protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    stream: int
    opcode: int
    body: bytes


@dataclass
class Refusal(Exception):
    """An error of the server: its code, and its words, which are for nobody but who asks by hand."""

    code: int
    words: str


class NoNumber(Exception):
    """An answer that gives no number; says why, as "the query …" goes on."""


def frame(version: int, stream: int, opcode: int, body: bytes) -> bytes:
    return _HEAD.pack(version, 0, stream, opcode, len(body)) + body


async def read_frame(reader: asyncio.StreamReader, version: int) -> Frame:
    """The next frame. Strange where it is none."""
    said, flags, stream, opcode, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    # A server that does not speak our version tells so in its own.
    if not said & 0x80 or not 0 <= length <= LONGEST or (said & 0x7F != version and opcode != ERROR):
        raise Strange
    body = await reader.readexactly(length)
    at = 0
    if flags & 0x08:  # warnings, a list of texts
        (count,) = struct.unpack_from(">H", body)
        at = 2
        for _ in range(count):
            at += 2 + int(struct.unpack_from(">H", body, at)[0])
    return Frame(stream, opcode, body[at:])


def startup() -> bytes:
    return struct.pack(">H", 1) + _text("CQL_VERSION") + _text("3.0.0")


def login(user: str, password: str) -> bytes:
    token = f"\0{user}\0{password}".encode()
    return struct.pack(">i", len(token)) + token


def query(statement: str, consistency: int) -> bytes:
    encoded = statement.encode()
    return struct.pack(">i", len(encoded)) + encoded + struct.pack(">HBi", consistency, 0x04, PAGE_ROWS)


def refusal(body: bytes) -> Refusal:
    """Out of the body of an error."""
    try:
        code, length = struct.unpack_from(">iH", body)
    except struct.error as error:
        raise Strange from error
    return Refusal(code, body[6 : 6 + length].decode(errors="replace"))


def first_value(body: bytes) -> Any:
    """The first value of a result: a number, None for NULL, `NO_ROW`. NoNumber for any other."""
    try:
        return _first_value(_Reader(body))
    except struct.error as error:
        raise Strange from error


def _first_value(body: _Reader) -> Any:
    if body.integer() != _ROWS:
        raise NoNumber("is a statement that gives no rows")
    flags, columns = body.integer(), body.integer()
    if columns != 1:
        raise NoNumber(f"gives {columns} columns")
    if flags & _PAGED:
        body.value()
    # The table's names: of the whole answer, or of its one column.
    body.text()
    body.text()
    body.text()
    read = _READERS.get(body.short())
    if read is None:
        raise NoNumber("gives a column of a type that is no number")
    if body.integer() == 0:
        return NO_ROW
    value = body.value()
    if value is None or (not value and read is not _decimal):
        return None
    return read(value)


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def _take(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._body, self._at)
        self._at += struct.calcsize(form)
        return int(value)

    def integer(self) -> int:
        return self._take(">i")

    def short(self) -> int:
        return self._take(">H")

    def text(self) -> None:
        length = self.short()
        self._at += length

    def value(self) -> bytes | None:
        length = self.integer()
        if length < 0:
            return None
        found = self._body[self._at : self._at + length]
        if len(found) != length:
            raise struct.error
        self._at += length
        return found


def _whole(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _decimal(value: bytes) -> Decimal | None:
    if not value:
        return None
    (scale,) = struct.unpack_from(">i", value)
    if not -400 < scale < 400:
        return Decimal("NaN")
    return Decimal(_whole(value[4:])).scaleb(-scale)


def _float(form: str) -> Callable[[bytes], float]:
    return lambda value: float(struct.unpack(form, value)[0])


_READERS: dict[int, Callable[[bytes], Any]] = {
    0x02: _whole,  # bigint
    0x05: _whole,  # counter
    0x06: _decimal,
    0x07: _float(">d"),
    0x08: _float(">f"),
    0x09: _whole,  # int
    0x0B: _whole,  # timestamp, in milliseconds
    0x0E: _whole,  # varint
    0x13: _whole,  # smallint
    0x14: _whole,  # tinyint
}


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded
