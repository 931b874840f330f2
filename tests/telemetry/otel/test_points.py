"""What is sent of metrics, as data: kinds, names, and since when sums count."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.resources import Resource

from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Distribution, Metric
from tidegate.telemetry.otel.instruments import INSTRUMENTS
from tidegate.telemetry.otel.points import PART, Points

WEB = ("shop", "s0-redis-jobs", "web", "redisScaler", "0", "scaledobject")
JOB = ("shop", "s0-redis-jobs", "crunch", "redisScaler", "1", "scaledjob")


class Sending:
    """Points that are taken, unless a test says otherwise."""

    def __init__(self, *, is_delta: bool = False) -> None:
        self.points = Points(Resource({}), 100, is_delta=is_delta)
        self.now_ns = 200

    def send(self, *metrics: Metric, is_taken: bool = True) -> dict[tuple[str, tuple[Any, ...]], Any]:
        """The points by name and attributes, as they stand in the request."""
        found = {}
        for part in self.points.parts(metrics, self.now_ns):
            if is_taken:
                self.points.taken(part)
            (resource,) = encode_metrics(part.data).resource_metrics
            for metric in resource.scope_metrics[0].metrics:
                data = getattr(metric, metric.WhichOneof("data"))
                for point in data.data_points:
                    attributes = tuple(sorted((one.key, one.value.string_value) for one in point.attributes))
                    found[metric.name, attributes] = point
        self.now_ns += 100
        return found


def errors(*values: float) -> Metric:
    return Metric(known.OBJECT_ERRORS, {("shop", f"web-{at}"): value for at, value in enumerate(values)})


def told(sent: dict[Any, Any], at: int = 0) -> tuple[float, int]:
    point = sent["keda.scaledobject.errors", (("namespace", "shop"), ("scaledObject", f"web-{at}"))]
    return point.as_double, point.start_time_unix_nano


def test_an_object_and_a_job_have_the_attributes_that_keda_gives_them() -> None:
    sent = Sending().send(Metric(known.SCALER_VALUE, {WEB: 3.0, JOB: 4.0}))
    shared = (("metric", "s0-redis-jobs"), ("namespace", "shop"))
    web = (*shared, ("scaledObject", "web"), ("scaler", "redisScaler"), ("scalerIndex", "0"))
    job = (*shared, ("scaledJob", "crunch"), ("scaler", "redisScaler"), ("triggerIndex", "1"))
    assert {key: point.as_double for key, point in sent.items()} == {
        ("keda.scaler.metrics.value", web): 3,
        ("keda.scaler.metrics.value", job): 4,
    }


def test_latency_goes_in_seconds_and_in_the_milliseconds_of_before() -> None:
    sent = Sending().send(Metric(known.LOOP_LATENCY, {("shop", "scaledobject", "web"): 0.5}))
    attributes = (("name", "web"), ("namespace", "shop"), ("type", "scaledobject"))
    assert {key: point.as_double for key, point in sent.items()} == {
        ("keda.internal.scale.loop.latency.seconds", attributes): 0.5,
        ("keda.internal.scale.loop.latency", attributes): 500,
    }


def test_a_sum_counts_from_one_beginning_on() -> None:
    sending = Sending()
    assert told(sending.send(errors(2))) == (2, 100)
    assert told(sending.send(errors(5))) == (5, 100)


def test_a_counter_that_begins_anew_says_so() -> None:
    sending = Sending()
    sending.send(errors(5))
    assert told(sending.send(errors(1))) == (1, 200)
    sending.send()
    assert told(sending.send(errors(7))) == (7, 400)


def test_differences_are_to_what_was_taken() -> None:
    sending = Sending(is_delta=True)
    assert told(sending.send(errors(2, 1)))[0] == 2
    assert told(sending.send(errors(5, 1), is_taken=False))[0] == 3
    sent = sending.send(errors(6, 1))
    assert told(sent)[0] == 4
    assert told(sent, 1)[0] == 0


def test_a_histogram_counts_in_each_bucket() -> None:
    metric = Metric(known.POLL_LATENESS)
    within = tuple(range(1, 10))
    metric.distributions[()] = Distribution(within, 12, 3.5)
    point = Sending().send(metric)["tidegate.poll.lateness.seconds", ()]
    assert list(point.bucket_counts) == [1] * 9 + [3]
    assert list(point.explicit_bounds) == list(known.POLL_LATENESS.buckets)
    assert (point.count, point.sum) == (12, 3.5)
    assert not point.HasField("min")


def test_many_points_go_in_parts() -> None:
    metric = Metric(known.OBJECT_ERRORS, {("shop", str(at)): 1.0 for at in range(PART * 2 + 1)})
    parts = list(Points(Resource({}), 0).parts([metric], 1))
    assert len(parts) == 3
    assert len(Sending().send(metric)) == PART * 2 + 1


def test_every_instrument_has_a_name_of_its_own() -> None:
    # Durations of requests have two forms, of which one is told.
    names = [one.name for one in INSTRUMENTS if one.family != known.HTTP_DURATION_DETAILED]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("family", [*known.KEDA, *known.OURS])
def test_every_metric_is_sent(family: Any) -> None:
    assert family in {one.family for one in INSTRUMENTS}
