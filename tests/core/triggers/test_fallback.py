"""What speaks for a trigger that fails: polls counted, replicas chosen, what the HPA is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parts.decisions import (
    BROKEN,
    at,
    codes,
    condition,
    cpu,
    events,
    replicas_set,
    scaled_object,
    status_after,
    trigger,
)
from tidegate.api.hpa import decode_hpa_spec
from tidegate.api.scaledobject import Fallback
from tidegate.base.errors import Failure
from tidegate.core.hpa import autoscaler
from tidegate.core.hpa.autoscaler import HpaMemory, Sample
from tidegate.core.memory import memory_from, stopped
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.triggers import fallback
from tidegate.core.triggers.external_metric import external_metric
from tidegate.core.values import Decision, ExternalMetric, Memory, Reading, Seen, TriggerView

NEVER = Memory()
METRIC = "s0-redis"


def down(polls: int, index: int = 0, **more: Any) -> TriggerView:
    """A trigger with target 10 whose last polls failed."""
    view = trigger(BROKEN, index, when=at(1000), target=10.0, **more)
    return replace(view, failed_polls=polls)


def up(value: float, index: int = 0, **more: Any) -> TriggerView:
    return trigger(value, index, when=at(1000), target=10.0, **more)


def protected(behavior: str | None = None, **more: Any) -> Any:
    """An object with failureThreshold 3 and 10 replicas to fall back to."""
    threshold, replicas = more.pop("threshold", 3), more.pop("replicas", 10)
    given = {"failureThreshold": threshold, "replicas": replicas}
    return scaled_object(fallback=given | ({"behavior": behavior} if behavior else {}), **more)


def decide(object: Any, current: Any, *views: TriggerView, memory: Memory = NEVER) -> Decision:
    return decide_scaled_object(object, Seen(current), views, memory, at(1000))


def told(object: Any, seen: Seen, *views: TriggerView, name: str = METRIC, memory: Memory = NEVER) -> Any:
    return external_metric(name, object, seen, views, memory)


@pytest.mark.parametrize(
    ("behavior", "current", "expected"),
    [
        ("static", 15, 10),
        ("static", 0, 10),
        ("static", BROKEN, 10),
        ("currentReplicas", 6, 6),
        ("currentReplicas", 0, 0),
        ("currentReplicas", BROKEN, BROKEN),
        ("currentReplicasIfHigher", 4, 10),
        ("currentReplicasIfHigher", 15, 15),
        ("currentReplicasIfHigher", BROKEN, BROKEN),
        ("currentReplicasIfLower", 4, 4),
        ("currentReplicasIfLower", 15, 10),
        ("currentReplicasIfLower", BROKEN, BROKEN),
    ],
)
def test_the_behaviour_chooses_the_replicas(behavior: Any, current: Any, expected: Any) -> None:
    assert fallback.replicas_of(Fallback(3, 10, behavior), current) == expected


@pytest.mark.parametrize(
    ("type", "target", "replicas", "ready", "expected"),
    [
        ("AverageValue", 10.0, 10, None, 100.0),
        ("AverageValue", 10.0, 6, BROKEN, 60.0),
        ("AverageValue", 2.5, 3, None, 7.5),
        ("AverageValue", 10.0, 0, None, 0.0),
        # what the HPA sees of the target is 2m, and 2m × 3 is what leads to 3
        ("AverageValue", 0.0015, 3, None, 0.006),
        ("Value", 5.0, 3, 5, 3.0),
        ("Value", 5.0, 3, 3, 5.0),
        ("Value", 5.0, 3, 9, 1.666),
        ("Value", 5.0, 0, 5, 0.0),
    ],
)
def test_a_metric_in_fallback_is_worth_its_replicas(
    type: Any, target: float, replicas: int, ready: Any, expected: float
) -> None:
    assert fallback.worth(ExternalMetric(METRIC, target, type), replicas, ready) == expected


@pytest.mark.parametrize(
    ("ready", "text"), [(0, "no pod of the target is ready"), (None, "not counted"), (BROKEN, "refused")]
)
def test_a_value_metric_needs_ready_pods(ready: Any, text: str) -> None:
    found = fallback.worth(ExternalMetric(METRIC, 5.0, "Value"), 3, ready)
    assert isinstance(found, Failure)
    assert text in found.message


@pytest.mark.parametrize(
    ("object", "views", "current", "answer", "count", "code"),
    [
        # no fallback: the same failure, however often
        (scaled_object(), (down(9),), 4, BROKEN, None, "Unknown"),
        (protected(), (up(5),), 4, 5.0, 0, "LeftToHpa"),
        (protected(), (down(1),), 4, BROKEN, 1, "Unknown"),
        (protected(), (down(3),), 4, BROKEN, 3, "Unknown"),
        (protected(), (down(4),), 4, 100.0, 4, "LeftToHpa"),
        # the count says all it can: it goes no further
        (protected(), (down(500),), 4, 100.0, 4, "LeftToHpa"),
        (protected(threshold=0), (down(1),), 4, 100.0, 1, "LeftToHpa"),
        (protected("static"), (down(4),), 15, 100.0, 4, "LeftToHpa"),
        (protected("currentReplicas"), (down(4),), 6, 60.0, 4, "LeftToHpa"),
        (protected("currentReplicas"), (down(4),), 0, 0.0, 4, "Activated"),
        (protected("currentReplicasIfHigher"), (down(4),), 4, 100.0, 4, "LeftToHpa"),
        (protected("currentReplicasIfHigher"), (down(4),), 15, 150.0, 4, "LeftToHpa"),
        (protected("currentReplicasIfLower"), (down(4),), 4, 40.0, 4, "LeftToHpa"),
        (protected("currentReplicasIfLower"), (down(4),), 15, 100.0, 4, "LeftToHpa"),
        # from zero: active, so raised to one, and the HPA goes on
        (protected("static", replicas=3), (down(4),), 0, 30.0, 4, "Activated"),
        (protected(replicas=0), (down(4),), 0, 0.0, 4, "Activated"),
        # unknown never goes to zero, with replicas 0 and below the threshold too
        (protected(replicas=0), (down(2),), 5, BROKEN, 2, "Unknown"),
        (protected(replicas=0), (down(4),), 5, 0.0, 4, "LeftToHpa"),
        # a formula is asked for by the behaviour and there is none
        (protected("scalingModifiers"), (down(9),), 4, BROKEN, None, "Unknown"),
        # a trigger that cannot be asked at all
        (protected(), (down(0),), 4, BROKEN, None, "Unknown"),
    ],
)
def test_failed_polls_lead_into_the_fallback(
    object: Any, views: Any, current: int, answer: Any, count: int | None, code: str
) -> None:
    decision = decide(object, current, *views, memory=Memory(last_active=at(0), is_active=False))
    found = told(object, Seen(current), *views)
    assert found == (answer if isinstance(answer, Failure) else (answer,))
    assert codes(decision)[-1] == code
    health = status_after(object, decision).status.health or {}
    assert health.get(METRIC) is None if count is None else health[METRIC].number_of_failures == count
    if count is not None:
        assert health[METRIC].status == ("Failing" if count else "Happy")


@pytest.mark.parametrize(
    ("polls", "expected"), [(3, ["FallbackPending", "Unknown"]), (4, ["FallbackActive", "LeftToHpa"])]
)
def test_the_chain_says_how_far_the_fallback_is(polls: int, expected: list[str]) -> None:
    decision = decide(protected(), 4, down(polls))
    assert codes(decision) == expected
    numbers = dict(decision.reasons[0].numbers)
    assert (numbers["metric"], numbers["failed"], numbers["threshold"]) == (METRIC, polls, 3)
    if polls == 4:
        assert (
            decision.reasons[0].text
            == "s0-redis failed more than 3 times: 10 replicas by the fallback (static)"
        )


def test_a_fallback_that_needs_the_target_says_that_it_cannot_be_read() -> None:
    decision = decide(protected("currentReplicas"), BROKEN, down(4))
    assert codes(decision) == ["FallbackImpossible", "TargetUnreadable"]
    assert told(protected("currentReplicas"), Seen(BROKEN), down(4)) == BROKEN


def test_conditions_and_events_of_a_fallback_come_and_go_once() -> None:
    object = protected()
    first = decide(object, 4, up(5))
    object = status_after(object, first)
    assert condition(object, "Fallback")[:2] == ("False", "NoFallbackFound")
    pending = decide(object, 4, down(3), memory=first.memory)
    object = status_after(object, pending)
    assert condition(object, "Fallback")[:2] == ("False", "NoFallbackFound")
    assert ("Warning", "KEDAScalerFailed", BROKEN.message) in events(pending)
    fallen = decide(object, 4, down(4), memory=pending.memory)
    object = status_after(object, fallen)
    assert condition(object, "Fallback") == (
        "True",
        "FallbackExists",
        "At least one trigger is falling back on this scaled object",
    )
    assert events(fallen) == [("Normal", "ScaledObjectFallbackActivated", "ScaledObject fallback is active")]
    assert condition(object, "Active")[:2] == ("True", "ScalerActive")
    assert object.status.triggers_activity[METRIC].is_active
    assert decide(object, 4, down(5), memory=fallen.memory).actions == ()
    healed = decide(object, 4, up(5), memory=fallen.memory)
    object = status_after(object, healed)
    assert events(healed) == [
        ("Normal", "ScaledObjectFallbackDeactivated", "ScaledObject fallback is no longer active")
    ]
    assert condition(object, "Fallback")[:2] == ("False", "NoFallbackFound")
    assert object.status.health[METRIC].status == "Happy"


@pytest.mark.parametrize(
    ("object", "views", "ready"),
    [
        (protected(), (down(2),), ("True", "ScaledObjectReady")),
        (protected(replicas=0), (down(2),), ("True", "ScaledObjectReady")),
        (protected(), (down(4),), ("True", "ScaledObjectReady")),
        (protected(), (down(2), up(5, 1)), ("Unknown", "PartialTriggerError")),
        (protected(), (down(4), up(5, 1)), ("True", "ScaledObjectReady")),
        (protected(), (down(4), down(2, 1)), ("Unknown", "PartialTriggerError")),
        (scaled_object(), (down(4),), ("False", "TriggerError")),
    ],
)
def test_a_fallback_keeps_the_object_ready(object: Any, views: Any, ready: Any) -> None:
    assert condition(status_after(object, decide(object, 4, *views)), "Ready")[:2] == ready


def test_the_fallback_is_unknown_until_a_metric_was_measured() -> None:
    object = protected()
    after = status_after(object, decide(object, 4, trigger(None)))
    assert condition(after, "Fallback") == ("Unknown", None, None)
    assert after.status.health is None


@pytest.mark.parametrize("annotation", ["autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"])
@pytest.mark.parametrize("before", [None, "True"])
def test_a_paused_object_without_a_fallback_says_so(annotation: str, before: str | None) -> None:
    conditions = [{"type": "Fallback", "status": before, "reason": "FallbackExists"}] if before else []
    object = scaled_object({annotation: "3"}, status={"conditions": conditions})
    decision = decide(object, 3)
    assert condition(status_after(object, decision), "Fallback")[:2] == ("False", "NoFallbackFound")
    deactivated = ("Normal", "ScaledObjectFallbackDeactivated", "ScaledObject fallback is no longer active")
    assert (deactivated in events(decision)) == (before == "True")


def test_a_pause_leaves_the_condition_of_a_fallback_that_is_there() -> None:
    present = {"type": "Fallback", "status": "True", "reason": "FallbackExists"}
    object = protected(annotations={"autoscaling.keda.sh/paused": "true"}, status={"conditions": [present]})
    assert condition(status_after(object, decide(object, 3)), "Fallback")[:2] == ("True", "FallbackExists")
    new = protected(annotations={"autoscaling.keda.sh/paused": "true"})
    assert condition(status_after(new, decide(new, 3)), "Fallback")[:2] == ("Unknown", None)


def test_a_fallback_ends_with_the_last_metric_that_it_was_for() -> None:
    """As where the metadata of its trigger is wrong by now: nobody knows its metrics."""
    present = {"type": "Fallback", "status": "True", "reason": "FallbackExists"}
    entry = {METRIC: {"numberOfFailures": 4, "status": "Failing"}}
    object = protected(status={"conditions": [present], "health": entry})
    decision = decide(object, 4, replace(down(0), metrics=()))
    assert condition(status_after(object, decision), "Fallback")[:2] == ("False", "NoFallbackFound")
    assert replicas_set(decision) is None


def test_without_a_fallback_old_health_stays_but_for_metrics_that_are_gone() -> None:
    entry = {"numberOfFailures": 5, "status": "Failing"}
    object = scaled_object(status={"health": {METRIC: entry, "s1-gone": entry}})
    after = status_after(object, decide(object, 4, up(5)))
    assert set(after.status.health) == {METRIC}
    assert after.status.health[METRIC].number_of_failures == 5


def test_a_success_resets_the_count() -> None:
    object = protected(status={"health": {METRIC: {"numberOfFailures": 4, "status": "Failing"}}})
    memory = memory_from(object, at(1000))
    decision = decide(object, 4, up(5), memory=memory)
    after = status_after(object, decision)
    assert after.status.health[METRIC].number_of_failures == 0
    again = status_after(after, decide(after, 4, down(1), memory=decision.memory))
    assert again.status.health[METRIC].number_of_failures == 1


def test_a_restart_in_fallback_stays_in_fallback() -> None:
    object = protected(status={"health": {METRIC: {"numberOfFailures": 4, "status": "Failing"}}})
    memory = memory_from(object, at(1000))
    unread = decide(object, 4, trigger(None), memory=memory)
    assert condition(status_after(object, unread), "Fallback")[0] == "True"
    assert told(object, Seen(4), down(1), memory=unread.memory) == (100.0,)
    assert codes(decide(object, 4, down(1), memory=unread.memory))[-1] == "LeftToHpa"


def test_the_count_before_a_restart_goes_on() -> None:
    object = protected(status={"health": {METRIC: {"numberOfFailures": 2, "status": "Failing"}}})
    memory = memory_from(object, at(1000))
    assert told(object, Seen(4), down(1), memory=memory) == BROKEN
    assert told(object, Seen(4), down(2), memory=memory) == (100.0,)


@pytest.mark.parametrize(
    ("before", "failed", "expected"),
    [
        ((), {METRIC: 2}, ((METRIC, 2),)),
        (((METRIC, 3),), {METRIC: 2}, ((METRIC, 5),)),
        (((METRIC, 3),), {METRIC: 0}, ()),
        (((METRIC, 3),), {"s1-redis": 1}, ((METRIC, 3), ("s1-redis", 1))),
        (((METRIC, 3),), {}, ((METRIC, 3),)),
    ],
)
def test_what_is_no_longer_measured_as_before_keeps_its_failures(
    before: Any, failed: dict[str, int], expected: Any
) -> None:
    assert stopped(Memory(failed_before=before), failed).failed_before == expected


def test_failures_from_before_are_kept_up_to_one_above_the_threshold() -> None:
    memory = Memory(failed_before=((METRIC, 70), ("s7-gone", 2)))
    assert decide(protected(), 4, down(2), memory=memory).memory.failed_before == ((METRIC, 4),)
    assert decide(protected(), 4, trigger(None), memory=memory).memory.failed_before == ((METRIC, 4),)
    assert decide(protected(), 4, up(5), memory=memory).memory.failed_before == ()


def test_an_unhealthy_trigger_is_looked_at_again_when_it_was_polled() -> None:
    assert decide(protected(pollingInterval=30), 4, down(2)).due == at(1031)
    assert decide(protected(pollingInterval=30), 4, down(4)).due is None
    assert decide(protected(pollingInterval=30), 4, down(0)).due is None
    assert decide(protected(pollingInterval=30), 4, up(5)).due is None
    # the poll is late: soon, and never in the past
    late = replace(down(2), reading=Reading(at(900), failure=BROKEN))
    assert decide(protected(pollingInterval=30), 4, late).due == at(1001)


def test_polls_beyond_the_calendar_are_a_century_away() -> None:
    most = 2**31 - 1
    assert fallback.poll_after(at(0), 3, 30, at(10)) == at(90)
    assert fallback.poll_after(at(0), most, most, at(0)) == at(most + fallback.CENTURY_S)


def test_cpu_and_memory_never_fall_back() -> None:
    broken = replace(cpu(), reading=Reading(at(1000), failure=BROKEN), failed_polls=9)
    decision = decide(protected(), 4, broken, up(0, 1), memory=Memory(at(0), False))
    assert codes(decision)[-1] == "Unknown"
    assert replicas_set(decision) is None


def test_a_value_metric_falls_back_from_zero_too() -> None:
    object, view = protected(replicas=3), down(4, target_type="Value")
    assert replicas_set(decide(object, 0, view)) == 1
    assert isinstance(told(object, Seen(0, ready=0), view), Failure)
    assert told(object, Seen(1, ready=1), view) == (30.0,)


def test_each_metric_falls_back_for_itself() -> None:
    object, views = protected(), (down(4), up(7, 1))
    assert told(object, Seen(4), *views) == (100.0,)
    assert told(object, Seen(4), *views, name="S1-REDIS") == (7.0,)


def test_a_metric_of_nobody_is_named() -> None:
    found = told(protected(), Seen(4), up(5), name="s9-kafka")
    assert isinstance(found, Failure)
    assert found.message == "no matching metrics found for s9-kafka of shop/web"
    assert isinstance(told(protected(), Seen(4), trigger(None)), Failure)


@pytest.mark.parametrize(
    ("behavior", "type", "before", "expected"),
    [
        # KEDA's own end-to-end rows: target 5, min 0, max 5, 3 replicas
        ("static", "AverageValue", 5, 3),
        ("static", "Value", 5, 3),
        ("static", "AverageValue", 4, 3),
        ("currentReplicasIfHigher", "AverageValue", 4, 4),
        ("currentReplicasIfLower", "AverageValue", 4, 3),
        ("currentReplicas", "AverageValue", 4, 4),
    ],
)
def test_the_hpa_arrives_at_the_fallbacks_number(
    behavior: str, type: Any, before: int, expected: int
) -> None:
    object = protected(behavior, replicas=3, maxReplicaCount=5)
    view = replace(trigger(BROKEN, target=5.0, target_type=type), failed_polls=4)
    (value,) = told(object, Seen(before, ready=before), view)
    spec = decode_hpa_spec(
        {
            "minReplicas": 1,
            "maxReplicas": 5,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        }
    )
    sample = Sample(METRIC, type, 5.0, value, ready=before)
    assert autoscaler.step(spec, before, (sample,), HpaMemory(), at(0)).replicas == expected
    # and stays there
    (value,) = told(object, Seen(expected, ready=expected), view)
    settled = Sample(METRIC, type, 5.0, value, ready=expected)
    assert autoscaler.step(spec, expected, (settled,), HpaMemory(), at(0)).replicas == expected
