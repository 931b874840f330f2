"""Parts of values and calls of builtins: what `base[key]`, `base[from:to]` and `name(…)` do when they run."""

from __future__ import annotations

from typing import Any

from tidegate.core.formula import budget
from tidegate.core.formula.budget import Frame, Trouble
from tidegate.core.formula.builtins import ANYTHING, BUILTINS, NIL_PASSES, Builtin
from tidegate.core.formula.operators import Run
from tidegate.core.formula.types import Type
from tidegate.core.formula.values import as_index, described


class Nothing(Exception):
    """The base of `?.` is nil, and so is the chain."""


def member(base: Run, key: Run, is_optional: bool, at: int) -> Run:
    def run(frame: Frame) -> Any:
        value = base(frame)
        if value is None and is_optional:
            raise Nothing
        index = key(frame)
        if type(value) is dict and (type(index) is str or index is None):
            return value.get(index)
        if type(value) is list:
            position = as_index(index)
            if -len(value) <= position < len(value):
                return value[position]
            raise Trouble("the index is outside the array (get(array, index) gives nil there)", at)
        raise Trouble(f"{described(value)} has no such part", at)

    return run


def cut(base: Run, start: Run | None, stop: Run | None, at: int) -> Run:
    def run(frame: Frame) -> Any:
        value = base(frame)
        if type(value) is not list and type(value) is not str:
            raise Trouble(f"{described(value)} has no parts to cut out", at)
        first = as_index(start(frame)) if start else 0
        last = as_index(stop(frame)) if stop else len(value)
        budget.charge(frame, len(value))
        return value[first:last]

    return run


def call(name: str, builtin: Builtin, runs: list[Run], at: int) -> Run:
    compute = builtin.compute
    takes = builtin.takes + builtin.takes[-1:] * (len(runs) - len(builtin.takes))
    checks = [None if kinds == ANYTHING or name in NIL_PASSES else _PYTHON[kinds] for kinds in takes]

    if len(runs) == 1 and checks[0] is not None:
        return _call_of_one(name, builtin, runs[0], at)

    def run(frame: Frame) -> Any:
        values = [part(frame) for part in runs]
        for value, check, kinds in zip(values, checks, takes, strict=False):
            if check is not None and type(value) not in check:
                raise Trouble(f"{name} takes {listed(kinds)}, not {described(value)}", at)
        try:
            return compute(frame, *values)
        except Trouble as trouble:
            raise trouble.placed(at) from None

    return run


def _call_of_one(name: str, builtin: Builtin, part: Run, at: int) -> Run:
    """The usual call, with nothing to loop over."""
    compute, kinds = builtin.compute, builtin.takes[0]
    check = _PYTHON[kinds]

    def run(frame: Frame) -> Any:
        value = part(frame)
        if type(value) not in check:
            raise Trouble(f"{name} takes {listed(kinds)}, not {described(value)}", at)
        try:
            return compute(frame, value)
        except Trouble as trouble:
            raise trouble.placed(at) from None

    return run


_TYPES = {"int": int, "float": float, "string": str, "array": list, "map": dict, "bool": bool}
_PYTHON = {
    kinds: frozenset(_TYPES[kind] for kind in kinds)
    for builtin in BUILTINS.values()
    for kinds in builtin.takes
}


def listed(kinds: tuple[Any, ...]) -> str:
    return " or ".join(str(Type(kind)) for kind in kinds)


def wanted_arguments(name: str, builtin: Builtin, count: int) -> str:
    fewest, most = builtin.needed, len(builtin.takes)
    wanted = (
        f"at least {fewest}" if builtin.is_open else str(fewest) if fewest == most else f"{fewest} to {most}"
    )
    return f"{name} takes {wanted} argument{'s' if wanted not in ('1', 'at least 1') else ''}, not {count}"
