"""cpu and memory: the metric that the HPA gets, and the mistakes that are told."""

from __future__ import annotations

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.core.values import ResourceMetric
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Native, Scaler, Scope


def build(kind: str, metric_type: str | None, metadata: dict[str, str]) -> Scaler | tuple[Problem, ...]:
    found = scalers.find(kind)
    assert found is not None
    trigger = Trigger(type=kind, metadata=metadata, metric_type=metric_type)
    return reading.build(found, trigger, Sources(metadata), Scope("shop"))


@pytest.mark.parametrize(
    ("kind", "metric_type", "metadata", "metric"),
    [
        ("cpu", "Utilization", {"value": "60"}, ResourceMetric("cpu", "60", "Utilization")),
        ("cpu", "Utilization", {"value": "+060"}, ResourceMetric("cpu", "60", "Utilization")),
        ("cpu", "AverageValue", {"value": "500m"}, ResourceMetric("cpu", "500m", "AverageValue")),
        (
            "memory",
            "AverageValue",
            {"value": "512Mi", "containerName": "web"},
            ResourceMetric("memory", "512Mi", "AverageValue", "web"),
        ),
    ],
)
def test_the_hpa_gets_the_metric_as_written(
    kind: str, metric_type: str, metadata: dict[str, str], metric: ResourceMetric
) -> None:
    scaler = build(kind, metric_type, metadata)
    assert isinstance(scaler, Native), scaler
    assert scaler.resource_metric() == metric


def test_a_metric_type_in_the_metadata_is_read_and_announced() -> None:
    metadata = {"value": "60", "type": "Utilization"}
    scaler = build("cpu", None, metadata)
    assert isinstance(scaler, Native)
    assert scaler.resource_metric() == ResourceMetric("cpu", "60", "Utilization")
    (told,) = reading.announcements(type(scaler), Sources(metadata))
    assert (told.path, "metricType" in told.message) == ("type", True)
    own = build("cpu", "AverageValue", {"value": "500m", "type": "Utilization"})
    assert isinstance(own, Native)
    assert own.resource_metric() == ResourceMetric("cpu", "500m", "AverageValue")


@pytest.mark.parametrize(
    ("metric_type", "metadata", "told"),
    [
        (None, {"value": "60"}, {"metricType": "metric type is not set, allowed values are 'Utilization'"}),
        ("Value", {"value": "60"}, {"metricType": "unknown metric type: Value"}),
        ("Utilization", {"value": "60%"}, {"value": '"60%" is not whole percent'}),
        ("Utilization", {"value": "0.6"}, {"value": '"0.6" is not whole percent'}),
        ("Utilization", {"value": "2147483648"}, {"value": "is not whole percent"}),
        ("Utilization", {"value": "0"}, {"value": '"0" is not above 0, as a target must be'}),
        ("Utilization", {"value": "-50"}, {"value": '"-50" is not above 0'}),
        ("AverageValue", {"value": "0Mi"}, {"value": '"0Mi" is not above 0'}),
        ("AverageValue", {"value": "-1"}, {"value": '"-1" is not above 0'}),
        ("AverageValue", {"value": "lots"}, {"value": '"lots" is not a quantity'}),
        ("AverageValue", {}, {"value": 'missing required parameter "value"'}),
        ("Value", {"value": "60", "type": "Utilization"}, {"metricType": "unknown metric type: Value"}),
        (None, {"value": "60", "type": "Value"}, {"metricType": "unknown metric type: Value"}),
    ],
)
def test_mistakes_are_told(metric_type: str | None, metadata: dict[str, str], told: dict[str, str]) -> None:
    problems = build("cpu", metric_type, metadata)
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == list(told)
    assert all(told[problem.path] in problem.message for problem in problems)
