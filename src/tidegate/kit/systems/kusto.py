"""The number in the tables that a Kusto query gives, of Log Analytics or of Data Explorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import Malformed
from tidegate.kit.answers import number
from tidegate.kit.question import Question

_NUMBERS = ("real", "int", "long")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns' types, and its rows."""

    types: tuple[str, ...]
    rows: tuple[Any, ...]


def kusto_number(tables: Any, question: Question) -> float:
    """The first cell of the only row. Malformed where there is none or more than one, or no number, or one
    below zero: nothing is never 0."""
    if not isinstance(tables, tuple) or not all(isinstance(one, Table) for one in tables):
        raise _malformed(question, f"a {type(tables).__name__} where tables were expected", "")
    if not tables or not tables[0].rows:
        raise _malformed(question, "there is no results after running your query", "let it end in summarize")
    if len(tables) > 1:
        raise _malformed(question, f"it gives {len(tables)} tables", "let it give one table")
    types, rows = tables[0].types, tables[0].rows
    if len(rows) > 1:
        raise _malformed(
            question, f"it gives {len(rows)} rows", "let it give one row, with summarize or take 1"
        )
    row = rows[0]
    if not isinstance(row, list) or not row or not types:
        raise _malformed(question, "its row has no columns", "let it give a number")
    if types[0] not in _NUMBERS:
        shown = types[0][:20] if types[0].isidentifier() else "another type"
        raise _malformed(question, f"its first column is {shown}", "convert it with tolong() or toreal()")
    value = number(row[0], question)
    if value < 0:
        raise _malformed(question, "its number is below zero", "let it give no negative number")
    return value


def _malformed(question: Question, answer: str, step: str) -> Malformed:
    return Malformed("run the query", on=question.server.label(), answer=answer, next_step=step)
