"""The native protocol, as far as one number needs it: hello, a query with its settings, blocks, exceptions.

We say that we are of revision 54429: old enough that a server sends nothing that is not read here (it
leaves out what was added later), new enough that settings are texts. Nothing is compressed.

Source: https://github.com/ClickHouse/ClickHouse/blob/master/src/Core/ProtocolDefines.h and
https://clickhouse.com/docs/native-protocol
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tidegate.connections.clickhouse.columns import first_value
from tidegate.connections.queries import MOST_BYTES, MOST_ROWS
from tidegate.kit.systems.sql import NO_ROW

REVISION = 54429
_NAME = "tidegate"

_TIME_ZONE, _QUOTA, _DISPLAY_NAME, _PATCH = 54058, 54060, 54372, 54401
_WRITTEN, _TEXT_SETTINGS = 54420, 54429
_LONGEST_TEXT = 1 << 20
_PACKET_WORDS = 1 << 16

# What a server sends.
_HELLO, _DATA, _EXCEPTION, _PROGRESS, _PONG, _END, _PROFILE, _TOTALS, _EXTREMES = range(9)
_LOG, _TABLE_COLUMNS = 10, 11


class Strange(Exception):
    """What came back is not the protocol."""


class Wide(Exception):
    """A block of more columns than one: they are not read, so the connection is out of step."""

    def __init__(self, columns: int) -> None:
        super().__init__(columns)
        self.columns = columns


class Excess(Exception):
    """More came back than one could want; says what."""


@dataclass
class Refusal(Exception):
    """What the server said no to: its number, and its words, which are for nobody but who asks by hand."""

    code: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """The first value; `columns` is 0 for a statement that gives no rows at all."""

    value: Any
    columns: int


class Wire:
    """One connection after its hello. Out of step after Strange, Wide, Excess or Unread."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._revision = REVISION
        self._budget = MOST_BYTES

    async def hello(self, database: str, user: str, password: str) -> None:
        """Refusal where we are not let in."""
        self._budget = MOST_BYTES
        texts = b"".join(map(_text, (database, user, password)))
        self._writer.write(_number(0) + _text(_NAME) + _number(1) + _number(0) + _number(REVISION) + texts)
        kind = await self.number()
        if kind == _EXCEPTION:
            raise await self._exception()
        if kind != _HELLO:
            raise Strange
        await self.text()
        for _ in range(2):
            await self.number()
        self._revision = min(REVISION, await self.number())
        if self._revision >= _TIME_ZONE:
            await self.text()
        if self._revision >= _DISPLAY_NAME:
            await self.text()
        if self._revision >= _PATCH:
            await self.number()

    async def first(self, statement: str, settings: Iterable[tuple[str, str]]) -> Result:
        """The first value of what `statement` gives."""
        self._budget = MOST_BYTES
        self._writer.write(self._query(statement, settings))
        columns, rows = 0, 0
        value: Any = NO_ROW
        while True:
            kind = await self.number()
            if kind == _DATA:
                width, came, first = await self._block()
                columns = width or columns
                value = first if not rows and came else value
                rows += came
                if rows > MOST_ROWS:
                    raise Excess(f"more than {MOST_ROWS} rows")
            elif kind == _EXCEPTION:
                raise await self._exception()
            elif kind == _END:
                return Result(value, columns)
            else:
                await self._passed_over(kind)

    def close(self) -> None:
        self._writer.transport.abort()

    # --- what is sent

    def _query(self, statement: str, settings: Iterable[tuple[str, str]]) -> bytes:
        empty = _text("")
        who = b"\1" + empty + empty + _text("0.0.0.0:0") + b"\1" + empty + empty + _text(_NAME)
        who += _number(1) + _number(0) + _number(REVISION)
        if self._revision >= _QUOTA:
            who += empty
        if self._revision >= _PATCH:
            who += _number(0)
        said = b"".join(self._setting(name, value) for name, value in settings)
        # Stage 2 is to the end; no compression; then an empty block: there are no tables of ours.
        query = _number(1) + empty + who + said + empty + _number(2) + _number(0) + _text(statement)
        nothing = b"\1\0\2" + struct.pack("<i", -1) + b"\0" + _number(0) + _number(0)
        return query + _number(2) + empty + nothing

    def _setting(self, name: str, value: str) -> bytes:
        if self._revision >= _TEXT_SETTINGS:
            return _text(name) + _number(0) + _text(value)
        return _text(name) + (_number(int(value)) if value.isdecimal() else _text(value))

    # --- what comes

    async def exactly(self, count: int) -> bytes:
        self._budget -= count
        if self._budget < 0:
            raise Excess(f"more than {MOST_BYTES >> 20} MiB")
        return await self._reader.readexactly(count)

    async def number(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            (byte,) = await self.exactly(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Strange

    async def text(self) -> bytes:
        length = await self.number()
        if length > _LONGEST_TEXT:
            raise Strange
        return await self.exactly(length)

    async def _block(self) -> tuple[int, int, Any]:
        """Columns, rows and the first value of a block. The last block of an answer is empty."""
        await self.text()
        while field := await self.number():
            if field > 2:
                raise Strange
            await self.exactly(1 if field == 1 else 4)
        width, height = await self.number(), await self.number()
        if width > _PACKET_WORDS:
            raise Strange
        value: Any = NO_ROW
        for _ in range(width):
            await self.text()
            kind = (await self.text()).decode(errors="replace")
            if not height:
                continue
            if width > 1:
                raise Wide(width)
            value = await first_value(self, kind, height)
        return width, height, value

    async def _exception(self) -> Refusal:
        (code,) = struct.unpack("<i", await self.exactly(4))
        await self.text()
        words = (await self.text()).decode(errors="replace")
        await self.text()
        if await self.exactly(1) != b"\0":
            await self._exception()
        return Refusal(code, words)

    async def _passed_over(self, kind: int) -> None:
        if kind == _PROGRESS:
            for _ in range(5 if self._revision >= _WRITTEN else 3):
                await self.number()
        elif kind == _PROFILE:
            for _ in range(3):
                await self.number()
            await self.exactly(1)
            await self.number()
            await self.exactly(1)
        elif kind in (_TOTALS, _EXTREMES, _LOG):
            await self._block()
        elif kind == _TABLE_COLUMNS:
            await self.text()
            await self.text()
        elif kind != _PONG:
            raise Strange


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _number(len(encoded)) + encoded
