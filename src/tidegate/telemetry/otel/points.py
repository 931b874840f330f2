"""Metrics of a moment as OpenTelemetry's data, in parts that a receiver takes.

A sum says since when it counts. A counter that begins anew (its object came back) gets a new beginning; one
that is gone is forgotten. With `is_delta` what is sent is the difference to the time before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from tidegate.telemetry.metrics.families import Distribution, Labels, Metric
from tidegate.telemetry.otel.instruments import INSTRUMENTS, Instrument

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData

PART = 2_000
"""Points in one request: well below the 4 MiB that gRPC receivers take."""

SCOPE = "keda-open-telemetry-metrics"
Series = tuple[str, Labels]
Sent = tuple[int, float, Distribution | None]
"""Since when a sum counts, and what of it was sent."""


@dataclass(frozen=True, slots=True)
class Part:
    """Data for one request, and what it says of sums: kept once it was taken."""

    data: MetricsData
    sums: Mapping[Series, Sent]


class Points:
    """Makes the data, and remembers what was taken of sums. `began_ns` is when the counting began."""

    def __init__(self, resource: Any, began_ns: int, *, is_delta: bool = False) -> None:
        self._resource = resource
        self._is_delta = is_delta
        self._began_ns = self._last_ns = began_ns
        self._sums: dict[Series, Sent] = {}

    def taken(self, part: Part) -> None:
        """A receiver has the part: the next differences are to it."""
        self._sums.update(part.sums)

    def parts(self, metrics: Sequence[Metric], now_ns: int) -> Iterator[Part]:
        """All points of all instruments, some at a time. Sums that are not told any more are forgotten."""
        told = {metric.family: metric for metric in metrics}
        made: list[tuple[Instrument, list[Any]]] = []
        sums: dict[Series, Sent] = {}
        seen: set[Series] = set()
        count = 0
        for instrument in INSTRUMENTS:
            metric = told.get(instrument.family) or Metric(instrument.family)
            points = self._points(instrument, metric, now_ns, sums)
            while part := list(islice(points, PART - count)):
                made.append((instrument, part))
                count += len(part)
                if count >= PART:
                    yield Part(self._request(made), dict(sums))
                    seen |= sums.keys()
                    made, count = [], 0
                    sums.clear()
        if made:
            yield Part(self._request(made), sums)
            seen |= sums.keys()
        self._sums = {series: sent for series, sent in self._sums.items() if series in seen}
        self._last_ns = now_ns

    def _points(
        self, instrument: Instrument, metric: Metric, now_ns: int, sums: dict[Series, Sent]
    ) -> Iterator[Any]:
        """The points of an instrument; adds to `sums` what they say of sums."""
        from opentelemetry.sdk.metrics.export import NumberDataPoint

        for labels, sample in metric.samples.items():
            attributes, series = instrument.attributes(instrument.family, labels), (instrument.name, labels)
            value = sample * instrument.factor
            start_ns = self._began_ns if instrument.kind == "updown" else 0
            if instrument.kind == "counter":
                start_ns, sent, _ = self._sums.get(series, (self._last_ns, 0.0, None))
                if value < sent:
                    start_ns, sent = self._last_ns, 0.0
                sums[series] = (now_ns if self._is_delta else start_ns, value, None)
                value = value - sent if self._is_delta else value
            yield NumberDataPoint(attributes, start_ns, now_ns, value)
        for labels, distribution in metric.distributions.items():
            yield self._histogram(instrument, labels, distribution, now_ns, sums)

    def _histogram(
        self,
        instrument: Instrument,
        labels: Labels,
        told: Distribution,
        now_ns: int,
        sums: dict[Series, Sent],
    ) -> Any:
        from opentelemetry.sdk.metrics.export import HistogramDataPoint

        series = (instrument.name, labels)
        start_ns, _, sent = self._sums.get(series, (self._last_ns, 0.0, None))
        sums[series] = (now_ns if self._is_delta else start_ns, 0.0, told)
        if self._is_delta and sent is not None:
            told = _difference(told, sent)
        unknown: Any = None
        return HistogramDataPoint(
            instrument.attributes(instrument.family, labels),
            start_ns,
            now_ns,
            told.count,
            told.sum,
            _counts(told),
            instrument.family.buckets,
            min=unknown,
            max=unknown,
        )

    def _metric(self, instrument: Instrument, points: list[Any]) -> Any:
        from opentelemetry.sdk.metrics.export import AggregationTemporality as Temporality
        from opentelemetry.sdk.metrics.export import Gauge, Histogram, Metric, Sum

        temporality = Temporality.DELTA if self._is_delta else Temporality.CUMULATIVE
        data: Any
        if instrument.kind == "gauge":
            data = Gauge(points)
        elif instrument.kind == "histogram":
            data = Histogram(points, temporality)
        elif instrument.kind == "counter":
            data = Sum(points, temporality, is_monotonic=True)
        else:
            data = Sum(points, Temporality.CUMULATIVE, is_monotonic=False)
        return Metric(instrument.name, instrument.family.help, instrument.unit, data)

    def _request(self, made: Sequence[tuple[Instrument, list[Any]]]) -> MetricsData:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        metrics = [self._metric(instrument, points) for instrument, points in made]
        scope = ScopeMetrics(InstrumentationScope(SCOPE), metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])


def _difference(now: Distribution, before: Distribution) -> Distribution:
    within = tuple(after - sent for after, sent in zip(now.within, before.within, strict=True))
    return Distribution(within, now.count - before.count, now.sum - before.sum)


def _counts(told: Distribution) -> list[int]:
    """How many are in each bucket, the infinite one included: ours say how many are within each bound."""
    bounds = (*told.within, told.count)
    return [after - before for before, after in zip((0, *bounds), bounds, strict=False)]
