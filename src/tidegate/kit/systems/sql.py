"""Databases that are asked in SQL: one question for all of them, and the reader of its answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.question import Server


class NoRow(Enum):
    """The answer of a query that found nothing; a `NULL` in its row is `None`."""

    NO_ROW = "no row"


NO_ROW = NoRow.NO_ROW


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """The only column of the first row that `statement` gives.

    Answered with a number, a text, a truth value, `None` (NULL) or `NO_ROW`; what is of another type in the
    database comes as text. `statement` is shown nowhere: it may name what is nobody's business.
    """

    server: Server
    statement: str = field(repr=False)


_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# A number has no more digits than that; longer texts are not looked at.
_LONGEST = 1_000


def sql_number(answer: Any, question: SqlQuery) -> float:
    """The number in an answer; a text that is a number is one. Malformed when there is none."""
    if answer is NO_ROW:
        raise _malformed(question, "the query found no row", "let it count, or give a row in every case")
    if answer is None:
        raise _malformed(question, "the query gave NULL", "use COALESCE(…, 0) where nothing means zero")
    value = _number(answer)
    if value is None:
        shown = _words(answer)
        raise _malformed(question, f"{shown} where a number was expected", "let the query give one number")
    if not math.isfinite(value):
        raise _malformed(
            question, "the query gave no finite number", "exclude NaN and infinities in the query"
        )
    return value


def query_problems(query: str) -> Iterator[Problem]:
    """What no database could be sent."""
    if "\0" in query:
        yield Problem("query", "it holds a NUL character")


def _number(answer: Any) -> float | None:
    if type(answer) in (int, float, Decimal):
        try:
            return float(answer)
        except (OverflowError, ValueError):  # beyond a float, or a signalling NaN
            return math.inf
    if isinstance(answer, str) and len(answer) <= _LONGEST and _NUMBER.fullmatch(answer):
        return float(answer)
    return None


def _words(answer: Any) -> str:
    if isinstance(answer, bool):
        return "a truth value"
    if isinstance(answer, str):
        return f"a text of {len(answer)} characters"
    return f"a {type(answer).__name__}"


def _malformed(question: SqlQuery, answer: str, next_step: str) -> Malformed:
    return Malformed("run the query", on=question.server.label(), answer=answer, next_step=next_step)
