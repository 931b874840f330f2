"""A formula as a value: compiled once, evaluated for each set of readings.

KEDA wraps a formula before it compiles it: `float(<formula>)`, or, where it contains `??`,
`let r = (<formula>); r == nil ? nil : float(r)`. Here the result is converted in the same way, without
touching the text, so that errors point into what the user wrote; and always, so that no formula fails
for giving an integer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.base.errors import Failure, sentence
from tidegate.base.problems import Problem
from tidegate.core.formula import budget
from tidegate.core.formula.budget import Trouble
from tidegate.core.formula.lowering import Lowering, Mistake
from tidegate.core.formula.operators import Ready, Run
from tidegate.core.formula.parse import parse
from tidegate.core.formula.tokens import Unreadable
from tidegate.core.formula.types import may_be
from tidegate.core.formula.values import described, to_float

PATH = "spec.advanced.scalingModifiers.formula"
_TOO_DEEP = Mistake("it is nested too deep", 0)
_COALESCES = "??"
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Formula:
    """A compiled formula. `uses` are the triggers whose values it reads, in the order of `names`."""

    text: str
    names: tuple[str, ...]
    uses: tuple[str, ...]
    _run: Run = field(repr=False, compare=False)
    _slots: tuple[tuple[str, int], ...] = field(repr=False, compare=False)
    _frame: tuple[Any, ...] = field(repr=False, compare=False)

    def evaluate(self, values: Mapping[str, float | None]) -> float | Failure | None:
        """The composite value; None where the formula gives nil; a Failure where it gives no number.

        `values` by trigger name, in the metric's own unit; None, or no entry, is nil.
        """
        try:
            result = self._result(values)
        except Trouble as trouble:
            return self._failure(trouble)
        except RecursionError:
            return self._failure(Trouble("it is nested too deep"))
        if result is None or math.isfinite(result):
            return result
        return self._failure(Trouble("the result is infinite (as 1 / 0)"))

    def _result(self, values: Mapping[str, float | None]) -> float | None:
        frame = list(self._frame)
        for name, slot in self._slots:
            value = values.get(name)
            if value is not None:
                if not math.isfinite(value):
                    raise Trouble(f"the value of {name} is not a finite number")
                frame[slot] = float(value)
        result = self._run(frame)
        if result is None or type(result) is float:
            # Adding zero turns -0.0 into 0.0.
            return None if result is None else result + 0.0
        if type(result) is bool or type(result) is list or type(result) is dict:
            raise Trouble(f"the result must be a number, not {described(result)}")
        number = to_float(result)
        return number + 0.0

    def _failure(self, trouble: Trouble) -> Failure:
        shown = self.text if len(self.text) <= _SHOWN_CHARS else self.text[:_SHOWN_CHARS] + "…"
        answer = (
            trouble.message if trouble.at is None else f"{trouble.message}, {place(self.text, trouble.at)}"
        )
        return Failure("Malformed", sentence("evaluate the formula", f'"{shown}"', answer))


def compile_formula(text: str, names: tuple[str, ...]) -> Formula | tuple[Problem, ...]:
    """The formula that `text` says, or all that is wrong with it.

    `names` are the names of the triggers it may use: all named ones but cpu and memory. As in KEDA
    it is run once with each trigger at -1, and refused where that fails or, without `??`, gives nil; but
    not where only these numbers have no result (0 / 0).
    """
    if not text.strip():
        return (Problem(PATH, "the formula is empty", "FieldValueRequired"),)
    lowering = Lowering(tuple(dict.fromkeys(names)))
    try:
        ready = lowering.lower(parse(text))
    except Unreadable as unreadable:
        return (_problem(text, Mistake(unreadable.message, unreadable.at)),)
    except RecursionError:
        return (_problem(text, _TOO_DEEP),)
    mistakes = lowering.mistakes or _wrong_result(ready)
    if mistakes:
        ordered = sorted(mistakes, key=lambda mistake: mistake.at)
        return tuple(_problem(text, mistake) for mistake in ordered)
    return _tried(_formula(text, lowering, ready))


def place(text: str, at: int) -> str:
    """Where the offset `at` is for a reader: "at column 5", with the line where there are several."""
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return f"at line {line}, column {column}" if "\n" in text.strip() else f"at column {column}"


def _formula(text: str, lowering: Lowering, ready: Ready) -> Formula:
    names = tuple(lowering.names)
    slots = tuple((name, lowering.used[name]) for name in names if name in lowering.used)
    frame = (budget.STEPS, *(None for _ in range(lowering.slots - 1)))
    return Formula(text, names, tuple(name for name, _ in slots), ready.run, slots, frame)


def _tried(formula: Formula) -> Formula | tuple[Problem, ...]:
    try:
        result = formula._result(dict.fromkeys(formula.names, -1.0))
    except Trouble as trouble:
        if not trouble.is_numeric:
            message = f"it fails where every trigger is -1: {trouble.message}"
            where = "" if trouble.at is None else f", {place(formula.text, trouble.at)}"
            return (Problem(PATH, message + where),)
        return formula
    except RecursionError:
        return (_problem(formula.text, _TOO_DEEP),)
    if result is None and _COALESCES not in formula.text:
        return (Problem(PATH, "it gives nil where every trigger is -1: say with ?? what counts instead"),)
    return formula


def _wrong_result(ready: Ready) -> list[Mistake]:
    if may_be(ready.type, ("int", "float", "string")):
        return []
    return [Mistake(f"a formula must give a number, not {ready.type}", 0)]


def _problem(text: str, mistake: Mistake) -> Problem:
    return Problem(PATH, f"{mistake.message}, {place(text, mistake.at)}")
