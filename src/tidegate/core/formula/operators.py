"""What the operators do: operands that are ready to run in, an operation that is ready to run out.

Where the types are known to be numbers the operation is Python's own, and only nil can disturb it;
where they are not, it looks first. Source of the types: the checker of expr-lang 1.17.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from tidegate.core.formula.budget import Frame, Trouble, charge, grow, spell
from tidegate.core.formula.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    STRING,
    Type,
    array_of,
    is_comparable,
    item_of,
    joined,
    may_be,
)
from tidegate.core.formula.values import as_index, bounded, described, equal, is_number, truth

Run = Callable[[Frame], Any]
Compute = Callable[[Any, Any], Any]


class Ready(NamedTuple):
    """A part of a formula, checked: its type, and what gives its value."""

    type: Type
    run: Run


class Mismatch(Exception):
    """The operator has no meaning for operands of these types."""


def _divide(left: Any, right: Any) -> float:
    try:
        return float(left) / float(right)
    except ZeroDivisionError:
        sign = math.copysign(1.0, left) * math.copysign(1.0, right)
        return math.nan if left == 0 else sign * math.inf


def _power(base: Any, exponent: Any) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 == 1 else math.inf
    except ValueError:
        return math.inf if base == 0 else math.nan


def _modulo(left: int, right: int) -> int:
    """The remainder, with the sign of `left`."""
    if right == 0:
        raise Trouble("`%` cannot divide by zero")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


_COMPUTE: dict[str, Compute] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "**": _power,
    "%": _modulo,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "contains": operator.contains,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def unary(sign: str, operand: Ready, at: int) -> Ready:
    """`-x`, `+x`, `not x`."""
    kind, run = operand
    if sign == "not":
        if not may_be(kind, ("bool",)):
            raise Mismatch(f"`not` needs true or false, not {kind}")
        return Ready(BOOL, lambda frame: not truth(run(frame), at))
    if not may_be(kind, ("int", "float")):
        raise Mismatch(f"`{sign}` needs a number, not {kind}")

    if sign == "+":
        # It does nothing: nil stays nil, for `??` to replace.
        return operand

    def signed(frame: Frame) -> Any:
        value = run(frame)
        if type(value) is float:
            return -value
        if type(value) is int:
            return bounded(-value, at)
        raise Trouble(f"`{sign}` needs a number, not {described(value)}", at)

    return Ready(kind, signed)


def binary(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    """The operation of `left sign right`; Mismatch where it has no meaning."""
    return _BINARY[sign](sign, left, right, at)


def _arithmetic(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    compute = _COMPUTE[sign]
    is_float = sign in ("/", "**")
    if left.type.is_number and right.type.is_number:
        if left.type == right.type == INT and not is_float:
            return Ready(INT, _on_ints(sign, compute, left.run, right.run, at))
        return Ready(FLOAT, _on_floats(sign, compute, left.run, right.run, at))
    if sign == "+" and left.type == right.type == STRING:
        return Ready(STRING, _on_anything(sign, compute, left.run, right.run, at))
    kinds: Any = ("int", "float", "string") if sign == "+" else ("int", "float")
    if ANY in (left.type, right.type) and may_be(left.type, kinds) and may_be(right.type, kinds):
        return Ready(FLOAT if is_float else ANY, _on_anything(sign, compute, left.run, right.run, at))
    raise _mismatch(sign, left, right)


def _on_floats(sign: str, compute: Compute, left: Run, right: Run, at: int) -> Run:
    def run(frame: Frame) -> float:
        one, other = left(frame), right(frame)
        try:
            result: float = compute(one, other)
        except TypeError:
            raise _unfit(sign, one, other, at) from None
        if result != result:
            raise _no_number(sign, at)
        return result

    return run


def _on_ints(sign: str, compute: Compute, left: Run, right: Run, at: int) -> Run:
    def run(frame: Frame) -> int:
        one, other = left(frame), right(frame)
        try:
            return bounded(compute(one, other), at)
        except TypeError:
            raise _unfit(sign, one, other, at) from None

    return run


def _on_anything(sign: str, compute: Compute, left: Run, right: Run, at: int) -> Run:
    def run(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        if is_number(one) and is_number(other):
            result = compute(one, other)
            if type(result) is int:
                return bounded(result, at)
            if result != result:
                raise _no_number(sign, at)
            return result
        if sign == "+" and type(one) is str and type(other) is str:
            spell(frame, len(one) + len(other))
            return one + other
        raise _unfit(sign, one, other, at)

    return run


def _remainder(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    if not (may_be(left.type, ("int",)) and may_be(right.type, ("int",))):
        raise Mismatch(
            f"`%` needs two integers, not {left.type} and {right.type} (write int(…) around a trigger)"
        )

    def run(frame: Frame) -> int:
        one, other = left.run(frame), right.run(frame)
        if type(one) is int and type(other) is int:
            return _modulo(one, other)
        raise _unfit(sign, one, other, at)

    return Ready(INT, run)


def _comparison(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    compute = _COMPUTE[sign]
    if left.type.is_number and right.type.is_number:

        def quick(frame: Frame) -> Any:
            one, other = left.run(frame), right.run(frame)
            try:
                return compute(one, other)
            except TypeError:
                raise _unfit(sign, one, other, at) from None

        return Ready(BOOL, quick)
    kinds: Any = ("int", "float", "string")
    is_open = ANY in (left.type, right.type) and may_be(left.type, kinds) and may_be(right.type, kinds)
    if not is_open and not left.type == right.type == STRING:
        raise _mismatch(sign, left, right)

    def run(frame: Frame) -> Any:
        one, other = left.run(frame), right.run(frame)
        if (is_number(one) and is_number(other)) or (type(one) is str and type(other) is str):
            return compute(one, other)
        raise _unfit(sign, one, other, at)

    return Ready(BOOL, run)


def _equality(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    if not is_comparable(left.type, right.type):
        raise _mismatch(sign, left, right)
    is_wanted = sign == "=="
    return Ready(BOOL, lambda frame: equal(frame, left.run(frame), right.run(frame)) is is_wanted)


def _logic(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    known = (left.type.kind, right.type.kind)
    if not all(kind in ("bool", "any") for kind in known):
        raise Mismatch(f"`{sign}` needs true or false on both sides, not {left.type} and {right.type}")
    one, other = left.run, right.run
    if sign == "and":
        return Ready(BOOL, lambda frame: truth(one(frame), at) and truth(other(frame), at))
    return Ready(BOOL, lambda frame: truth(one(frame), at) or truth(other(frame), at))


def _words(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    if not (may_be(left.type, ("string",)) and may_be(right.type, ("string",))):
        raise _mismatch(sign, left, right)
    compute = _COMPUTE[sign]

    def run(frame: Frame) -> bool:
        one, other = left.run(frame), right.run(frame)
        if one is None or other is None:
            return False
        if type(one) is str and type(other) is str:
            charge(frame, len(one) // 8 + 1)
            return bool(compute(one, other))
        raise _unfit(sign, one, other, at)

    return Ready(BOOL, run)


def _matches(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    raise Mismatch("`matches` is not offered: a formula has no regular expressions")


def _range(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    if not (may_be(left.type, ("int",)) and may_be(right.type, ("int",))):
        raise Mismatch(f"`..` needs two integers, not {left.type} and {right.type}")

    def run(frame: Frame) -> list[int]:
        one, other = left.run(frame), right.run(frame)
        try:
            first, last = as_index(one), as_index(other)
            grow(frame, max(last - first + 1, 0))
        except Trouble as trouble:
            raise trouble.placed(at) from None
        return list(range(first, last + 1))

    return Ready(array_of(INT), run)


def within(value: Ready, first: Ready, last: Ready) -> Ready:
    """`value in first..last`, without the array."""

    def run(frame: Frame) -> bool:
        number = value.run(frame)
        low, high = as_index(first.run(frame)), as_index(last.run(frame))
        return is_number(number) and low <= number <= high and number == math.floor(number)

    return Ready(BOOL, run)


def _membership(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    kind = right.type.kind
    if kind == "array" and not is_comparable(left.type, item_of(right.type)):
        raise Mismatch(f"`in`: {left.type} is never in an array of {item_of(right.type).kind}s")
    if kind == "map" and not may_be(left.type, ("string",)):
        raise Mismatch(f"`in`: the keys of a map are strings, not {left.type}")
    if kind not in ("array", "map", "any"):
        raise Mismatch(f"`in` needs an array or a map on its right, not {right.type}")

    def run(frame: Frame) -> bool:
        one, other = left.run(frame), right.run(frame)
        if type(other) is list:
            return any(equal(frame, item, one) for item in other)
        if type(other) is dict and type(one) is str:
            return one in other
        if other is None or type(other) is dict:
            return False
        raise _unfit(sign, one, other, at)

    return Ready(BOOL, run)


def _instead(sign: str, left: Ready, right: Ready, at: int) -> Ready:
    first, second = left.run, right.run

    def run(frame: Frame) -> Any:
        value = first(frame)
        return second(frame) if value is None else value

    return Ready(joined([left.type, right.type]), run)


_BINARY: dict[str, Callable[[str, Ready, Ready, int], Ready]] = {
    **dict.fromkeys(["+", "-", "*", "/", "**"], _arithmetic),
    "%": _remainder,
    **dict.fromkeys(["<", "<=", ">", ">="], _comparison),
    **dict.fromkeys(["==", "!="], _equality),
    **dict.fromkeys(["and", "or"], _logic),
    **dict.fromkeys(["contains", "startsWith", "endsWith"], _words),
    "matches": _matches,
    "..": _range,
    "in": _membership,
    "??": _instead,
}


def _mismatch(sign: str, left: Ready, right: Ready) -> Mismatch:
    return Mismatch(f"`{sign}` has no meaning between {left.type} and {right.type}")


def _unfit(sign: str, left: Any, right: Any, at: int) -> Trouble:
    if left is None or right is None:
        return Trouble(f"`{sign}` cannot work with {described(None)}", at)
    return Trouble(f"`{sign}` has no meaning between {described(left)} and {described(right)}", at)


def _no_number(sign: str, at: int) -> Trouble:
    return Trouble(f"`{sign}` gives no number here (as 0 / 0)", at, is_numeric=True)
