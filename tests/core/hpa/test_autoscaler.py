"""One look of an HPA. Each row's number is derived beside it from the published algorithm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidegate.api.hpa import HpaSpec, decode_hpa_spec
from tidegate.base.errors import Failure
from tidegate.core.hpa.autoscaler import HpaDecision, HpaMemory, Sample, memory_from, step, unwritten
from tidegate.core.hpa.behavior import Change, Recommendation

NOW = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)
DOWN = Failure("Unreachable", "connection refused")
FAST: dict[str, Any] = {
    "scaleDown": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
    },
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "policies": [{"type": "Pods", "value": 1000, "periodSeconds": 1}],
    },
}


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def spec(behavior: dict[str, Any] | None = None, **more: Any) -> HpaSpec:
    return decode_hpa_spec({"maxReplicas": 10, "behavior": behavior, **more})


def total(value: float | None, target: float = 5, name: str = "s0-redis-jobs") -> Sample:
    """External AverageValue."""
    return Sample(name, "AverageValue", target, value, namespace="shop")


def ratio(value: float, target: float, ready: int) -> Sample:
    """External Value."""
    return Sample("s0-rate", "Value", target, value, ready=ready)


def broken(name: str = "s1-broken") -> Sample:
    return Sample(name, "AverageValue", 5, None, DOWN, namespace="shop")


def look(
    current: int, *samples: Sample, behavior: Any = None, memory: Any = None, **more: Any
) -> HpaDecision:
    """One look; without a memory the windows have nothing in them that matters."""
    return step(spec(behavior or FAST, **more), current, samples, memory or HpaMemory(), NOW)


@pytest.mark.parametrize("value", [1e18, 1e25, 1e306])
def test_a_value_of_any_size_is_capped_at_the_maximum(value: float) -> None:
    assert look(2, total(value)).replicas == 10
    assert look(2, ratio(value, 1e-3, 2)).replicas == 10


def condition(decision: HpaDecision, type: str) -> tuple[str, str | None] | None:
    found = [one for one in decision.conditions if one.type == type]
    assert len(found) <= 1
    return (found[0].status, found[0].reason) if found else None


@pytest.mark.parametrize(
    ("current", "sample", "expected", "code"),
    [
        # 12 / 5 = 2.4, rounded up 3
        (1, total(12), 3, "Proposed"),
        # 100 / 2 = 50, at most 10
        (5, total(100, 2), 10, "CappedAtMaximum"),
        # 5 / 2 = 2.5 → 3
        (1, total(5, 2), 3, "Proposed"),
        # 0 / 5 = 0, at least 1
        (4, total(0), 1, "HeldAtMinimum"),
        # ratio 22 / (5 × 4) = 1.1: exactly at the tolerance, so 4 stay although 22 / 5 rounds up to 5
        (4, total(22), 4, "WithinTolerance"),
        # ratio 22.001 / 20 > 1.1 → 22.001 / 5 = 4.4002 → 5
        (4, total(22.001), 5, "Proposed"),
        # ratio 18 / 20 = 0.9: exactly at the tolerance
        (4, total(18), 4, "WithinTolerance"),
        # ratio 15 / 20 = 0.75 → 15 / 5 = 3
        (4, total(15), 3, "Proposed"),
        # 0.9 / 0.3 is 3, although it is 3.0000000000000004 in floats
        (1, total(0.9, 0.3), 3, "Proposed"),
        # ratio 8 / 2 = 4, × 8 ready = 32, at most 10
        (8, ratio(8, 2, 8), 10, "CappedAtMaximum"),
        # the same metric as AverageValue: 8 / 2 = 4
        (8, total(8, 2), 4, "Proposed"),
        # ratio 3 / 2 = 1.5, × 4 ready = 6
        (4, ratio(3, 2, 4), 6, "Proposed"),
        # ratio 1 / 2 = 0.5, × 4 ready = 2
        (4, ratio(1, 2, 4), 2, "Proposed"),
        # ratio 2.1 / 2 = 1.05: tolerated
        (4, ratio(2.1, 2, 4), 4, "WithinTolerance"),
        # ratio 4, × 1 ready = 4 would lower 8 although the load is four times too high: 8 stay
        (8, ratio(8, 2, 1), 8, "Proposed"),
        # ratio 7 / 100 = 0.07 × 100 is 7, although it is 7.000000000000001 in floats
        (100, ratio(7, 100, 100), 7, "Proposed"),
        # cpu: 90 % of the request, target 60 %: ratio 1.5 × 4 ready = 6
        (4, Sample("cpu", "Utilization", 60, 90, ready=4, kind="Resource"), 6, "Proposed"),
        # memory: mean 250 per pod, target 500: ratio 0.5 × 4 ready = 2
        (4, Sample("memory", "AverageValue", 500, 250, ready=4, kind="Resource"), 2, "Proposed"),
    ],
)
def test_the_ratio_decides(current: int, sample: Sample, expected: int, code: str) -> None:
    decision = look(current, sample, maxReplicas=10 if current <= 10 else 100)
    assert decision.replicas == expected
    assert decision.reasons[-1].code == code


def test_the_highest_of_several_metrics_decides() -> None:
    # 12 / 5 → 3, 31 / 5 → 7
    decision = look(2, total(12), total(31, name="s1-more"))
    assert decision.replicas == 7
    assert decision.rescale_reason == "external metric s1-more(nil) above target"


@pytest.mark.parametrize(
    ("current", "samples", "expected", "active"),
    [
        # 31 / 5 → 7 although the other metric fails
        (2, (total(31), broken()), 7, ("True", "ValidMetricFound")),
        # 5 / 5 → 1 would lower 3 while the other metric is unknown: held
        (3, (total(5), broken()), 3, ("False", "FailedGetExternalMetric")),
        # 15 / 5 = 3 keeps 3
        (3, (total(15), broken()), 3, ("True", "ValidMetricFound")),
        (3, (broken(), broken("s2")), 3, ("False", "FailedGetExternalMetric")),
        (3, (total(float("nan")),), 3, ("False", "FailedGetExternalMetric")),
        (3, (total(float("inf")),), 3, ("False", "FailedGetExternalMetric")),
        (3, (total(None),), 3, ("False", "FailedGetExternalMetric")),
        # a target below a thousandth is kept as 0 and cannot be divided by
        (3, (total(5, 0.0001),), 3, ("False", "FailedGetExternalMetric")),
        (3, (), 3, None),
    ],
)
def test_a_failing_metric_may_raise_beside_others_but_never_lowers(
    current: int, samples: tuple[Sample, ...], expected: int, active: tuple[str, str] | None
) -> None:
    decision = look(current, *samples)
    assert decision.replicas == expected
    assert condition(decision, "ScalingActive") == active


def test_a_failure_is_told_once_and_names_what_was_asked() -> None:
    labelled = Sample(
        "s0-redis-jobs", "AverageValue", 5, None, DOWN, namespace="shop",
        labels=(("scaledobject.keda.sh/name", "web"),),
    )  # fmt: skip
    first = look(3, labelled)
    selector = (
        "&LabelSelector{MatchLabels:map[string]string{scaledobject.keda.sh/name: web,},"
        "MatchExpressions:[]LabelSelectorRequirement{},}"
    )
    cause = f"unable to get external metric shop/s0-redis-jobs/{selector}: connection refused"
    assert [(one.reason, one.message) for one in first.events] == [
        ("FailedGetExternalMetric", cause),
        (
            "FailedComputeMetricsReplicas",
            "invalid metrics (1 invalid out of 1), first error is: "
            "failed to get s0-redis-jobs external metric value: "
            f"failed to get s0-redis-jobs external metric: {cause}",
        ),
    ]
    assert first.conditions[1].message == f"the HPA was unable to compute the replica count: {cause}"
    assert look(3, labelled, memory=first.memory).events == ()


@pytest.mark.parametrize(
    ("current", "minimum", "expected", "code"),
    [
        (0, 1, 0, "HpaDisabled"),
        (14, 1, 10, "AboveMaximum"),
        (1, 3, 3, "BelowMinimum"),
    ],
)
def test_outside_the_bounds_no_metric_is_needed(current: int, minimum: int, expected: int, code: str) -> None:
    decision = look(current, broken(), minReplicas=minimum)
    assert decision.replicas == expected
    assert [one.code for one in decision.reasons] == [code]


def test_at_zero_scaling_is_disabled() -> None:
    decision = look(0, total(100))
    assert condition(decision, "ScalingActive") == ("False", "ScalingDisabled")
    assert condition(decision, "AbleToScale") == ("True", "SucceededGetScale")
    assert not decision.is_rescale


@pytest.mark.parametrize(
    ("recommendations", "current", "value", "expected", "able", "due_s"),
    [
        # 8 was recommended 200 s ago: within 300 s the highest counts, 8 stay; it expires in 100 s
        ([(8, 200)], 8, 10, 8, "ScaleDownStabilized", 100),
        # 8 expired at 300 s; 5 of 100 s ago is the highest: 5 instead of 2
        ([(8, 300), (5, 100)], 8, 10, 5, "SucceededRescale", 200),
        # a higher one of the window never raises by itself: current 3, 8 recommended 10 s ago, 2 wanted
        ([(8, 10)], 3, 10, 3, "ScaleDownStabilized", 290),
        # up has no window: 40 / 5 = 8 at once, whatever was lower before
        ([(2, 10)], 4, 40, 8, "SucceededRescale", None),
    ],
)
def test_scaling_down_waits_for_300_seconds_without_a_behaviour(
    recommendations: list[tuple[int, float]],
    current: int,
    value: float,
    expected: int,
    able: str,
    due_s: int | None,
) -> None:
    memory = HpaMemory(tuple(Recommendation(count, ago(age)) for count, age in recommendations))
    decision = step(spec(), current, (total(value),), memory, NOW)
    assert decision.replicas == expected
    assert condition(decision, "AbleToScale") == ("True", able)
    assert decision.due == (None if due_s is None else NOW + timedelta(seconds=due_s))


def test_a_clock_that_was_set_back_does_not_lengthen_a_window() -> None:
    """8 was recommended "in two hours": it holds for the window from now on, and no longer."""
    memory = HpaMemory((Recommendation(8, ago(-7200)),), (Change(1, ago(-7200)),))
    held = step(spec(), 8, (total(10),), memory, NOW)
    assert held.replicas == 8
    assert held.due == NOW + timedelta(seconds=300)
    assert step(spec(), 8, (total(10),), held.memory, NOW + timedelta(seconds=300)).replicas == 2


def test_a_scale_up_window_takes_the_lowest_recommendation() -> None:
    behavior = {"scaleUp": {"stabilizationWindowSeconds": 60, "policies": FAST["scaleUp"]["policies"]}}
    memory = HpaMemory((Recommendation(3, ago(59)), Recommendation(6, ago(20))))
    decision = step(spec(behavior), 2, (total(40),), memory, NOW)
    # 40 / 5 = 8 wanted, 3 and 6 within 60 s: the lowest is 3; it leaves the window in one second
    assert decision.replicas == 3
    assert decision.reasons[1].code == "ScaleUpStabilized"
    assert decision.due == NOW + timedelta(seconds=1)


UP = "scaleUp"
LOW = "scaleDown"


@pytest.mark.parametrize(
    ("direction", "rules", "changes", "current", "value", "expected", "limited"),
    [
        # default up: max(2 + 4, 2 × 2) = 6
        (UP, {}, [], 2, 500, 6, "ScaleUpLimit"),
        # default up: max(8 + 4, 8 × 2) = 16
        (UP, {}, [], 8, 500, 16, "ScaleUpLimit"),
        # Min: min(8 + 4, 8 × 2) = 12
        (UP, {"selectPolicy": "Min"}, [], 8, 500, 12, "ScaleUpLimit"),
        # 3 came within 60 s: the period began with 5; 5 + 4 = 9
        (UP, {"policies": [("Pods", 4, 60)]}, [(3, 30)], 8, 500, 9, "ScaleUpLimit"),
        # 3 came 60 s ago: the period is over, 8 + 4 = 12
        (UP, {"policies": [("Pods", 4, 60)]}, [(3, 60)], 8, 500, 12, "ScaleUpLimit"),
        # the period began with 4 (8 - 4); 4 + 2 = 6 < 8: nothing more now, nothing back either
        (UP, {"policies": [("Pods", 2, 60)]}, [(4, 30)], 8, 500, 8, "ScaleUpLimit"),
        # 10 % of 11 is 1.1: rounded up, 11 × 1.1 = 12.1 → 13
        (UP, {"policies": [("Percent", 10, 60)]}, [], 11, 500, 13, "ScaleUpLimit"),
        # 10 % of 10 is 1: 11 (floats say 11.000000000000002 and would round up to 12)
        (UP, {"policies": [("Percent", 10, 60)]}, [], 10, 500, 11, "ScaleUpLimit"),
        (UP, {"selectPolicy": "Disabled"}, [], 8, 500, 8, "ScaleUpLimit"),
        # 2 went within the period and 3 came: it began with 7; 7 + 4 = 11
        (UP, {"policies": [("Pods", 4, 60)]}, [(-2, 50), (3, 30)], 8, 500, 11, "ScaleUpLimit"),
        # down 50 %: 9 × 0.5 = 4.5 → 4
        (LOW, {"policies": [("Percent", 50, 60)]}, [], 9, 0, 4, "ScaleDownLimit"),
        # down by 2: 7
        (LOW, {"policies": [("Pods", 2, 60)]}, [], 9, 0, 7, "ScaleDownLimit"),
        # the larger change: min(9 - 2, 4) = 4
        (LOW, {"policies": [("Pods", 2, 60), ("Percent", 50, 60)]}, [], 9, 0, 4, "ScaleDownLimit"),
        # the smaller change: max(7, 4) = 7
        (LOW, {"policies": [("Pods", 2, 60), ("Percent", 50, 60)], "selectPolicy": "Min"}, [], 9, 0, 7,
         "ScaleDownLimit"),
        # 1 went within the period: it began with 10; 10 - 2 = 8
        (LOW, {"policies": [("Pods", 2, 60)]}, [(-1, 30)], 9, 0, 8, "ScaleDownLimit"),
        # 3 went within the period: it began with 12; 12 - 2 = 10 > 9: held
        (LOW, {"policies": [("Pods", 2, 60)]}, [(-3, 30)], 9, 0, 9, "ScaleDownLimit"),
        (LOW, {"selectPolicy": "Disabled"}, [], 9, 0, 9, "ScaleDownLimit"),
        # default down: 100 % per 15 s, then the minimum
        (LOW, {}, [], 9, 0, 1, "TooFewReplicas"),
    ],
)  # fmt: skip
def test_policies_limit_the_rate(
    direction: str,
    rules: dict[str, Any],
    changes: list[tuple[int, float]],
    current: int,
    value: float,
    expected: int,
    limited: str,
) -> None:
    policies = [
        {"type": kind, "value": amount, "periodSeconds": period}
        for kind, amount, period in rules.get("policies", [])
    ]
    given = {**rules, "policies": policies, "stabilizationWindowSeconds": 0}
    memory = HpaMemory(
        (Recommendation(current, ago(3600)),), tuple(Change(by, ago(age)) for by, age in changes)
    )
    decision = step(spec({direction: given}, maxReplicas=100), current, (total(value),), memory, NOW)
    assert decision.replicas == expected
    assert condition(decision, "ScalingLimited") == ("True", limited)


def test_a_limited_count_is_looked_at_again_when_the_period_is_over() -> None:
    behavior = {"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 60}]}}
    first = step(spec(behavior), 1, (total(500),), HpaMemory(), NOW)
    assert first.replicas == 5
    assert first.due == NOW + timedelta(seconds=60)
    early = step(spec(behavior), 5, (total(500),), first.memory, NOW + timedelta(seconds=59))
    assert early.replicas == 5
    second = step(spec(behavior), 5, (total(500),), first.memory, NOW + timedelta(seconds=60))
    assert second.replicas == 9


@pytest.mark.parametrize(
    ("tolerance", "value", "expected"),
    [
        # ratio 25 / 20 = 1.25 within 0.3
        ({"scaleUp": {"tolerance": "300m"}}, 25, 4),
        # ratio 21 / 20 = 1.05 is beyond 0: 21 / 5 = 4.2 → 5
        ({"scaleUp": {"tolerance": 0}}, 21, 5),
        # ratio 15 / 20 = 0.75 within 0.3 downwards; up stays at 0.1
        ({"scaleDown": {"tolerance": "0.3"}}, 15, 4),
        ({"scaleDown": {"tolerance": "0.3"}}, 25, 5),
    ],
)
def test_the_behaviour_may_name_its_own_tolerance(
    tolerance: dict[str, Any], value: float, expected: int
) -> None:
    assert look(4, total(value), behavior=tolerance).replicas == expected


def test_an_empty_memory_is_seeded_with_the_current_count() -> None:
    decision = step(spec(), 8, (total(10),), HpaMemory(), NOW)
    assert decision.replicas == 8
    assert decision.due == NOW + timedelta(seconds=300)


def test_a_restart_holds_as_long_as_a_change_may_be_unknown() -> None:
    behavior = {
        "scaleDown": {
            "stabilizationWindowSeconds": 0,
            "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
        }
    }
    memory = memory_from("2026-03-02T07:59:30Z", 6, NOW)
    assert step(spec(behavior), 6, (total(0),), memory, NOW).replicas == 6
    later = NOW + timedelta(seconds=31)
    assert step(spec(behavior), 6, (total(0),), memory, later).replicas == 5


def test_an_unwritten_count_leaves_no_trace_in_the_memory() -> None:
    decision = look(1, total(12))
    failed = unwritten(decision, "conflict")
    assert failed.replicas == 1
    assert failed.memory.changes == ()
    assert condition(failed, "AbleToScale") == ("False", "FailedUpdateScale")
    assert condition(failed, "ScalingActive") == ("True", "ValidMetricFound")
    assert [(one.reason, one.message) for one in failed.events] == [
        (
            "FailedRescale",
            "New size: 3; reason: external metric s0-redis-jobs(nil) above target; error: conflict",
        )
    ]


def test_a_rescale_is_told() -> None:
    raised, lowered = look(1, total(12)), look(6, total(12))
    assert [one.message for one in raised.events] == [
        "New size: 3; reason: external metric s0-redis-jobs(nil) above target"
    ]
    assert [one.message for one in lowered.events] == ["New size: 3; reason: All metrics below target"]
    assert condition(lowered, "AbleToScale") == ("True", "SucceededRescale")


def test_memory_stays_small_under_a_steady_load() -> None:
    memory = HpaMemory()
    for second in range(2000):
        value = 20 + second % 3
        memory = step(spec(), 5, (total(value),), memory, NOW + timedelta(seconds=second)).memory
    assert len(memory.recommendations) <= 6
    assert memory.changes == ()
