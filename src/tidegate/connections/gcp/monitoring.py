"""Cloud Monitoring: the newest points of many resources in one call.

Plain values come from `timeSeries.list`, whose filter names the resources that are wanted: reading is billed
by the series, so nothing else is read. What must be reduced first (distributions) takes the query language.

Source: Google, "Monitoring filters", `projects.timeSeries.list`, `projects.timeSeries.query`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.gcp.calls import Call, Calls
from tidegate.connections.gcp.points import at, incomplete, list_of, no_number, number, stamp, text
from tidegate.kit.systems.gcp_monitoring import NewestPoint

NAMES_CHARS = 1500
"""So long the names in a filter may be together: a filter has some 2,000 characters."""

WINDOW_S = 600
"""Horizons up to this travel together, and each drops what is too old for it."""

PAGES = 50
_POINTS = "5000"

Value = float | TidegateError | None


@dataclass(frozen=True, slots=True)
class _Found:
    """The newest point of a resource: its moment, and its value as Monitoring types it."""

    at_s: float
    value: Any


@dataclass(frozen=True, slots=True)
class Group:
    """What one call asks: questions that differ in name and horizon alone. `length_s` is the window."""

    questions: tuple[NewestPoint, ...]
    length_s: int

    @property
    def first(self) -> NewestPoint:
        return self.questions[0]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.name for one in self.questions))

    @property
    def attempted(self) -> str:
        return f"read {self.first.metric}"


class Monitoring:
    """Asks for points."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def values(self, questions: Sequence[NewestPoint]) -> dict[NewestPoint, Value]:
        """The newest value of each; raises what `Calls.send` raises."""
        placed = await self._placed(questions)
        found = await self._found([one for one in placed.values() if isinstance(one, NewestPoint)])
        return {
            one: found[there] if isinstance(there, NewestPoint) else there for one, there in placed.items()
        }

    async def _placed(
        self, questions: Sequence[NewestPoint]
    ) -> dict[NewestPoint, NewestPoint | TidegateError]:
        """Those that name no project, in that of the identity that asks."""
        placed: dict[NewestPoint, NewestPoint | TidegateError] = {one: one for one in questions}
        homeless = [one for one in placed if not one.project]
        if homeless:
            try:
                project = await self._calls.project()
            except TidegateError as error:
                return placed | dict.fromkeys(homeless, error)
            placed |= {one: replace(one, project=project) for one in homeless}
        return placed

    async def _found(self, questions: Sequence[NewestPoint]) -> dict[NewestPoint, Value]:
        now_s = time.time()
        groups = list(grouped(questions))
        found: dict[Group, dict[str, _Found]] = {group: {} for group in groups}
        errors: dict[Group, TidegateError] = {}
        under_way = {_call(group, now_s): group for group in groups}
        for _ in range(PAGES):
            answers = await self._calls.send(list(under_way))
            following: dict[Call, Group] = {}
            for call, answer in answers.items():
                group = under_way[call]
                if isinstance(answer, TidegateError):
                    errors[group] = answer
                    continue
                try:
                    for name, point in _points(group, answer):
                        found[group].setdefault(name, point)
                except ValueError:
                    errors[group] = self._calls.strange(group.attempted, "its list is of another shape")
                if told := incomplete(answer):
                    errors.setdefault(group, self._partial(group, told))
                if token := answer.get("nextPageToken"):
                    following[_page(call, str(token))] = group
            under_way = following
            if not under_way:
                break
        for group in under_way.values():
            errors[group] = self._calls.strange(group.attempted, f"its list has more than {PAGES} pages")
        return {
            question: self._value(question, found[group].get(question.name), errors.get(group), now_s)
            for group in groups
            for question in group.questions
        }

    def _value(
        self, question: NewestPoint, point: _Found | None, error: TidegateError | None, now_s: float
    ) -> Value:
        if point is None:
            return error
        if point.at_s < now_s - question.horizon_s:
            return None
        value = number(point.value)
        if value is None:
            attempted = f"read {question.metric} of {question.name}"
            return self._calls.strange(attempted, no_number(point.value))
        return value

    def _partial(self, group: Group, count: int) -> TidegateError:
        """Some of it could not be read: what is missing is not known to be absent."""
        answer = f"the list is incomplete, for {count} errors of Monitoring's own"
        return Unreachable(group.attempted, on=group.first.server.label(), answer=answer)


