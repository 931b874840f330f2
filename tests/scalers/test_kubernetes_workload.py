"""Counting pods: what is asked of which namespace, and the mistakes that are told."""

from __future__ import annotations

import pytest

from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Polled, Scaler, Scope
from tidegate.kit.systems.kubernetes import PodCount

BASE = {"podSelector": "app=web", "value": "0.5"}


def build(metadata: dict[str, str], *, is_metric_source: bool = False) -> Scaler | tuple[Problem, ...]:
    found = scalers.find("kubernetes-workload")
    assert found is not None
    trigger = Trigger(type="kubernetes-workload", metadata=metadata)
    return reading.build(found, trigger, Sources(metadata), Scope("shop", is_metric_source))


@pytest.mark.parametrize(
    ("metadata", "question"),
    [
        ({}, PodCount("shop", "app=web")),
        ({"groupByNode": "true"}, PodCount("shop", "app=web", is_grouped_by_node=True)),
    ],
)
def test_it_counts_the_pods_of_its_own_namespace(metadata: dict[str, str], question: PodCount) -> None:
    scaler = build({**BASE, **metadata, "activationValue": "1.5"})
    assert isinstance(scaler, Polled)
    assert drive(scaler.measure(ASK, None), {question: 4}.__getitem__) == 4  # type: ignore[arg-type]
    assert scaler.metric_name() == "workload-shop"
    assert (scaler.metric_target(), scaler.activation_target()) == (0.5, 1.5)


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"podSelector": "  "}, {"podSelector": 'missing required parameter "podSelector"'}),
        ({"podSelector": "app in web"}, {"podSelector": "error parsing pod selector: "}),
        ({"value": "-1"}, {"value": "value must be a float greater than 0, and it is -1"}),
        ({"value": ""}, {"value": "value must be a float greater than 0, and it is 0 or not set"}),
        ({"value": "-1", "groupByNode": "no"}, {"groupByNode": "is not true or false", "value": "greater"}),
    ],
)
def test_mistakes_are_told(metadata: dict[str, str], told: dict[str, str]) -> None:
    problems = build({**BASE, **metadata})
    assert isinstance(problems, tuple)
    assert [problem.path for problem in problems] == list(told)
    assert all(told[problem.path] in problem.message for problem in problems)


def test_a_metric_source_needs_no_target() -> None:
    assert isinstance(build({"podSelector": "app=web"}, is_metric_source=True), Polled)


def test_it_sums_itself_up_by_what_it_counts() -> None:
    scaler = build({**BASE, "podSelector": "app in (web, api)"})
    assert isinstance(scaler, Polled)
    assert scaler.summary() == "app in (web, api)"
