"""Columns of ClickHouse's native format: the first value of one, read from bytes as they come."""

from __future__ import annotations

import re
import struct
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Protocol

_INTEGER = re.compile(r"(U?)Int(8|16|32|64|128|256)")
_DECIMAL = re.compile(r"Decimal\((\d+), ?(\d+)\)")
_FIXED = re.compile(r"FixedString\((\d+)\)")
_NULLABLE = re.compile(r"Nullable\((.+)\)")
_SIZES = {"Float32": 4, "Float64": 8, "Bool": 1, "Nothing": 1}
_FLOATS = {"Float32": "<f", "Float64": "<d"}


class Unread(Exception):
    """A column of a type that is not read here: where it ends is not known."""


class Bytes(Protocol):
    """What comes from the server."""

    exactly: Callable[[int], Awaitable[bytes]]
    number: Callable[[], Awaitable[int]]
    text: Callable[[], Awaitable[bytes]]


async def first_value(source: Any, kind: str, rows: int) -> Any:
    """The first of `rows` values of a column, all of which are taken from `source`; None for NULL.

    Unread for dates, arrays, low cardinality and whatever else no number is made of.
    """
    if (nullable := _NULLABLE.fullmatch(kind)) is not None:
        nulls = await source.exactly(rows)
        value = await first_value(source, nullable[1], rows)
        return None if nulls[0] else value
    if kind == "String":
        texts = [await source.text() for _ in range(rows)]
        return _text(texts[0])
    size = _size(kind)
    if size is None:
        raise Unread(kind)
    found = await source.exactly(size * rows)
    return _value(kind, found[:size])


def _size(kind: str) -> int | None:
    if (integer := _INTEGER.fullmatch(kind)) is not None:
        return int(integer[2]) // 8
    if (decimal := _DECIMAL.fullmatch(kind)) is not None:
        return next((size for digits, size in _WIDTHS if int(decimal[1]) <= digits), None)
    if (fixed := _FIXED.fullmatch(kind)) is not None:
        return int(fixed[1])
    return _SIZES.get(kind)


_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))


def _value(kind: str, found: bytes) -> Any:
    if kind in _FLOATS:
        return struct.unpack(_FLOATS[kind], found)[0]
    if kind == "Bool":
        return found != b"\0"
    if kind == "Nothing":
        return None
    if _FIXED.fullmatch(kind):
        return _text(found.rstrip(b"\0"))
    whole = int.from_bytes(found, "little", signed=not kind.startswith("U"))
    decimal = _DECIMAL.fullmatch(kind)
    return Decimal(whole).scaleb(-int(decimal[2])) if decimal is not None else whole


def _text(found: bytes) -> str:
    return found.decode(errors="replace")
