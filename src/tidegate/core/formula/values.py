"""The values of a running formula: None, bool, int, float, str, list, dict; nothing else exists here.

Integers have 64 bits and floats are IEEE doubles, as in Go. An integer that does not fit and a
result that is not a number (0 / 0) are Troubles, never a wrong number; infinities live on, because
`min(a / b, 100)` is right with b = 0.
"""

from __future__ import annotations

import math
import re
from typing import Any

from tidegate.core.formula.budget import VALUE_DEPTH, Frame, Trouble, charge
from tidegate.core.formula.types import Kind, kind_of

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_FLOAT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INT = re.compile(r"[-+]?[0-9]+")
# A float beyond this is written with an exponent, as Go does.
_PLAIN_EXPONENTS = range(-4, 21)


def bounded(number: int, at: int | None = None) -> int:
    """`number`, if it fits 64 bits."""
    if _INT_MIN <= number <= _INT_MAX:
        return number
    raise Trouble("an integer does not fit 64 bits (float(…) holds larger ones)", at, is_numeric=True)


def wrapped(number: int) -> int:
    """The 64 lowest bits of `number`, as a signed integer: what bits mean, where bits are meant."""
    return ((number - _INT_MIN) & (2**64 - 1)) + _INT_MIN


def is_number(value: Any) -> bool:
    kind = type(value)
    return kind is float or kind is int


def described(value: Any) -> str:
    """The kind of `value` for an error, never the value: a message that varies is news each time."""
    kind: Kind = kind_of(value)
    if kind == "nil":
        return "nil (write `name ?? 0`, or another number, where a trigger may have no value)"
    return f"{'an' if kind in ('int', 'array') else 'a'} {kind}"


def as_index(value: Any) -> int:
    """`value` as a whole number, cut towards zero."""
    if type(value) is int:
        return value
    if type(value) is float:
        return to_int(value)
    raise Trouble(f"a whole number is needed, not {described(value)}")


def to_int(value: Any) -> int:
    """int(value) of the language: cuts a float towards zero, reads a string of digits."""
    kind = type(value)
    if kind is int:
        return bounded(value)
    if kind is float:
        if math.isinf(value):
            raise Trouble("an infinite number is no integer", is_numeric=True)
        return bounded(int(value))
    if kind is str and _INT.fullmatch(value) and len(value) <= 20:
        return bounded(int(value))
    raise Trouble(f"int cannot read {'this string' if kind is str else described(value)}")


def to_float(value: Any) -> float:
    """float(value) of the language: a number, or a string that holds one."""
    kind = type(value)
    if kind is float or kind is int:
        return float(value)
    if kind is str and _FLOAT.fullmatch(value):
        return float(value)
    raise Trouble(f"float cannot read {'this string' if kind is str else described(value)}")


def truth(value: Any, at: int | None = None) -> bool:
    """`value` where a condition needs true or false."""
    if value is True or value is False:
        return value is True
    raise Trouble(f"a condition is true or false, not {described(value)}", at)


def equal(frame: Frame, left: Any, right: Any, depth: int = 0) -> bool:
    """Whether == holds: numbers by value, arrays and maps item by item, different kinds never."""
    charge(frame, 1)
    kind = type(left)
    if kind is list:
        if type(right) is not list or len(left) != len(right):
            return False
        _descend(depth)
        return all(equal(frame, one, other, depth + 1) for one, other in zip(left, right, strict=True))
    if kind is dict:
        if type(right) is not dict or left.keys() != right.keys():
            return False
        _descend(depth)
        return all(equal(frame, one, right[key], depth + 1) for key, one in left.items())
    if kind is not type(right):
        return is_number(left) and is_number(right) and bool(left == right)
    if kind is str:
        charge(frame, len(left) // 64)
    return bool(left == right)


def numbers(frame: Frame, name: str, values: list[Any], depth: int = 0) -> list[float]:
    """The numbers among `values` and in the arrays among them; Trouble where something else is there."""
    _descend(depth)
    charge(frame, len(values))
    found: list[float] = []
    for value in values:
        kind = type(value)
        if kind is float or kind is int:
            found.append(value)
        elif kind is list:
            found.extend(numbers(frame, name, value, depth + 1))
        else:
            raise Trouble(f"{name} needs numbers, not {described(value)}")
    return found


def flat(frame: Frame, values: list[Any], depth: int = 0) -> list[Any]:
    """The items of `values` and of all arrays in it, in one array."""
    _descend(depth)
    charge(frame, len(values))
    found: list[Any] = []
    for value in values:
        if type(value) is list:
            found.extend(flat(frame, value, depth + 1))
        else:
            found.append(value)
    return found


def written(frame: Frame, value: Any, depth: int = 0) -> str:
    """string(value) of the language: as Go prints it."""
    charge(frame, 1)
    if value is None:
        return "<nil>"
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is str:
        charge(frame, len(value) // 8)
        return value
    if type(value) is float:
        return _written_float(value)
    if type(value) is list:
        _descend(depth)
        return "[" + " ".join(written(frame, item, depth + 1) for item in value) + "]"
    if type(value) is dict:
        _descend(depth)
        pairs = (f"{key}:{written(frame, value[key], depth + 1)}" for key in sorted(value))
        return "map[" + " ".join(pairs) + "]"
    return str(value)


def _written_float(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    power = point - 1
    if power not in _PLAIN_EXPONENTS:
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{'-' if power < 0 else '+'}{abs(power):02d}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    digits = digits.ljust(point, "0")
    return sign + digits[:point] + (f".{digits[point:]}" if len(digits) > point else "")


def _descend(depth: int) -> None:
    if depth > VALUE_DEPTH:
        raise Trouble(f"arrays lie more than {VALUE_DEPTH} deep in each other")
