"""The functions of a formula that take plain arguments; those with a predicate are in `loops`.

Source of names, arguments and results: the language definition of expr-lang 1.17. Not offered: what
reads a clock (now, date, duration, timezone) and what no number needs (JSON, base64, groupBy, pairs).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tidegate.core.formula import texts
from tidegate.core.formula.budget import Frame, Trouble, charge, grow, spell
from tidegate.core.formula.operators import Mismatch
from tidegate.core.formula.types import (
    ANY,
    FLOAT,
    INT,
    STRING,
    Kind,
    Type,
    array_of,
    item_of,
    kind_of,
    may_be,
)
from tidegate.core.formula.values import (
    as_index,
    bounded,
    described,
    equal,
    flat,
    is_number,
    numbers,
    to_float,
    to_int,
    wrapped,
    written,
)

Kinds = tuple[Kind, ...]
ANYTHING: Kinds = ()
NUMBER: Kinds = ("int", "float")


class Builtin(NamedTuple):
    """A function: what it takes, what it gives, and how it is computed from the frame and its arguments.

    The kinds of `takes` are checked before and while the formula runs (ANYTHING: also nil). `needed`:
    how many arguments there must be at least; `is_open`: the last parameter may be repeated.
    """

    takes: tuple[Kinds, ...]
    gives: Callable[[list[Type]], Type]
    compute: Callable[..., Any]
    needed: int
    is_open: bool = False


def _always(result: Type) -> Callable[[list[Type]], Type]:
    return lambda arguments: result


def _same(arguments: list[Type]) -> Type:
    return arguments[0]


def _item(arguments: list[Type]) -> Type:
    return item_of(arguments[0])


def _of_numbers(arguments: list[Type]) -> Type:
    """The one kind of number among the arguments; unknown where they differ or are arrays."""
    first = arguments[0]
    return first if first.is_number and all(one == first for one in arguments) else ANY


def _average(arguments: list[Type]) -> Type:
    return FLOAT if all(one.is_number for one in arguments) else ANY


def _at_key(arguments: list[Type]) -> Type:
    base, key = arguments
    if not may_be(base, ("array", "map", "nil")):
        raise Mismatch(f"get takes an array or a map, not {base}")
    wanted: Kind = "int" if base.kind == "array" else "string"
    if base.kind in ("array", "map") and not may_be(key, (wanted,)):
        raise Mismatch(f"get from {base} takes {Type(wanted)}, not {key}")
    return item_of(base)


def _array(arguments: list[Type]) -> Type:
    return arguments[0] if arguments[0].kind == "array" else array_of(ANY)


def _len(frame: Frame, value: Any) -> int:
    return len(value)


def _type(frame: Frame, value: Any) -> str:
    return kind_of(value)


def _abs(frame: Frame, value: Any) -> Any:
    return bounded(abs(value)) if type(value) is int else abs(value)


def _rounded(to_whole: Callable[[float], int]) -> Callable[[Frame, Any], float]:
    def compute(frame: Frame, value: Any) -> float:
        number = float(value)
        return number if math.isinf(number) else float(to_whole(number))

    return compute


def _half_away(number: float) -> int:
    whole = math.trunc(number)
    return whole + int(math.copysign(1, number)) if abs(number - whole) >= 0.5 else whole


def _extreme(name: str, choose: Callable[[Sequence[float]], float]) -> Callable[..., Any]:
    def compute(frame: Frame, *values: Any) -> Any:
        # The usual call, max(a, b), needs no search for arrays.
        if all(map(is_number, values)):
            return choose(values)
        if len(values) == 1 and values[0] is None:
            return None
        found = numbers(frame, name, list(values))
        return choose(found) if found else None

    return compute


def _mean(frame: Frame, *values: Any) -> float:
    found = numbers(frame, "mean", list(values))
    total = 0.0
    for value in found:
        total += value
    return _real(total / len(found)) if found else 0.0


def _median(frame: Frame, *values: Any) -> float:
    found = sorted(numbers(frame, "median", list(values)))
    charge(frame, 4 * len(found))
    if not found:
        return 0.0
    middle = len(found) // 2
    if len(found) % 2:
        return float(found[middle])
    return _real((float(found[middle - 1]) + float(found[middle])) / 2)


def _real(number: float) -> float:
    if number != number:
        raise Trouble("this gives no number (as infinity - infinity)", is_numeric=True)
    return number


def _first(frame: Frame, value: Any) -> Any:
    return value[0] if type(value) is list and value else None


def _last(frame: Frame, value: Any) -> Any:
    return value[-1] if type(value) is list and value else None


def _get(frame: Frame, value: Any, key: Any) -> Any:
    """The item at `key`, nil where there is none."""
    if type(value) is list:
        index = as_index(key)
        return value[index] if -len(value) <= index < len(value) else None
    if type(value) is dict:
        return value.get(key) if type(key) is str else None
    if value is None:
        return None
    raise Trouble(f"get needs an array or a map, not {described(value)}")


def _take(frame: Frame, value: list[Any], count: int) -> list[Any]:
    if count < 0:
        raise Trouble("take cannot take less than nothing")
    grow(frame, min(count, len(value)))
    return value[:count]


def _keys(frame: Frame, value: dict[str, Any]) -> list[Any]:
    grow(frame, len(value))
    return list(value)


def _values(frame: Frame, value: dict[str, Any]) -> list[Any]:
    grow(frame, len(value))
    return list(value.values())


def _reverse(frame: Frame, value: list[Any]) -> list[Any]:
    grow(frame, len(value))
    return value[::-1]


def _uniq(frame: Frame, value: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in value:
        if not any(equal(frame, item, known) for known in found):
            found.append(item)
    return found


def _concat(frame: Frame, *values: list[Any]) -> list[Any]:
    grow(frame, sum(len(value) for value in values))
    return [item for value in values for item in value]


def _flatten(frame: Frame, value: list[Any]) -> list[Any]:
    found = flat(frame, value)
    grow(frame, len(found))
    return found


def ordered(frame: Frame, keys: list[Any], order: str) -> list[int]:
    """The positions of `keys` in ascending ("asc") or descending ("desc") order."""
    if order not in ("asc", "desc"):
        raise Trouble("the order is asc or desc")
    if len(keys) > 1 and not (all(map(is_number, keys)) or all(type(key) is str for key in keys)):
        raise Trouble("only numbers, or only strings, can be sorted")
    charge(frame, 4 * len(keys) + sum(len(key) // 8 for key in keys if type(key) is str))
    return sorted(range(len(keys)), key=keys.__getitem__, reverse=order == "desc")


def _sort(frame: Frame, value: list[Any], order: str = "asc") -> list[Any]:
    return [value[position] for position in ordered(frame, value, order)]


def _string(frame: Frame, value: Any) -> str:
    text = value if type(value) is str else written(frame, value)
    spell(frame, len(text))
    return text


def _bits(compute: Callable[[int, int], int]) -> Builtin:
    return Builtin(
        (("int",), ("int",)), _always(INT), lambda frame, one, other: wrapped(compute(one, other)), 2
    )


def _shift(compute: Callable[[int, int], int]) -> Builtin:
    def checked(one: int, places: int) -> int:
        if places < 0:
            raise Trouble("bits cannot be shifted by less than nothing")
        return compute(one, min(places, 64))

    return _bits(checked)


_ARRAY: tuple[Kinds, ...] = (("array",),)
_AGGREGATE: tuple[Kinds, ...] = (("int", "float", "array"),)

BUILTINS: dict[str, Builtin] = {
    "abs": Builtin((NUMBER,), _same, _abs, 1),
    "ceil": Builtin((NUMBER,), _always(FLOAT), _rounded(math.ceil), 1),
    "floor": Builtin((NUMBER,), _always(FLOAT), _rounded(math.floor), 1),
    "round": Builtin((NUMBER,), _always(FLOAT), _rounded(_half_away), 1),
    "int": Builtin((("int", "float", "string"),), _always(INT), lambda frame, value: to_int(value), 1),
    "float": Builtin((("int", "float", "string"),), _always(FLOAT), lambda frame, value: to_float(value), 1),
    "string": Builtin((ANYTHING,), _always(STRING), _string, 1),
    "type": Builtin((ANYTHING,), _always(STRING), _type, 1),
    "len": Builtin((("array", "map", "string"),), _always(INT), _len, 1),
    "max": Builtin(_AGGREGATE, _of_numbers, _extreme("max", max), 1, is_open=True),
    "min": Builtin(_AGGREGATE, _of_numbers, _extreme("min", min), 1, is_open=True),
    "mean": Builtin(_AGGREGATE, _average, _mean, 1, is_open=True),
    "median": Builtin(_AGGREGATE, _average, _median, 1, is_open=True),
    "first": Builtin(_ARRAY, _item, _first, 1),
    "last": Builtin(_ARRAY, _item, _last, 1),
    "get": Builtin((ANYTHING, ANYTHING), _at_key, _get, 2),
    "take": Builtin((("array",), ("int",)), _array, _take, 2),
    "keys": Builtin((("map",),), _always(array_of(STRING)), _keys, 1),
    "values": Builtin((("map",),), _always(array_of(ANY)), _values, 1),
    "reverse": Builtin(_ARRAY, _array, _reverse, 1),
    "uniq": Builtin(_ARRAY, _array, _uniq, 1),
    "concat": Builtin(_ARRAY, _always(array_of(ANY)), _concat, 1, is_open=True),
    "flatten": Builtin(_ARRAY, _always(array_of(ANY)), _flatten, 1),
    "sort": Builtin((("array",), ("string",)), _array, _sort, 1),
    "bitand": _bits(lambda one, other: one & other),
    "bitor": _bits(lambda one, other: one | other),
    "bitxor": _bits(lambda one, other: one ^ other),
    "bitnand": _bits(lambda one, other: one & ~other),
    "bitshl": _shift(lambda one, places: one << places),
    "bitshr": _shift(lambda one, places: one >> places),
    "bitushr": _shift(lambda one, places: (one & (2**64 - 1)) >> places),
    "bitnot": Builtin((("int",),), _always(INT), lambda frame, value: ~value, 1),
    **{
        name: Builtin(takes, _always(array_of(STRING) if gives == "array" else Type(gives)), compute, needed)
        for name, (takes, gives, compute, needed) in texts.FUNCTIONS.items()
    },
}
# What may be nil although the kinds do not name it: the first and last of nothing, the largest of one nil.
NIL_PASSES = frozenset(["first", "last", "max", "min"])

_CLOCK = "a formula cannot read a clock; a cron trigger gives a number that depends on the time"
_UNNEEDED = "a formula has only numbers to work on"
NOT_OFFERED: dict[str, str] = {
    **dict.fromkeys(["now", "date", "duration", "timezone"], _CLOCK),
    **dict.fromkeys(["toJSON", "fromJSON", "toBase64", "fromBase64", "splitAfter"], _UNNEEDED),
    **dict.fromkeys(["groupBy", "toPairs", "fromPairs"], _UNNEEDED),
}
