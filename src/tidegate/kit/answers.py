"""Readers of plain answers: a value of the promised shape, or `Malformed`. Never a silent zero."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeVar

from tidegate.base.errors import Malformed
from tidegate.base.quantity import parse_quantity
from tidegate.kit.question import Question

T = TypeVar("T")


def count(answer: Any, question: Question) -> int:
    """`answer` if it is a whole number, not below zero. Malformed when it is anything else."""
    if type(answer) is int and answer >= 0:
        return answer
    shown = f"{answer!r:.60}" if isinstance(answer, (int, float)) else f"a {type(answer).__name__}"
    raise Malformed(
        f"read the answer to {type(question).__name__}",
        on=question.server.label(),
        answer=f"{shown} where a count was expected",
        next_step="this is a defect of the connection or of the server behind it",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a number was looked for, for people; and the setting that says so."""

    where: str = ""
    setting: str = ""

    def unreadable(self, question: Question, answer: str) -> Malformed:
        where = f"{self.where[:100]}…" if len(self.where) > 100 else self.where
        return Malformed(
            f"read {where or 'the answer'}",
            on=question.server.label(),
            answer=answer,
            next_step=f"check `{self.setting}`, and what stands there" if self.setting else "",
        )


ANSWER = Place()


def number(answer: Any, question: Question, place: Place = ANSWER) -> float:
    """`answer` if it is a finite number. Malformed when it is anything else, a text of digits too."""
    if type(answer) in (int, float):
        try:
            value = float(answer)
        except OverflowError:
            value = math.inf
        if math.isfinite(value):
            return value
        shown = str(value)
    else:
        shown = "nothing" if answer is None else f"a {_WORDS.get(type(answer), type(answer).__name__)}"
    raise place.unreadable(question, f"{shown} where a number was expected")


def amount(answer: Any, question: Question, place: Place = ANSWER) -> float:
    """The same, and a text that is a Kubernetes quantity (`64`, `1k`, `10Mi`) counts too."""
    if isinstance(answer, str):
        try:
            return float(parse_quantity(answer.strip()))
        except ValueError:
            answer = "a text that is no quantity where a number was expected"
            raise place.unreadable(question, answer) from None
    return number(answer, question, place)


_WORDS = {str: "text", bool: "truth value", dict: "JSON object", list: "list"}


def of_kind(answer: Any, kind: type[T], question: Question) -> T:
    """`answer` if it is one of `kind`. Malformed when it is anything else."""
    if isinstance(answer, kind):
        return answer
    raise Malformed(
        f"read the answer to {type(question).__name__}",
        on=question.server.label(),
        answer=f"a {type(answer).__name__} where a {kind.__name__} was expected",
        next_step="this is a defect of the connection or of the server behind it",
    )
