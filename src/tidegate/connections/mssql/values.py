"""The types of SQL Server's columns and the values of their rows (2.2.5.4, 2.2.5.5)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol


class Source(Protocol):
    """Where bytes come from."""

    async def take(self, size: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Other:
    """A value of a type that is no number and no text; says which."""

    name: str


@dataclass(frozen=True, slots=True)
class Column:
    kind: int
    scale: int = 0
    is_long: bool = False  # in chunks, as varchar(max) is


_FIXED = {
    0x1F: 0, 0x30: 1, 0x32: 1, 0x34: 2, 0x38: 4, 0x3A: 4, 0x3B: 4, 0x3C: 8, 0x3D: 8, 0x3E: 8, 0x7A: 4,
    0x7F: 8,
}  # fmt: skip
_SIZED = frozenset({0x24, 0x25, 0x26, 0x27, 0x2D, 0x2F, 0x68, 0x6D, 0x6E, 0x6F})
_DECIMAL = frozenset({0x37, 0x3F, 0x6A, 0x6C})
_DATE, _SCALED = 0x28, frozenset({0x29, 0x2A, 0x2B})
_BINARY, _TEXTS = frozenset({0xA5, 0xAD}), frozenset({0xA7, 0xAF, 0xE7, 0xEF})
_OLD_LONG = frozenset({0x22, 0x23, 0x63})
_VARIANT, _UDT, _XML = 0x62, 0xF0, 0xF1

_INTEGERS = frozenset({0x26, 0x30, 0x34, 0x38, 0x7F})
_BITS, _FLOATS, _MONEY = frozenset({0x32, 0x68}), frozenset({0x3B, 0x3E, 0x6D}), frozenset({0x3C, 0x6E, 0x7A})
_WIDE, _NARROW = frozenset({0x63, 0xE7, 0xEF}), frozenset({0x23, 0x27, 0x2F, 0xA7, 0xAF})
_NAMES = {0x24: "uniqueidentifier", _XML: "xml", _UDT: "user-defined type", 0x22: "image"} | dict.fromkeys(
    (0x28, 0x29, 0x2A, 0x2B, 0x3A, 0x3D, 0x6F), "date or time"
)
_NULL_LONG = 0xFFFFFFFFFFFFFFFF


async def column(source: Source) -> Column:
    """A column's type, as it stands before the rows. ValueError for one that is not in the book."""
    kind = (await source.take(1))[0]
    if kind in _FIXED or kind == _DATE:
        return Column(kind)
    if kind in _SIZED:
        await source.take(1)
        return Column(kind)
    if kind in _DECIMAL:
        return Column(kind, scale=(await source.take(3))[2])
    if kind in _SCALED:
        return Column(kind, scale=(await source.take(1))[0])
    if kind in _BINARY | _TEXTS:
        (size,) = struct.unpack("<H", await source.take(2))
        if kind in _TEXTS:
            await source.take(5)
        return Column(kind, is_long=size == 0xFFFF)
    if kind in _OLD_LONG:
        await source.take(4 if kind == 0x22 else 9)
        for _ in range((await source.take(1))[0]):  # the table's name, in parts
            await _skip_text(source, "<H")
        return Column(kind)
    if kind == _VARIANT:
        await source.take(4)
        return Column(kind)
    if kind == _XML:
        if (await source.take(1))[0]:
            for size_of in ("<B", "<B", "<H"):
                await _skip_text(source, size_of)
        return Column(kind, is_long=True)
    if kind == _UDT:
        await source.take(2)
        for size_of in ("<B", "<B", "<B", "<H"):
            await _skip_text(source, size_of)
        return Column(kind, is_long=True)
    raise ValueError(f"a column of the unknown type 0x{kind:02x}")


async def value(source: Source, of: Column) -> Any:
    """A number, a text, a truth value, None for NULL, or an `Other`."""
    raw = await _raw(source, of)
    if raw is None:
        return None
    if of.kind == _VARIANT:
        return _of_variant(raw)
    return _meant(of.kind, of.scale, raw)


async def _raw(source: Source, of: Column) -> bytes | None:
    kind = of.kind
    if kind in _FIXED:
        return await source.take(_FIXED[kind]) if kind != 0x1F else None
    if of.is_long:
        return await _chunks(source)
    if kind in _BINARY | _TEXTS:
        (size,) = struct.unpack("<H", await source.take(2))
        return None if size == 0xFFFF else await source.take(size)
    if kind in _OLD_LONG:
        pointer = (await source.take(1))[0]
        if not pointer:
            return None
        await source.take(pointer + 8)
        return await source.take(struct.unpack("<I", await source.take(4))[0])
    if kind == _VARIANT:
        (size,) = struct.unpack("<I", await source.take(4))
        return await source.take(size) if size else None
    size = (await source.take(1))[0]
    # A text may be empty; of all others nothing means NULL. Texts of that form say 255 for it.
    if kind in (0x25, 0x27, 0x2D, 0x2F):
        return None if size == 0xFF else await source.take(size)
    return await source.take(size) if size else None


async def _chunks(source: Source) -> bytes | None:
    (size,) = struct.unpack("<Q", await source.take(8))
    if size == _NULL_LONG:
        return None
    whole = bytearray()
    while chunk := struct.unpack("<I", await source.take(4))[0]:
        whole += await source.take(chunk)
    return bytes(whole)


def _of_variant(raw: bytes) -> Any:
    kind, extra = raw[0], raw[1]
    scale = raw[3] if kind in _DECIMAL and extra > 1 else 0
    return _meant(kind, scale, raw[2 + extra :])


def _meant(kind: int, scale: int, raw: bytes) -> Any:
    if kind in _INTEGERS:
        return int.from_bytes(raw, "little", signed=len(raw) > 1)
    if kind in _BITS:
        return raw != b"\0"
    if kind in _FLOATS:
        return struct.unpack("<f" if len(raw) == 4 else "<d", raw)[0]
    if kind in _DECIMAL:
        digits = int.from_bytes(raw[1:], "little")
        return Decimal(digits if raw[0] else -digits).scaleb(-scale)
    if kind in _MONEY:
        turned = raw if len(raw) == 4 else raw[4:] + raw[:4]  # the upper half comes first
        return Decimal(int.from_bytes(turned, "little", signed=True)).scaleb(-4)
    if kind in _WIDE:
        return raw.decode("utf-16-le", errors="replace")
    if kind in _NARROW:
        return raw.decode("ascii", errors="replace")  # of a number's signs all code pages think alike
    return Other(_NAMES.get(kind, "binary"))


async def _skip_text(source: Source, size_of: str) -> None:
    (size,) = struct.unpack(size_of, await source.take(struct.calcsize(size_of)))
    await source.take(2 * size)
