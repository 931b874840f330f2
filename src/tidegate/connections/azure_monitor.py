"""Azure Monitor: up to 20 metrics of a resource in one call, or, by region, 50 resources in one.

The window is the trigger's; within it the newest point counts that has the aggregation: that of the minute
which is not over yet has none.

Source: Microsoft, "Azure Monitor REST API", Metrics - List; "Azure Monitor data plane", Metrics - Batch.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import Malformed, TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.azure_answers import document_of, refusal, told
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.systems.azure_monitor import OF_REGION, OF_RESOURCE, MetricPoint, MonitorServer
from tidegate.kit.systems.http import HttpRequest

METRICS = OF_RESOURCE.together
RESOURCES = OF_REGION.together
VERSION = "2024-02-01"

_ROLE = "the role Monitoring Reader on the resource"


def connect(server: MonitorServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return (RegionConnection if server.region else ResourceConnection)(server, surroundings)


class _MonitorConnection(PackedConnection):
    """Answers `MetricPoint`s: what both interfaces have in common."""

    wake_gap_s = 60.0
    """Points come once a minute."""

    kinds = (MetricPoint,)

    def __init__(self, server: MonitorServer, surroundings: Surroundings) -> None:
        self._base = server.base
        self._http = server.http()
        super().__init__(self._http, surroundings, concurrency=8)

    async def packed(self, questions: Sequence[MetricPoint]) -> Found:
        request = self.request(questions)
        response = await self.client.send(request)
        if response.status in (400, 404) and len(questions) > 1:
            raise Spoilt
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        document = document_of(response, request)
        found: Found = {}
        for one in questions:
            try:
                found[one] = _newest(one, _metric(self.listed(document, one), one, request), request)
            except TidegateError as error:
                found[one] = error
        return found

    def request(self, questions: Sequence[MetricPoint]) -> HttpRequest:
        raise NotImplementedError

    def listed(self, document: Any, question: MetricPoint) -> Any:
        """The metrics of a question's resource, as the answer lists them."""
        raise NotImplementedError


class ResourceConnection(_MonitorConnection):
    """The resource manager: metrics of one resource travel together."""

    at_once = METRICS

    def group(self, question: MetricPoint) -> Hashable:
        return question.resource.casefold(), *_alike(question)

    def request(self, questions: Sequence[MetricPoint]) -> HttpRequest:
        first = questions[0]
        names = ",".join(dict.fromkeys(one.metric for one in questions))
        begin, end = _window(first)
        query = [("timespan", f"{begin}/{end}"), *_shared(first, names)]
        query += [("metricnamespace", first.namespace)] if first.namespace else []
        query += [("$filter", first.filter)] if first.filter else []
        path = f"{self._base}{quote(first.resource)}/providers/Microsoft.Insights/metrics"
        return HttpRequest(self._http, path, tuple(query), attempted=f"read {names}")

    def listed(self, document: Any, question: MetricPoint) -> Any:
        return document.get("value") if isinstance(document, dict) else None


class RegionConnection(_MonitorConnection):
    """The metrics interface of a region: resources of one type and subscription travel together."""

    at_once = RESOURCES

    def group(self, question: MetricPoint) -> Hashable:
        kind = question.kind.casefold(), question.metric.casefold()
        return _subscription(question), *kind, *_alike(question)

    def request(self, questions: Sequence[MetricPoint]) -> HttpRequest:
        first = questions[0]
        begin, end = _window(first)
        query = [("starttime", begin), ("endtime", end), *_shared(first, first.metric)]
        query += [("metricnamespace", first.namespace or first.kind)]
        query += [("filter", first.filter)] if first.filter else []
        ids = list(dict.fromkeys(one.resource for one in questions))
        return HttpRequest(
            self._http,
            f"{self._base}/subscriptions/{quote(_subscription(first))}/metrics:getBatch",
            tuple(query),
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=msgspec.json.encode({"resourceids": ids}),
            attempted=f"read {first.metric}",
        )

    def listed(self, document: Any, question: MetricPoint) -> Any:
        values = document.get("values") if isinstance(document, dict) else None
        for one in values if isinstance(values, list) else ():
            name = one.get("resourceid") if isinstance(one, dict) else None
            if isinstance(name, str) and _same(name, question.resource):
                return one.get("value")
        return None


def _alike(question: MetricPoint) -> tuple[Any, ...]:
    """What all that travel together have in common."""
    return question.aggregation, question.window_s, question.namespace, question.filter


def _shared(first: MetricPoint, names: str) -> Iterator[tuple[str, str]]:
    yield "api-version", VERSION
    yield "metricnames", names
    yield "aggregation", first.aggregation


def _window(question: MetricPoint) -> tuple[str, str]:
    now_s = time.time()
    return _stamp(now_s - question.window_s), _stamp(now_s)


def _stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _subscription(question: MetricPoint) -> str:
    return question.resource.split("/")[2]


def _same(one: str, other: str) -> bool:
    return one.strip("/").casefold() == other.strip("/").casefold()


def _metric(listed: Any, question: MetricPoint, request: HttpRequest) -> Any:
    """The entry of the metric. Malformed or Misconfigured where there is none."""
    if not isinstance(listed, list):
        raise failures.unreadable(request, "the answer holds no metrics of the resource")
    for one in listed:
        name = one.get("name") if isinstance(one, dict) else None
        text = name.get("value") if isinstance(name, dict) else None
        if isinstance(text, str) and text.casefold() == question.metric.casefold():
            return one
    raise told(request, f"the answer has no metric {question.metric}")


def _newest(question: MetricPoint, entry: Any, request: HttpRequest) -> Any:
    """The newest point of the first series that has the aggregation; a failure where none has."""
    series = entry.get("timeseries")
    data = (
        series[0].get("data") if isinstance(series, list) and series and isinstance(series[0], dict) else None
    )
    if not isinstance(data, list) or not data:
        answer = f"{question.metric} has no data in the last {question.window_s} s"
        return _nothing(request, answer)
    name = question.aggregation.lower()
    for point in reversed(data):
        value = point.get(name) if isinstance(point, dict) else None
        if value is not None:
            return value
    return _nothing(request, f"{question.metric} has no {name} in the last {question.window_s} s")


def _nothing(request: HttpRequest, answer: str) -> Malformed:
    step = "wait for data, raise `metricAggregationInterval`, or check the aggregation and the filter"
    return Malformed(request.title(), on=request.server.label(), answer=answer, next_step=step)