def grouped(questions: Iterable[NewestPoint]) -> Iterator[Group]:
    """Groups that may travel in one call each."""
    kinds: dict[Any, list[NewestPoint]] = {}
    for question in dict.fromkeys(questions):
        is_short = question.horizon_s <= WINDOW_S and not question.reducer
        length_s = WINDOW_S if is_short else math.ceil(question.horizon_s)
        kinds.setdefault((replace(question, name="", horizon_s=0.0), length_s), []).append(question)
    for (_, length_s), alike in kinds.items():
        part: list[NewestPoint] = []
        size, names = 0, set[str]()
        for question in alike:
            longer = 0 if question.name in names else len(question.name) + 40 * bool(question.reducer) + 4
            if part and size + longer > NAMES_CHARS:
                yield Group(tuple(part), length_s)
                part, size, names, longer = [], 0, set(), len(question.name) + 4
            part.append(question)
            names.add(question.name)
            size += longer
        yield Group(tuple(part), length_s)


def _call(group: Group, now_s: float) -> Call:
    return _query(group) if group.first.reducer else _list(group, now_s)


def _list(group: Group, now_s: float) -> Call:
    first = group.first
    quoted = [text(name) for name in group.names]
    wanted = quoted[0] if len(quoted) == 1 else f"one_of({', '.join(quoted)})"
    of_type = f' AND resource.type = "{first.resource}"' if first.resource else ""
    filter = (
        f'metric.type = "{first.metric}"{of_type}'
        f' AND resource.labels.project_id = "{first.project}" AND resource.labels.{first.label} = {wanted}'
    )
    query = (
        ("filter", filter),
        ("interval.startTime", stamp(now_s - group.length_s)),
        ("interval.endTime", stamp(now_s)),
        ("view", "FULL"),
        ("pageSize", _POINTS),
    )
    return Call(f"/v3/projects/{first.project}/timeSeries", query, attempted=group.attempted)


def _query(group: Group) -> Call:
    first = group.first
    names = " || ".join(f"resource.{first.label} == '{name}'" for name in group.names)
    text = (
        f"fetch {first.resource} | metric '{first.metric}'"
        f" | filter (resource.project_id == '{first.project}' && ({names}))"
        f" | within {group.length_s}s | align delta(3m) | every 3m"
        f" | group_by [resource.{first.label}], {first.reducer}"
    )
    body = msgspec.json.encode({"query": text})
    path = f"/v3/projects/{first.project}/timeSeries:query"
    return Call(path, body=body, attempted=group.attempted)


def _page(call: Call, token: str) -> Call:
    """The same call for its next page."""
    if call.body:
        return replace(call, body=msgspec.json.encode({**msgspec.json.decode(call.body), "pageToken": token}))
    return call.with_query("pageToken", token)


def _points(group: Group, answer: Any) -> Iterator[tuple[str, _Found]]:
    """The newest point of each series that has any, by its resource's name. ValueError: another shape."""
    for series in list_of(answer, "timeSeriesData" if group.first.reducer else "timeSeries"):
        if group.first.reducer:
            name, points = at(series, "labelValues", 0, "stringValue"), at(series, "pointData")
        else:
            name, points = at(series, "resource", "labels", group.first.label), at(series, "points")
        if not isinstance(name, str) or not isinstance(points or [], list):
            raise ValueError("a series without a name or points")
        if points:
            end = at(points[0], "timeInterval" if group.first.reducer else "interval", "endTime")
            value = at(points[0], "values", 0) if group.first.reducer else at(points[0], "value")
            yield name, _Found(datetime.fromisoformat(str(end)).timestamp(), value)
