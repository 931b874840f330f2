"""AMQP 1.0's types as bytes, and back: those that we send, and all that may come.

Source: OASIS, "AMQP 1.0 Part 1: Types".
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

DEPTH = 16


class Strange(Exception):
    """What came is no AMQP 1.0."""


@dataclass(frozen=True, slots=True)
class Described:
    """A value with the number that says what it is."""

    code: int
    value: Any


class Uint(int):
    """Written as a uint; plain ints are longs."""


class Ubyte(int):
    """Written as a ubyte."""


class Symbol(str):
    """Written as a symbol; plain texts are strings."""


def encoded(value: Any) -> bytes:
    """TypeError for what AMQP has no type for."""
    if value is None or isinstance(value, bool):
        return {None: b"\x40", True: b"\x41", False: b"\x42"}[value]
    if isinstance(value, Described):
        return b"\x00\x53" + bytes([value.code]) + encoded(value.value)
    if isinstance(value, Uint):
        return b"\x70" + struct.pack(">I", value)
    if isinstance(value, Ubyte):
        return b"\x50" + bytes([value])
    if isinstance(value, int):
        return b"\x81" + struct.pack(">q", value)
    if isinstance(value, str):
        return _sized(0xA3 if isinstance(value, Symbol) else 0xA1, value.encode())
    if isinstance(value, bytes):
        return _sized(0xA0, value)
    if isinstance(value, list):
        inside = b"".join(map(encoded, value))
        return b"\xd0" + struct.pack(">II", len(inside) + 4, len(value)) + inside
    if isinstance(value, dict):
        inside = b"".join(encoded(key) + encoded(one) for key, one in value.items())
        return b"\xd1" + struct.pack(">II", len(inside) + 4, 2 * len(value)) + inside
    raise TypeError(f"AMQP has no type for a {type(value).__name__}")


def _sized(code: int, raw: bytes) -> bytes:
    if len(raw) < 256:
        return bytes([code, len(raw)]) + raw
    return bytes([code + 0x10]) + struct.pack(">I", len(raw)) + raw


def decoded(raw: bytes, at: int = 0, depth: int = 0) -> tuple[Any, int]:
    """The value that begins at `at`, and where the next one does. Strange where there is none.

    Symbols are texts, what has no use here (decimals, UUIDs) is bytes.
    """
    try:
        return _decoded(raw, at, depth)
    except (struct.error, IndexError, ValueError, TypeError) as error:
        raise Strange from error


def _decoded(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > DEPTH:
        raise Strange
    code, at = raw[at], at + 1
    if code == 0:
        number, at = _decoded(raw, at, depth + 1)
        value, at = _decoded(raw, at, depth + 1)
        return Described(number if isinstance(number, int) else -1, value), at
    return _of_code(code, raw, at, depth)


def _of_code(code: int, raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    if code in _FIXED:
        read = _FIXED[code]
        return read.unpack_from(raw, at)[0], at + read.size
    if code in _NOTHING:
        return ([] if code == 0x45 else _NOTHING[code]), at
    if code >> 4 in (7, 8, 9):  # those that have no use
        size = 1 << ((code >> 4) - 5)
        return _part(raw, at, size), at + size
    wide = code >> 4 in (0xB, 0xD, 0xF)
    (size,) = struct.unpack_from(">I" if wide else ">B", raw, at)
    at += 4 if wide else 1
    inside, kind = _part(raw, at, size), code & 0xF
    if code >> 4 in (0xA, 0xB):
        return (inside if kind == 0 else inside.decode()), at + size
    if code >> 4 in (0xC, 0xD) and kind in (0, 1):
        values = _several(inside, wide, depth)
        if kind == 0:
            return values, at + size
        return dict(zip(values[::2], values[1::2], strict=True)), at + size
    if code >> 4 in (0xE, 0xF):
        return _array(inside, wide, depth), at + size
    raise Strange


def _part(raw: bytes, at: int, size: int) -> bytes:
    if at + size > len(raw):
        raise Strange
    return raw[at : at + size]


def _several(inside: bytes, wide: bool, depth: int) -> list[Any]:
    (count,) = struct.unpack_from(">I" if wide else ">B", inside)
    at, values = 4 if wide else 1, []
    if count > len(inside):
        raise Strange
    for _ in range(count):
        value, at = _decoded(inside, at, depth + 1)
        values.append(value)
    return values


def _array(inside: bytes, wide: bool, depth: int) -> list[Any]:
    (count,) = struct.unpack_from(">I" if wide else ">B", inside)
    at = 4 if wide else 1
    if count > len(inside):
        raise Strange
    code, at = inside[at], at + 1
    if code == 0:
        _, at = _decoded(inside, at, depth + 1)
        code, at = inside[at], at + 1
    values = []
    for _ in range(count):
        value, at = _of_code(code, inside, at, depth + 1)
        values.append(value)
    return values


def _read(layout: str) -> struct.Struct:
    return struct.Struct(f">{layout}")


_FIXED: dict[int, struct.Struct] = {
    0x50: _read("B"), 0x51: _read("b"), 0x52: _read("B"), 0x53: _read("B"), 0x54: _read("b"),
    0x55: _read("b"), 0x56: _read("?"), 0x60: _read("H"), 0x61: _read("h"), 0x70: _read("I"),
    0x71: _read("i"), 0x72: _read("f"), 0x73: _read("I"), 0x80: _read("Q"), 0x81: _read("q"),
    0x82: _read("d"), 0x83: _read("q"),
}  # fmt: skip
_NOTHING: dict[int, Any] = {0x40: None, 0x41: True, 0x42: False, 0x43: 0, 0x44: 0, 0x45: None}
