"""Cloud Monitoring: the newest point that a filter finds, one call for each filter.

Source: Google, Cloud Monitoring API v3, `projects.timeSeries.list`: series come with their newest point
first, and `pageSize` counts points.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.gcp.calls import Call, Calls
from tidegate.connections.gcp.points import at, incomplete, list_of, no_number, number, stamp
from tidegate.kit.systems.gcp_monitoring import FilteredPoint

PAGES = 10
"""A page may be empty before one with a point comes."""

ATTEMPTED = "read the metric"

Value = float | TidegateError | None


class Filters:
    """Asks for points."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def values(self, questions: Sequence[FilteredPoint]) -> dict[FilteredPoint, Value]:
        """The newest value of each; raises what `Calls.send` raises."""
        now_s = time.time()
        values: dict[FilteredPoint, Value] = {}
        under_way = {question: _call(question, now_s) for question in dict.fromkeys(questions)}
        for _ in range(PAGES):
            answers = await self._calls.send(list(under_way.values()))
            following: dict[FilteredPoint, Call] = {}
            for question, call in under_way.items():
                answer = answers[call]
                values[question] = found = self._value(question, answer)
                token = None if isinstance(answer, TidegateError) else answer.get("nextPageToken")
                if found is None and token:
                    following[question] = call.with_query("pageToken", str(token))
            under_way = following
            if not under_way:
                break
        strange = self._calls.strange(ATTEMPTED, f"its first {PAGES} pages hold no point")
        return values | dict.fromkeys(under_way, strange)

    def _value(self, question: FilteredPoint, answer: Any) -> Value:
        if isinstance(answer, TidegateError):
            return answer
        try:
            series = list_of(answer, "timeSeries")
            points = [one for one in series if at(one, "points")]
            value = at(points[0], "points", 0, "value") if points else None
        except ValueError:
            return self._calls.strange(ATTEMPTED, "its list is of another shape")
        if points:
            read = number(value)
            return self._calls.strange(ATTEMPTED, no_number(value)) if read is None else read
        if count := incomplete(answer):
            told = f"the list is incomplete, for {count} errors of Monitoring's own"
            return Unreachable(ATTEMPTED, on=question.server.label(), answer=told)
        return None


def _call(question: FilteredPoint, now_s: float) -> Call:
    query = [
        ("filter", f'{question.filter} AND resource.labels.project_id="{question.project}"'),
        ("interval.startTime", stamp(int(now_s) - question.window_s)),
        ("interval.endTime", stamp(int(now_s))),
        ("view", "FULL"),
        ("pageSize", "1"),
    ]
    if question.alignment_s:
        query.append(("aggregation.alignmentPeriod", f"{question.alignment_s}s"))
        if question.aligner:
            query.append(("aggregation.perSeriesAligner", question.aligner))
        if question.reducer:
            query.append(("aggregation.crossSeriesReducer", question.reducer))
    path = f"/v3/projects/{question.project}/timeSeries"
    return Call(path, tuple(query), attempted=ATTEMPTED)
