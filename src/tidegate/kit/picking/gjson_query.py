"""The queries in a GJSON path: `#(age>40)`, `#(name%"D*")#`, `#(done==~true)`."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.kit.picking.patterns import glob

_OPERATORS = ("!=", "!%", "<=", ">=", "==", "=", "<", ">", "%")
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")
_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Query:
    """Elements whose `path` compares by `operator` with `value`; without an operator those that have it.

    `length` is that of its text in the path.
    """

    path: str
    operator: str
    value: str
    is_all: bool
    length: int


@functools.lru_cache(4096)
def read_query(text: str) -> Query | None:
    """The query that `text` begins with; None where it has no end."""
    depth, position, at, has_escapes = 1, 2, 0, False
    while position < len(text):
        sign = text[position]
        if depth == 1 and not at and sign in "!=<>%":
            at = position
        elif sign == "\\":
            position += 1
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
            if not depth:
                break
        elif sign == '"':
            end, escapes = _quote_end(text, position)
            position, has_escapes = end, has_escapes or escapes
        if depth > _DEPTH:
            return None
        position += 1
    if position >= len(text):
        return None
    is_all = text[position + 1 : position + 2] == "#"
    length = position + 2 if is_all else position + 1
    if not at:
        return Query(_trim(text[2:position]), "", "", is_all, length)
    compared = _trim(text[at:position])
    operator = next((one for one in _OPERATORS if compared.startswith(one)), compared[:1])
    value = _trim(compared[len(operator) :])
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = _unescaped(value) if has_escapes else value[1:-1]
    return Query(_trim(text[2:at]), "=" if operator == "==" else operator, value, is_all, length)


def split_pipe(path: str) -> tuple[str, str | None]:
    """A path up to the first `|` that stands outside of queries, and what follows (None: nothing)."""
    depth, position = 0, 0
    while position < len(path):
        sign = path[position]
        if sign == "\\":
            position += 1
        elif sign == '"' and depth:
            position, _ = _quote_end(path, position)
        elif sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "|" and depth <= 0:
            return path[:position], path[position + 1 :]
        position += 1
    return path, None


def is_match(value: Any, query: Query, *, exists: bool) -> bool:
    """Whether a value (`exists` False: none) fits, by the rules of its type."""
    wanted = query.value
    if wanted[:1] == "~":
        told = _told(value, wanted[1:], exists)
        if told is None:
            return False
        value, exists, wanted = told, True, "true"
    if not exists:
        return False
    if not query.operator:
        return True
    if isinstance(value, bool):
        return _compare_truth(value, query.operator, wanted)
    if isinstance(value, str):
        return _compare_text(value, query.operator, wanted)
    if isinstance(value, int | float):
        return _compare(value, query.operator, _number(wanted))
    return False


def _told(value: Any, kind: str, exists: bool) -> bool | None:
    """`~true` and its like: whether the value is one of the kind, in a wide sense."""
    text = value.lower() if isinstance(value, str) else ""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "*":
        return exists
    if kind == "null":
        return value is None
    if kind == "true":
        return value is True or text in _TRUE or (is_number and value != 0)
    if kind == "false":
        return value is None or value is False or text in _FALSE or (is_number and value == 0)
    return None


def _compare_truth(value: bool, operator: str, wanted: str) -> bool:
    if operator in ("=", "!="):
        return (wanted == ("true" if value else "false")) == (operator == "=")
    if value:
        return operator == ">=" or (operator == ">" and wanted == "false")
    return operator == "<=" or (operator == "<" and wanted == "true")


def _compare_text(value: str, operator: str, wanted: str) -> bool:
    if operator in ("%", "!%"):
        try:
            return glob(wanted).is_all_of(value) == (operator == "%")
        except ValueError:
            return False
    return _compare(value, operator, wanted)


def _compare(value: Any, operator: str, wanted: Any) -> bool:
    match operator:
        case "=":
            return bool(value == wanted)
        case "!=":
            return bool(value != wanted)
        case "<":
            return bool(value < wanted)
        case "<=":
            return bool(value <= wanted)
        case ">":
            return bool(value > wanted)
        case ">=":
            return bool(value >= wanted)
    return False


def _number(text: str) -> float:
    """As GJSON has it: what is no number is 0."""
    try:
        number = float(text) if "_" not in text else 0.0
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(number) else number


def _quote_end(text: str, begin: int) -> tuple[int, bool]:
    """Where the quote that begins there ends, and whether a backslash is inside."""
    position, has_escapes = begin + 1, False
    while position < len(text) and text[position] != '"':
        if text[position] == "\\":
            has_escapes = True
            position += 1
        position += 1
    return position, has_escapes


def _unescaped(quoted: str) -> str:
    try:
        value = msgspec.json.decode(quoted.encode())
    except (msgspec.DecodeError, UnicodeError):
        return quoted[1:-1]
    return value if isinstance(value, str) else quoted[1:-1]


def _trim(text: str) -> str:
    return text.strip("".join(map(chr, range(33))))
