"""The functions of a formula on strings. Strings are counted in characters, not in bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.core.formula.budget import Frame, Trouble, grow, spell
from tidegate.core.formula.types import Kind

Signature = tuple[tuple[tuple[Kind, ...], ...], Kind, Callable[..., Any], int]


def _read(compute: Callable[..., Any]) -> Callable[..., Any]:
    """`compute` on strings, paid for by their length."""

    def paid(frame: Frame, *texts: Any) -> Any:
        for text in texts:
            spell(frame, len(text))
        return compute(*texts)

    return paid


def _split(frame: Frame, text: str, separator: str, count: int = -1) -> list[str]:
    """The parts of `text`, at most `count` of them (less than 0: all)."""
    grow(frame, len(text))
    if count == 0:
        return []
    if separator == "":
        letters = list(text)
        return (
            letters
            if count < 0
            else [*letters[: count - 1], *(["".join(letters[count - 1 :])] if letters[count - 1 :] else [])]
        )
    return text.split(separator, count - 1 if count > 0 else -1)


def _replace(frame: Frame, text: str, old: str, new: str, count: int = -1) -> str:
    found = text.count(old)
    times = found if count < 0 else min(count, found)
    spell(frame, len(text) + times * max(len(new) - len(old), 0))
    return text.replace(old, new, times)


def _repeat(frame: Frame, text: str, count: int) -> str:
    if count < 0:
        raise Trouble("repeat cannot repeat less than nothing")
    spell(frame, len(text) * count)
    return text * count


def _join(frame: Frame, parts: list[Any], between: str = "") -> str:
    for part in parts:
        if type(part) is not str:
            raise Trouble("join needs an array of strings")
    spell(frame, sum(map(len, parts)) + len(between) * len(parts))
    return between.join(parts)


def _trim(text: str, letters: str | None = None) -> str:
    return text.strip(letters) if letters != "" else text


_TEXT: tuple[Kind, ...] = ("string",)
_ONE = (_TEXT,)
_TWO = (_TEXT, _TEXT)
_COUNT: tuple[Kind, ...] = ("int",)

# Takes, gives, compute, how many arguments are needed.
FUNCTIONS: dict[str, Signature] = {
    "trim": (_TWO, "string", _read(_trim), 1),
    "trimPrefix": (_TWO, "string", _read(lambda text, part=" ": text.removeprefix(part)), 1),
    "trimSuffix": (_TWO, "string", _read(lambda text, part=" ": text.removesuffix(part)), 1),
    "upper": (_ONE, "string", _read(str.upper), 1),
    "lower": (_ONE, "string", _read(str.lower), 1),
    "indexOf": (_TWO, "int", _read(str.find), 2),
    "lastIndexOf": (_TWO, "int", _read(str.rfind), 2),
    "hasPrefix": (_TWO, "bool", _read(str.startswith), 2),
    "hasSuffix": (_TWO, "bool", _read(str.endswith), 2),
    "split": ((_TEXT, _TEXT, _COUNT), "array", _split, 2),
    "replace": ((_TEXT, _TEXT, _TEXT, _COUNT), "string", _replace, 3),
    "repeat": ((_TEXT, _COUNT), "string", _repeat, 2),
    "join": ((("array",), _TEXT), "string", _join, 1),
}
