"""New Relic: a query in NRQL, asked through NerdGraph, and the number in what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.kit.answers import number
from tidegate.kit.systems.calls import Calls

ORIGINS = {
    "US": "https://api.newrelic.com",
    "EU": "https://api.eu.newrelic.com",
    "STAGING": "https://staging-api.newrelic.com",
}
_STAMPS = ("beginTimeSeconds", "endTimeSeconds")


@dataclass(frozen=True, slots=True)
class NewRelicServer:
    """NerdGraph of a region, and the key of a user."""

    system: ClassVar[str] = "newrelic"

    origin: str
    key: str = field(repr=False)

    def label(self) -> str:
        return f"New Relic {self.origin}"


@dataclass(frozen=True, slots=True)
class Nrql:
    """The first row that a query of an account gives, a mapping; None where it gives no row."""

    calls: ClassVar[Calls] = Calls(together=10)

    server: NewRelicServer
    account: int
    query: str


def row_value(row: Any, question: Nrql) -> float | None:
    """The first number of a row, the moments of its window last; None where it has nothing but nulls.

    Malformed where it has values, and none of them is a number.
    """
    if row is None:
        return None
    if not isinstance(row, dict) or not row:
        raise _malformed(question, f"a {type(row).__name__} where a row was expected")
    order = [*(name for name in row if name not in _STAMPS), *(name for name in _STAMPS if name in row)]
    for name in order:
        if type(row[name]) in (int, float) and not (name in _STAMPS and _has_others(row)):
            return number(row[name], question)
    if all(value is None for name, value in row.items() if name not in _STAMPS):
        return None
    raise _malformed(question, "the row has no number")


def _has_others(row: dict[str, Any]) -> bool:
    return any(name not in _STAMPS for name in row)


def _malformed(question: Nrql, answer: str) -> Malformed:
    step = "let the query give one number, such as SELECT count(*)"
    return Malformed("run the query", on=question.server.label(), answer=answer, next_step=step)
