"""Sumo Logic: a log search that aggregates, and rows of metrics queries; many values become one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.systems.calls import Calls

Values = tuple[float, ...]
ROW = "query."
"""How the key of a row begins; its id follows."""

Written = Sequence[tuple[str, str]]

AGGREGATORS: dict[str, Callable[[Sequence[float]], float]] = {
    "Latest": lambda values: values[-1],
    "Avg": lambda values: sum(values) / len(values),
    "Sum": sum,
    "Count": len,
    "Min": min,
    "Max": max,
}


@dataclass(frozen=True, slots=True)
class SumoServer:
    """A deployment by its base URL, and an access key."""

    system: ClassVar[str] = "sumologic"

    origin: str
    access_id: str = field(repr=False)
    access_key: str = field(repr=False)
    is_verified: bool = True

    def label(self) -> str:
        return f"Sumo Logic {self.origin}"


@dataclass(frozen=True, slots=True)
class SumoLogs:
    """The numbers in a field of the records of a search, in their order; none where it has no records."""

    calls: ClassVar[Calls] = Calls(
        each=5, more="one for each further look at a search that takes long; six metrics queries are one"
    )

    server: SumoServer
    query: str
    field: str
    range_s: float
    zone: str
    poll_s: float


@dataclass(frozen=True, slots=True)
class SumoMetrics:
    """The values of the one time series of a row, the oldest first.

    `rows` are ids and queries, which may name each other (`#A`); `row` is the one whose series counts. With a
    single one the id is ours.
    """

    calls: ClassVar[Calls] = Calls(together=6, alike=("range_s",), more="rows that name each other go alone")

    server: SumoServer
    rows: tuple[tuple[str, str], ...]
    row: str
    range_s: float
    quantization_ms: int
    rollup: str


def logs_problems(query: str, written: Written, field: str) -> Iterator[Problem]:
    """`written` are rows as they stand in the metadata."""
    if not query:
        yield Problem("query", "missing required metadata: query", "FieldValueRequired")
    if written:
        yield Problem("query", "invalid metadata, query.<RowId> not supported for logs queryType")
    if not field:
        yield Problem("resultField", "missing required metadata: resultField", "FieldValueRequired")


def metrics_problems(query: str, written: Written, row: str, quantization_s: float) -> Iterator[Problem]:
    """The same for metrics; `row` is the one that counts."""
    if bool(query) == bool(written):
        text = "metrics want either query or query.<RowId>" + (", not both" if query else "")
        yield Problem("query", text, "FieldValueRequired")
    elif any(key == ROW or not text.strip() for key, text in written):
        yield Problem("query", "a row has no id or no query")
    elif written and f"{ROW}{row}" not in dict(written):
        yield Problem("resultQueryRowID", "it must be the id of one of the rows", "FieldValueRequired")
    if not quantization_s:
        yield Problem("quantization", "missing required metadata: quantization", "FieldValueRequired")


def rows_of(query: str, passed: Written) -> tuple[tuple[str, str], ...]:
    """The rows of a metrics query: the one of `query`, or those among what the metadata hold."""
    if query:
        return (("A", query),)
    return tuple((key.removeprefix(ROW), text) for key, text in passed if key.startswith(ROW))


def one_number(values: Any, aggregator: str, question: SumoLogs | SumoMetrics) -> float:
    """What the values come to, 0 for none. Malformed where they are no values."""
    if not isinstance(values, tuple):
        answer = f"a {type(values).__name__} where values were expected"
        raise Malformed("run the query", on=question.server.label(), answer=answer)
    return number(AGGREGATORS[aggregator](values), question) if values else 0.0
