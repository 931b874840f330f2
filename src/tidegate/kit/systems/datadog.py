"""Datadog: what a query of its API gives, and what its Cluster Agent says of a metric."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.kit.picking.gjson import find, read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.calls import Calls

Series = tuple[float | None, ...]
"""The values of one series, the oldest first; None where there is no value."""

_QUERY = re.compile(r".*\{.*\}.*")


@dataclass(frozen=True, slots=True)
class DatadogServer:
    """A site of Datadog, by its origin, and the keys of an organisation."""

    system: ClassVar[str] = "datadog"

    origin: str
    api_key: str = field(repr=False)
    app_key: str = field(repr=False)
    timeout_s: float | None = None

    def label(self) -> str:
        return f"Datadog {self.origin}"


@dataclass(frozen=True, slots=True)
class DatadogQuery:
    """All series of a query in the last `age_s` seconds before `offset_s` seconds ago.

    Answered with a tuple of `Series`; with None where Datadog cannot evaluate the query (422).
    """

    calls: ClassVar[Calls] = Calls(
        together=50, alike=("age_s", "offset_s"), more="long queries: 6,000 characters a call"
    )

    server: DatadogServer
    query: str
    age_s: int
    offset_s: int


def is_query(text: str) -> bool:
    return _QUERY.search(text) is not None


def queries_in(text: str) -> int:
    """How many queries a text is: they are separated by commas outside of brackets and quotes."""
    return 1 + sum(1 for _ in _commas(text))


def _commas(text: str) -> Iterator[int]:
    depth, quote = 0, ""
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "{([":
            depth += 1
        elif sign in "})]":
            depth -= 1
        elif sign == "," and depth == 0:
            yield position


def latest(series: Sequence[Series], back: int, is_average: bool | None, question: Question) -> float | None:
    """The latest value of the series, or the one `back` points before it; None where that point is empty.

    Of several series their mean or, with `is_average` False, the greatest; None for `is_average` allows one.
    """
    if len(series) > 1 and is_average is None:
        step = "set `queryAggregator`, or let the query give one"
        raise _malformed(question, f"the query returned more than one series ({len(series)})", step)
    values = []
    for one in series:
        last = max((n for n, value in enumerate(one) if value is not None), default=len(one) - 1)
        if last < back or last < 0:
            answer = "index is smaller than the lastAvailablePointOffset" if one else "a series has no points"
            raise _malformed(question, answer, "make `age` longer")
        value = one[last - back]
        if value is None:
            return None
        values.append(value)
    if is_average:
        return sum(values) / len(values)
    return max(values)


def _malformed(question: Question, answer: str, step: str) -> Malformed:
    return Malformed("run the query", on=question.server.label(), answer=answer, next_step=step)


@dataclass(frozen=True, slots=True)
class AgentValue:
    """`items[0].value` of an answer of the Cluster Agent: a number or a quantity."""

    format: ClassVar[str] = "external-metrics"

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> Any:
        value = find(document, "items.0.value")
        if value is None:
            raise Unpicked("the answer holds no value of the metric", "check the DatadogMetric's status")
        return value


def checked_series(answer: Any, question: DatadogQuery) -> tuple[Series, ...] | None:
    """`answer` if it is series, or None where the query cannot be evaluated. Malformed for anything else."""
    is_series = isinstance(answer, tuple) and all(isinstance(one, tuple) for one in answer)
    if answer is None or is_series:
        return answer  # type: ignore[no-any-return]
    raise _malformed(question, f"a {type(answer).__name__} where series were expected", "")


def unavailable(question: Question) -> float:
    """Raises what is told where there is no value and nothing to stand for it."""
    step = "check the query and `age`, or set `metricUnavailableValue`"
    raise _malformed(question, "no Datadog metrics returned for the given time window", step)
