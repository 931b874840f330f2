"""The stream of tokens with which a SQL Server answers (2.2.7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from tidegate.connections.mssql.channel import Channel, Excess
from tidegate.connections.mssql.values import Column, column, value
from tidegate.connections.queries import MOST_ROWS

_ERROR, _INFO, _LOGIN_ACK, _CHANGE = 0xAA, 0xAB, 0xAD, 0xE3
_COLUMNS, _ROW, _ROW_WITH_NULLS, _STATUS = 0x81, 0xD1, 0xD2, 0x79
_DONE, _DONE_PROC, _DONE_IN_PROC = 0xFD, 0xFE, 0xFF
_FEATURES = 0xAE
# Of these only the length is looked at, of two bytes or of four.
_SKIPPED = {0xA4: "<H", 0xA5: "<H", 0xA9: "<H", 0xAB: "<H", 0xAD: "<H", 0xED: "<H", 0xE4: "<I", 0xEE: "<I"}
_ATTENTION_DONE = 0x20
_ROUTING = 20


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of the server's. `severity` from 20 on ends the session."""

    number: int
    severity: int
    text: str = field(repr=False)


@dataclass(slots=True)
class Answer:
    """What came of a batch or a login: the first row that came, or the first error.

    `columns` is None where no rows came at all, not even none.
    """

    columns: int | None = None
    has_row: bool = False
    value: Any = None
    error: Refusal | None = None
    is_logged_in: bool = False
    route: tuple[str, int] | None = None
    is_interrupted: bool = False


class Tokens:
    """One answer: the tokens of one message. ValueError where they are not of the book."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._held = bytearray()
        self._is_last = False
        self._columns: list[Column] = []
        self._rows = 0

    async def take(self, size: int) -> bytes:
        while len(self._held) < size:
            if self._is_last:
                raise ValueError("the answer ends too early")
            piece, self._is_last = await self._channel.packet()
            self._held += piece
        found = bytes(self._held[:size])
        del self._held[:size]
        return found

    async def answer(self) -> Answer:
        """Reads it to its end. Excess where it is of more rows than one could want."""
        found = Answer()
        while self._held or not self._is_last:
            kind = (await self.take(1))[0]
            if kind == _COLUMNS:
                await self._new_columns(found)
            elif kind in (_ROW, _ROW_WITH_NULLS):
                await self._row(found, has_nulls=kind == _ROW_WITH_NULLS)
            elif kind in (_DONE, _DONE_PROC, _DONE_IN_PROC):
                (status,) = struct.unpack("<H", (await self.take(12))[:2])
                found.is_interrupted |= bool(status & _ATTENTION_DONE)
            elif kind == _STATUS:
                await self.take(4)
            elif kind == _ERROR:
                error = _refusal(await self._sized("<H"))
                found.error = found.error or error
            elif kind == _CHANGE:
                found.route = _route(await self._sized("<H")) or found.route
            elif kind == _FEATURES:
                while (await self.take(1))[0] != 0xFF:
                    await self._sized("<I")
            elif kind in _SKIPPED:
                found.is_logged_in |= kind == _LOGIN_ACK
                await self._sized(_SKIPPED[kind])
            else:
                raise ValueError(f"the unknown token 0x{kind:02x}")
        return found

    async def _new_columns(self, found: Answer) -> None:
        (count,) = struct.unpack("<H", await self.take(2))
        if count == 0xFFFF:
            return
        self._columns = []
        for _ in range(count):
            await self.take(6)  # the user's type, and flags
            self._columns.append(await column(self))
            await self.take(2 * (await self.take(1))[0])  # its name
        if found.columns is None:
            found.columns = count

    async def _row(self, found: Answer, *, has_nulls: bool) -> None:
        self._rows += 1
        if self._rows > MOST_ROWS:
            raise Excess(f"more than {MOST_ROWS:,} rows")
        nulls = await self.take((len(self._columns) + 7) // 8) if has_nulls else b""
        values = [
            None if nulls and nulls[place // 8] >> place % 8 & 1 else await value(self, of)
            for place, of in enumerate(self._columns)
        ]
        if not found.has_row:
            found.has_row, found.value = True, values[0] if values else None

    async def _sized(self, size_of: str) -> bytes:
        (size,) = struct.unpack(size_of, await self.take(struct.calcsize(size_of)))
        return await self.take(size)


def _refusal(body: bytes) -> Refusal:
    number, _, severity, size = struct.unpack_from("<iBBH", body)
    return Refusal(number, severity, body[8 : 8 + 2 * size].decode("utf-16-le", errors="replace"))


def _route(body: bytes) -> tuple[str, int] | None:
    """Where else the server wants us to go, if that is what it says has changed."""
    if body[0] != _ROUTING:
        return None
    _, _, port, size = struct.unpack_from("<HBHH", body, 1)
    return body[8 : 8 + 2 * size].decode("utf-16-le", errors="replace"), port
