"""CloudWatch: up to 500 series in one GetMetricData, all with the same window.

At most one Metrics Insights query (`SELECT …`) may be among them. One query that CloudWatch refuses spoils
its whole call: the members of that are then asked one by one, and the culprit goes alone from there on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.aws.calls import Call, Calls, Refused, strange
from tidegate.kit.systems.aws import CloudwatchSeries, Statistic

SERIES = CloudwatchSeries.calls.together
LONERS_KEPT = 10_000

Value = float | TidegateError | None


class Metrics:
    """Asks for series."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._loners: set[Statistic | str] = set()

    async def values(self, questions: Sequence[CloudwatchSeries]) -> dict[CloudwatchSeries, Value]:
        """The newest value of each; raises what `Calls.send` raises."""
        found = await self._asked(packed(dict.fromkeys(questions), self._loners))
        spoilt = [question for question, value in found.items() if value is _SPOILT]
        if spoilt:
            found |= await self._asked([question] for question in spoilt)
            wrong = (question for question in spoilt if isinstance(found[question], Refused))
            if len(self._loners) < LONERS_KEPT:
                self._loners.update(question.what for question in wrong)
        return found

    async def _asked(self, groups: Iterable[Sequence[CloudwatchSeries]]) -> dict[CloudwatchSeries, Any]:
        calls = {call(group): group for group in groups}
        answers = await self._calls.send(list(calls))
        found: dict[CloudwatchSeries, Any] = {}
        for one, group in calls.items():
            answer = answers[one]
            if isinstance(answer, Refused) and len(group) > 1:
                found |= dict.fromkeys(group, _SPOILT)
            elif isinstance(answer, TidegateError):
                found |= dict.fromkeys(group, answer)
            else:
                found |= read(group, answer)
        return found


_SPOILT = object()
_PARTIAL = "only a part of the result came"


def packed(
    questions: Iterable[CloudwatchSeries], loners: Iterable[Statistic | str] = ()
) -> list[list[CloudwatchSeries]]:
    """Groups that may travel in one call each."""
    alone, groups = set(loners), dict[tuple[int, int], list[list[CloudwatchSeries]]]()
    for question in questions:
        of_window = groups.setdefault((question.end_s, question.length_s), [])
        is_alone = question.what in alone
        if is_alone or not of_window or not _has_room(of_window[-1], question, alone):
            of_window.append([])
        of_window[-1].append(question)
    return [group for of_window in groups.values() for group in of_window]


def _has_room(group: Sequence[CloudwatchSeries], question: CloudwatchSeries, alone: set[Any]) -> bool:
    if len(group) >= SERIES or group[-1].what in alone:
        return False
    return not (_is_insights(question) and any(map(_is_insights, group)))


def _is_insights(question: CloudwatchSeries) -> bool:
    return isinstance(question.what, str) and question.what.lstrip()[:6].upper() == "SELECT"


def call(group: Sequence[CloudwatchSeries]) -> Call:
    first = group[0]
    parameters = {
        "StartTime": first.end_s - first.length_s,
        "EndTime": first.end_s,
        "ScanBy": "TimestampDescending",
        "MetricDataQueries": [_query(number, question) for number, question in enumerate(group)],
    }
    return Call.of("GetMetricData", parameters, "read the metrics")


def _query(number: int, question: CloudwatchSeries) -> dict[str, Any]:
    query: dict[str, Any] = {"Id": f"m{number}", "ReturnData": True}
    if question.account:
        query["AccountId"] = question.account
    if isinstance(question.what, str):
        return query | {"Expression": question.what, "Period": question.period_s}
    what = question.what
    stat: dict[str, Any] = {
        "Metric": {
            "Namespace": what.namespace,
            "MetricName": what.name,
            "Dimensions": [{"Name": name, "Value": value} for name, value in what.dimensions],
        },
        "Period": question.period_s,
        "Stat": what.statistic,
    }
    return query | {"MetricStat": stat | ({"Unit": what.unit} if what.unit else {})}


def read(group: Sequence[CloudwatchSeries], answer: Any) -> dict[CloudwatchSeries, Value]:
    """The first value of the first result of each query; None where there is none.

    CloudWatch answers 200 for what it could not read, too: its status says so, or a token for the rest.
    """
    is_whole = not answer.get("NextToken")
    results = answer.get("MetricDataResults")
    first: dict[str, Any] = {}
    for result in results if isinstance(results, list) else ():
        if isinstance(result, dict):
            first.setdefault(str(result.get("Id")), result)
    return {
        question: _newest(question, first.get(f"m{number}"), is_whole=is_whole)
        for number, question in enumerate(group)
    }


def _newest(question: CloudwatchSeries, result: Any, *, is_whole: bool) -> Value:
    attempted, on = "read the metric", question.server.label()
    if result is None:
        return None if is_whole else Unreachable(attempted, on=on, answer=_PARTIAL)
    values, status = result.get("Values"), result.get("StatusCode", "Complete")
    if status == "Forbidden":
        step = "give the key the right to read it, also in `awsAccountId`"
        return Denied(attempted, on=on, answer="Forbidden", next_step=step)
    if status == "InternalError":
        return Unreachable(attempted, on=on, answer="CloudWatch could not read it (InternalError)")
    if not isinstance(values, list):
        return strange(attempted, question.server, "its result holds no Values")
    if not values:
        is_known = is_whole and status != "PartialData"
        return None if is_known else Unreachable(attempted, on=on, answer=_PARTIAL)
    if type(values[0]) not in (int, float) or not math.isfinite(values[0]):
        return strange(attempted, question.server, "its newest value is no number")
    return float(values[0])
