"""What becomes of a ScaledObject: a row is a situation, what is written, and the reason code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from parts.decisions import (
    BROKEN,
    START,
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
from tidegate.api.conditions import Condition
from tidegate.base.errors import Failure
from tidegate.core.memory import memory_from
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.triggers.state import state_of
from tidegate.core.values import (
    Decision,
    DeleteHpa,
    HpaView,
    Memory,
    PatchStatus,
    Reading,
    Seen,
    SetReplicas,
    TriggerView,
)

QUIET, BUSY, DOWN = trigger(0), trigger(7), trigger(BROKEN)
UNREAD = trigger(None)
NEVER = Memory()


def cooling(seconds: float) -> Memory:
    """Last active that many seconds before `at(1000)`."""
    return Memory(last_active=at(1000 - seconds), is_active=False)


def decide(
    current: int | Failure = 1,
    *triggers: TriggerView,
    memory: Memory = NEVER,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Decision:
    """The decision at `at(1000)` about an object created at 0."""
    return decide_scaled_object(
        scaled_object(annotations, **spec), Seen(current), triggers or (QUIET,), memory, at(1000)
    )


PAUSED = "autoscaling.keda.sh/paused"
FORCE = {"autoscaling.keda.sh/force-activation": "true"}
NO_IN = {"autoscaling.keda.sh/paused-scale-in": "true"}
NO_OUT = {"autoscaling.keda.sh/paused-scale-out": "true"}


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (0.0, "inactive"),
        (0.001, "active"),
        (10.0, "active"),
        (-1.0, "inactive"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
        (BROKEN, "unknown"),
        (None, "unknown"),
    ],
)
def test_a_trigger_is_active_above_its_activation_inactive_or_unknown(reading: Any, expected: str) -> None:
    assert state_of(trigger(reading)).state == expected


@pytest.mark.parametrize(("value", "expected"), [(50.0, "inactive"), (50.001, "active")])
def test_a_value_equal_to_the_activation_target_is_inactive(value: float, expected: str) -> None:
    assert state_of(trigger(value, activation=50)).state == expected


def test_a_scaler_may_know_better_than_the_comparison() -> None:
    assert state_of(trigger(0, active=True)).active_metrics == ("s0-redis",)
    assert state_of(trigger(9, active=False)).state == "inactive"


def test_a_reading_without_a_value_is_unknown() -> None:
    assert state_of(TriggerView(0, "redis", reading=Reading(START))).failure is not None


@pytest.mark.parametrize(
    ("triggers", "current", "spec", "memory", "expected", "code"),
    [
        # active
        ((BUSY,), 0, {}, NEVER, 1, "Activated"),
        ((BUSY,), 0, {"minReplicaCount": 3}, NEVER, 3, "Activated"),
        ((BUSY,), 0, {"idleReplicaCount": 0, "minReplicaCount": 5}, NEVER, 5, "Activated"),
        ((BUSY,), 2, {"idleReplicaCount": 2, "minReplicaCount": 5}, NEVER, 5, "Activated"),
        ((BUSY,), 2, {"minReplicaCount": 5}, NEVER, None, "LeftToHpa"),
        ((BUSY,), 4, {}, NEVER, None, "LeftToHpa"),
        ((BUSY,), 400, {"maxReplicaCount": 5}, NEVER, None, "LeftToHpa"),
        ((BUSY, DOWN), 0, {}, NEVER, 1, "Activated"),
        ((cpu(),), 0, {"minReplicaCount": 1}, NEVER, 1, "Activated"),
        ((cpu(),), 3, {}, cooling(900), None, "LeftToHpa"),
        # unknown: never lowered, not raised either
        ((DOWN,), 5, {}, cooling(900), None, "Unknown"),
        ((DOWN,), 5, {"idleReplicaCount": 0, "minReplicaCount": 2}, cooling(900), None, "Unknown"),
        ((DOWN, QUIET), 5, {}, cooling(900), None, "Unknown"),
        ((DOWN,), 0, {"minReplicaCount": 2}, NEVER, None, "Unknown"),
        ((UNREAD,), 5, {}, cooling(900), None, "NotMeasuredYet"),
        ((QUIET, UNREAD), 5, {}, NEVER, None, "NotMeasuredYet"),
        ((trigger(float("nan")),), 5, {}, cooling(900), None, "Unknown"),
        # inactive
        ((QUIET,), 5, {}, cooling(299), None, "Cooldown"),
        ((QUIET,), 5, {}, cooling(300), None, "Cooldown"),
        ((QUIET,), 5, {}, cooling(301), 0, "Deactivated"),
        ((QUIET,), 5, {"cooldownPeriod": 10}, cooling(9), None, "Cooldown"),
        ((QUIET,), 5, {"cooldownPeriod": 10}, cooling(11), 0, "Deactivated"),
        ((QUIET,), 5, {"cooldownPeriod": 0}, cooling(0), 0, "Deactivated"),
        ((QUIET,), 0, {}, cooling(900), None, "Resting"),
        ((QUIET,), 5, {"minReplicaCount": 2}, cooling(900), None, "Resting"),
        ((QUIET,), 2, {"minReplicaCount": 5}, cooling(900), 5, "RaisedToMinimum"),
        ((QUIET,), 0, {"minReplicaCount": 5}, NEVER, 5, "RaisedToMinimum"),
        ((QUIET,), 6, {"idleReplicaCount": 0, "minReplicaCount": 5}, cooling(900), 0, "Deactivated"),
        ((QUIET,), 6, {"idleReplicaCount": 3, "minReplicaCount": 5}, cooling(900), 3, "Deactivated"),
        ((QUIET,), 3, {"idleReplicaCount": 3, "minReplicaCount": 5}, cooling(900), None, "Resting"),
        ((QUIET,), 2, {"idleReplicaCount": 3, "minReplicaCount": 5}, cooling(900), None, "Resting"),
        ((QUIET, cpu(1)), 5, {}, cooling(900), 0, "Deactivated"),
        # never active: the cooldown does not matter, the initial one does (created 1000 s ago)
        ((QUIET,), 3, {}, NEVER, 0, "Deactivated"),
        ((QUIET,), 3, {"initialCooldownPeriod": 999}, NEVER, 0, "Deactivated"),
        ((QUIET,), 3, {"initialCooldownPeriod": 1001}, NEVER, None, "InitialCooldown"),
        ((QUIET,), 3, {"initialCooldownPeriod": 5000}, cooling(900), 0, "Deactivated"),
    ],
)
def test_zero_one_and_idle(
    triggers: tuple[TriggerView, ...],
    current: int,
    spec: dict[str, Any],
    memory: Memory,
    expected: int | None,
    code: str,
) -> None:
    decision = decide(current, *triggers, memory=memory, **spec)
    assert replicas_set(decision) == expected
    assert codes(decision)[-1] == code


@pytest.mark.parametrize(
    ("annotations", "triggers", "current", "spec", "expected", "code"),
    [
        (FORCE, (QUIET,), 0, {}, 1, "Activated"),
        (FORCE, (QUIET,), 5, {}, None, "LeftToHpa"),
        (FORCE, (DOWN,), 0, {}, 1, "Activated"),
        (FORCE | NO_OUT, (QUIET,), 0, {}, None, "ScaleOutPaused"),
        ({"autoscaling.keda.sh/force-activation": "false"}, (QUIET,), 0, {}, None, "Resting"),
        ({"autoscaling.keda.sh/force-activation": ""}, (QUIET,), 0, {}, 1, "Activated"),
        (NO_IN, (QUIET,), 5, {}, None, "ScaleInPaused"),
        (NO_IN, (QUIET,), 5, {"idleReplicaCount": 0, "minReplicaCount": 2}, None, "ScaleInPaused"),
        (NO_IN, (QUIET,), 1, {"minReplicaCount": 3}, 3, "RaisedToMinimum"),
        (NO_OUT, (BUSY,), 0, {}, None, "ScaleOutPaused"),
        (NO_OUT, (BUSY,), 0, {"idleReplicaCount": 0, "minReplicaCount": 5}, None, "ScaleOutPaused"),
        (NO_OUT, (QUIET,), 1, {"minReplicaCount": 3}, 3, "RaisedToMinimum"),
    ],
)
def test_annotations_force_activity_or_pause_half(
    annotations: dict[str, str],
    triggers: tuple[TriggerView, ...],
    current: int,
    spec: dict[str, Any],
    expected: int | None,
    code: str,
) -> None:
    decision = decide(current, *triggers, memory=cooling(900), annotations=annotations, **spec)
    assert replicas_set(decision) == expected
    assert codes(decision)[-1] == code


@pytest.mark.parametrize(
    ("annotations", "expected", "code"),
    [
        ({PAUSED: "true"}, None, "Paused"),
        ({PAUSED: "yes"}, None, "Paused"),
        ({PAUSED: ""}, None, "Paused"),
        ({PAUSED + "-replicas": "5"}, 5, "PausedAtReplicas"),
        ({PAUSED + "-replicas": "0"}, 0, "PausedAtReplicas"),
        ({PAUSED + "-replicas": "2"}, None, "PausedAtReplicas"),
        ({PAUSED + "-replicas": "5", PAUSED: "false"}, 5, "PausedAtReplicas"),
        ({PAUSED + "-replicas": "5", PAUSED: "true", **NO_IN}, 5, "PausedAtReplicas"),
        ({PAUSED + "-replicas": "many"}, None, "PausedReplicasUnreadable"),
        ({PAUSED + "-replicas": "-1"}, None, "PausedReplicasUnreadable"),
        ({PAUSED + "-replicas": "4294967296"}, None, "PausedReplicasUnreadable"),
    ],
)
def test_a_full_pause_keeps_or_sets_the_count_and_removes_the_hpa(
    annotations: dict[str, str], expected: int | None, code: str
) -> None:
    object = scaled_object(annotations)
    decision = decide_scaled_object(object, Seen(2, HpaView("keda-hpa-web")), (BUSY,), NEVER, at(1000))
    assert replicas_set(decision) == expected
    assert codes(decision) == [code]
    assert DeleteHpa("keda-hpa-web") in decision.actions
    after = status_after(object, decision)
    assert condition(after, "Paused") == ("True", "ScaledObjectPaused", "ScaledObject is paused")
    assert condition(after, "Active") == ("Unknown", None, None)


@pytest.mark.parametrize("held", [NO_OUT, NO_IN])
def test_a_paused_direction_leaves_the_activity_as_it_is(held: dict[str, str]) -> None:
    object = scaled_object(held)
    decision = decide_scaled_object(object, Seen(0), (BUSY,), NEVER, at(0))
    after = status_after(object, decision)
    assert condition(after, "Active")[:2] == ("True", "ScalerActive")


def test_a_forced_activation_ends_with_its_annotation() -> None:
    spec: dict[str, Any] = {"idleReplicaCount": 0, "minReplicaCount": 2, "cooldownPeriod": 0}
    forced = decide_scaled_object(scaled_object(FORCE, **spec), Seen(0), (QUIET,), NEVER, at(0))
    assert replicas_set(forced) == 2
    over = decide_scaled_object(scaled_object(**spec), Seen(2), (QUIET,), forced.memory, at(30))
    assert replicas_set(over) == 0


def test_a_pause_may_name_any_count_and_another_one_later() -> None:
    outside = scaled_object({PAUSED + "-replicas": "5"}, maxReplicaCount=1)
    first = decide_scaled_object(outside, Seen(0), (QUIET,), NEVER, at(0))
    assert replicas_set(first) == 5
    later = scaled_object({PAUSED + "-replicas": "7"}, _status(status_after(outside, first)))
    second = decide_scaled_object(later, Seen(5), (QUIET,), first.memory, at(30))
    assert replicas_set(second) == 7
    free = scaled_object(status=_status(status_after(later, second)), cooldownPeriod=0)
    assert replicas_set(decide_scaled_object(free, Seen(7), (QUIET,), second.memory, at(60))) == 0
    assert replicas_set(decide_scaled_object(free, Seen(0), (BUSY,), second.memory, at(60))) == 1


@pytest.mark.parametrize(
    ("triggers", "active"),
    [
        ((DOWN,), ("Unknown", "UnknownState")),
        ((DOWN, QUIET), ("Unknown", "UnknownState")),
        ((DOWN, BUSY), ("True", "ScalerActive")),
        ((QUIET,), ("False", "ScalerNotActive")),
    ],
)
def test_of_a_wrong_trigger_nobody_knows_whether_it_is_active(triggers: Any, active: Any) -> None:
    object, check = scaled_object(), Failure("Misconfigured", "no scaler found for type: mood")
    decision = decide_scaled_object(object, Seen(0, check=check), triggers, NEVER, at(0))
    after = status_after(object, decision)
    assert condition(after, "Ready")[:2] == ("False", "ScaledObjectCheckFailed")
    assert condition(after, "Active")[:2] == active


def test_paused_false_alone_pauses_nothing() -> None:
    assert replicas_set(decide(0, BUSY, annotations={PAUSED: "false"})) == 1


def test_pausing_and_unpausing_are_each_told_once() -> None:
    object = scaled_object({PAUSED: "true"})
    first = decide_scaled_object(object, Seen(2), (BUSY,), NEVER, at(0))
    assert ("Normal", "ScaledObjectPaused", "ScaledObject is paused") in events(first)
    paused = status_after(object, first)
    assert decide_scaled_object(paused, Seen(2), (BUSY,), NEVER, at(1)).actions == ()
    unpaused = scaled_object(status=_status(paused))
    second = decide_scaled_object(unpaused, Seen(2), (BUSY,), NEVER, at(2))
    text = "pause annotation removed for ScaledObject"
    assert ("Normal", "ScaledObjectUnpaused", text) in events(second)
    assert condition(status_after(unpaused, second), "Paused") == ("False", "ScaledObjectUnpaused", text)


@pytest.mark.parametrize(
    ("triggers", "current", "ready", "active"),
    [
        ((BUSY,), 3, ("True", "ScaledObjectReady"), ("True", "ScalerActive")),
        ((QUIET,), 0, ("True", "ScaledObjectReady"), ("False", "ScalerNotActive")),
        ((DOWN,), 3, ("False", "TriggerError"), ("False", "ScalerNotActive")),
        ((BUSY, DOWN), 3, ("Unknown", "PartialTriggerError"), ("True", "ScalerActive")),
        ((BUSY, DOWN), 0, ("Unknown", "PartialTriggerError"), ("True", "ScalerActive")),
        ((BUSY,), BROKEN, ("False", "ErrorGettingCurrentReplicas"), ("True", "ScalerActive")),
        ((UNREAD,), 3, ("True", "ScaledObjectReady"), ("Unknown", None)),
        ((UNREAD, DOWN), 3, ("False", "TriggerError"), ("Unknown", None)),
        ((UNREAD, QUIET), 3, ("True", "ScaledObjectReady"), ("Unknown", None)),
    ],
)
def test_conditions(triggers: Any, current: Any, ready: Any, active: Any) -> None:
    object = scaled_object()
    after = status_after(object, decide_scaled_object(object, Seen(current), triggers, NEVER, at(1000)))
    assert condition(after, "Ready")[:2] == ready
    assert condition(after, "Active")[:2] == active
    assert condition(after, "Fallback")[:2] == ("False", "NoFallbackFound")
    assert condition(after, "Paused") == ("False", None, None)
    assert [one.type for one in after.status.conditions] == ["Ready", "Active", "Fallback", "Paused"]


@pytest.mark.parametrize(
    ("triggers", "stays"),
    [
        # What failed before the restart is not well before it is measured; what is active was measured.
        ((UNREAD, UNREAD), True),
        ((BUSY, UNREAD), True),
        ((QUIET, UNREAD), True),
        ((DOWN, UNREAD), True),
        ((BUSY, QUIET), False),
        ((QUIET, DOWN), False),
    ],
)
def test_a_failure_that_was_told_stays_until_all_triggers_are_measured(triggers: Any, stays: bool) -> None:
    busy, memory = scaled_object(triggers=[{"type": "redis", "metadata": {}}] * 2), NEVER
    before = status_after(busy, decide_scaled_object(busy, Seen(3), (BUSY, DOWN), memory, at(0)))
    after = status_after(before, decide_scaled_object(before, Seen(3), triggers, memory, at(1)))
    told = [(one.status, one.reason) for one in before.status.conditions]
    assert ([(one.status, one.reason) for one in after.status.conditions] == told) is stays


def test_missing_conditions_are_added_beside_those_that_are_there() -> None:
    present = [{"type": "HPAActive", "status": "True"}, {"type": "Fallback", "status": "Unknown"}]
    object = scaled_object(status={"conditions": present})
    after = status_after(object, decide_scaled_object(object, Seen(3), (BUSY,), NEVER, at(0)))
    types = sorted(one.type for one in after.status.conditions)
    assert types == ["Active", "Fallback", "HPAActive", "Paused", "Ready"]


def test_a_patch_holds_only_the_activity_that_changed() -> None:
    object = scaled_object(triggers=[{"type": "redis", "metadata": {}}] * 2)
    first = decide_scaled_object(object, Seen(3), (BUSY, trigger(7, 1)), NEVER, at(0))
    object = status_after(object, first)
    later = decide_scaled_object(object, Seen(3), (QUIET, trigger(7, 1)), first.memory, at(1))
    (patch,) = [one.status for one in later.actions if isinstance(one, PatchStatus)]
    assert patch["triggersActivity"] == {"s0-redis": {"isActive": False}}


def test_messages_are_kedas() -> None:
    object = scaled_object()

    def said(type: str, *triggers: TriggerView, current: Any = 3, memory: Memory = NEVER) -> str | None:
        decision = decide_scaled_object(object, Seen(current), triggers, memory, at(1000))
        return condition(status_after(object, decision), type)[2]

    assert said("Ready", BUSY) == "ScaledObject is defined correctly and is ready for scaling"
    whole = f"Triggers defined in ScaledObject are not working correctly: {BROKEN.message}"
    assert said("Ready", DOWN) == said("Ready", DOWN, DOWN) == whole
    partly = f"Some triggers defined in ScaledObject are not working correctly: {BROKEN.message}"
    assert said("Ready", BUSY, DOWN) == partly
    assert said("Ready", BUSY, current=BROKEN) == (
        f"Error getting current replicas count for ScaleTarget: {BROKEN.message}"
    )
    assert said("Active", BUSY) == "Scaling is performed because triggers are active"
    assert said("Active", QUIET, current=0) == "Scaling is not performed because triggers are not active"
    cooling_down = "Scaler cooling down because triggers are not active"
    assert said("Active", QUIET, memory=cooling(10)) == cooling_down
    assert said("Fallback", BUSY) == "No fallbacks are active on this scaled object"
    forced = scaled_object(FORCE)
    after = status_after(forced, decide_scaled_object(forced, Seen(0), (QUIET,), NEVER, at(1000)))
    text = "Scaling is performed because activation is being forced by annotation"
    assert condition(after, "Active") == ("True", "ScalerActive", text)


def test_a_failed_check_is_told_and_what_works_goes_on() -> None:
    object = scaled_object()
    check = Failure("Misconfigured", 'spec.triggers[1].metadata.listLength: "ten" is not a number')
    decision = decide_scaled_object(object, Seen(0, check=check), (BUSY, DOWN), NEVER, at(1000))
    assert replicas_set(decision) == 1
    assert ("Warning", "ScaledObjectCheckFailed", check.message) in events(decision)
    after = status_after(object, decision)
    assert condition(after, "Ready") == ("False", "ScaledObjectCheckFailed", check.message)
    missing = Seen(Failure("Misconfigured", "no such Deployment"), check=check)
    unseen = status_after(object, decide_scaled_object(object, missing, (BUSY,), NEVER, at(1000)))
    assert condition(unseen, "Active") == ("Unknown", "UnknownState", "ScaledObject check failed")


@pytest.mark.parametrize(
    ("status", "reason", "message", "expected"),
    [
        ("True", "ValidMetricFound", "x", ("True", "HPAActive", "HPA is actively scaling")),
        ("False", "ScalingDisabled", "at zero", ("True", "ScalingDisabled", "at zero")),
        (
            "False",
            "FailedGetExternalMetric",
            "metrics not available",
            ("False", "FailedGetExternalMetric", "HPA is not actively scaling: metrics not available"),
        ),
        ("False", None, "y", ("False", "HPAMetricsUnavailable", "HPA is not actively scaling: y")),
    ],
)
def test_the_hpas_health_is_a_condition_of_its_own(
    status: Any, reason: str | None, message: str, expected: Any
) -> None:
    object = scaled_object()
    active = Condition(type="ScalingActive", status=status, reason=reason, message=message)
    seen = Seen(3, HpaView("keda-hpa-web", active))
    after = status_after(object, decide_scaled_object(object, seen, (BUSY,), NEVER, at(0)))
    assert condition(after, "HPAActive") == expected
    assert condition(after, "Ready")[0] == "True"
    assert after.status.hpa_name == "keda-hpa-web"
    for silent in (Seen(3), Seen(3, BROKEN), Seen(3, HpaView("keda-hpa-web"))):
        kept = status_after(after, decide_scaled_object(after, silent, (BUSY,), NEVER, at(1)))
        assert condition(kept, "HPAActive") == expected


NEW = HpaView("keda-hpa-web", is_new=True)


@pytest.mark.parametrize(
    ("seen", "trigger", "is_told"),
    [
        (Seen(0, NEW), QUIET, True),
        # Its controller has looked at it, and cannot say.
        (Seen(0, HpaView("keda-hpa-web")), QUIET, False),
        (Seen(1, NEW), QUIET, False),
        (Seen(0, NEW), BUSY, False),
        (Seen(BROKEN, NEW), QUIET, False),
    ],
)
def test_what_a_new_hpa_of_a_target_at_zero_will_say_is_told_with_the_first_status(
    seen: Seen, trigger: TriggerView, is_told: bool
) -> None:
    object = scaled_object()
    after = status_after(object, decide_scaled_object(object, seen, (trigger,), NEVER, at(0)))
    told = [one for one in after.status.conditions if one.type == "HPAActive"]
    text = "scaling is disabled since the replica count of the target is zero"
    assert [(one.status, one.reason, one.message) for one in told] == (
        [("True", "ScalingDisabled", text)] if is_told else []
    )
    # When it says so itself, there is nothing to write.
    said = Condition(type="ScalingActive", status="False", reason="ScalingDisabled", message=text)
    later = replace(seen, hpa=HpaView("keda-hpa-web", said))
    decision = decide_scaled_object(after, later, (trigger,), NEVER, at(1))
    assert not (is_told and [one for one in decision.actions if isinstance(one, PatchStatus)])


def test_a_failing_trigger_and_an_unhealthy_hpa_are_told_apart() -> None:
    object = scaled_object()
    text = "metrics not available"
    active = Condition(type="ScalingActive", status="False", reason="FailedGetExternalMetric", message=text)
    seen = Seen(3, HpaView("keda-hpa-web", active))
    after = status_after(object, decide_scaled_object(object, seen, (DOWN,), NEVER, at(0)))
    assert condition(after, "Ready")[:2] == ("False", "TriggerError")
    assert condition(after, "HPAActive")[:2] == ("False", "FailedGetExternalMetric")


def test_a_raise_from_zero_is_told_when_it_was_written() -> None:
    decision = decide(0, BUSY, trigger(8, 1), minReplicaCount=2)
    (write,) = [one for one in decision.actions if isinstance(one, SetReplicas)]
    step = "apps/v1.Deployment shop/web from 0 to 2"
    assert write.then is not None
    assert write.then.message == f"Scaled {step}, triggered by s0-redis;s1-redis"
    assert (write.then.type, write.then.reason) == ("Normal", "KEDAScaleTargetActivated")
    assert write.otherwise is not None
    assert write.otherwise.message == f"Failed to scale {step}"
    assert (write.otherwise.type, write.otherwise.reason) == ("Warning", "KEDAScaleTargetActivationFailed")


def test_a_fall_to_zero_is_told_when_it_was_written() -> None:
    decision = decide(4, QUIET, memory=cooling(900))
    (write,) = [one for one in decision.actions if isinstance(one, SetReplicas)]
    step = "apps/v1.Deployment shop/web from 4 to 0"
    assert write.then is not None
    assert (write.then.reason, write.then.message) == ("KEDAScaleTargetDeactivated", f"Deactivated {step}")
    assert write.otherwise is not None
    assert write.otherwise.message == f"Failed to deactivate {step}"
    (raised,) = [one for one in decide(1, QUIET, minReplicaCount=3).actions if isinstance(one, SetReplicas)]
    assert raised == SetReplicas(3, 1)


def test_a_failure_is_told_once_and_again_when_it_changes() -> None:
    object = scaled_object()
    first = decide_scaled_object(object, Seen(3), (DOWN, trigger(BROKEN, 1)), NEVER, at(0))
    failed = [one for one in events(first) if one[1] == "KEDAScalerFailed"]
    assert failed == [("Warning", "KEDAScalerFailed", BROKEN.message)]
    again = decide_scaled_object(object, Seen(3), (DOWN, trigger(BROKEN, 1)), first.memory, at(30))
    assert [one for one in events(again) if one[1] == "KEDAScalerFailed"] == []
    other = trigger(Failure("Denied", "wrong password"), 1)
    news = decide_scaled_object(object, Seen(3), (DOWN, other), again.memory, at(60))
    assert [one[2] for one in events(news) if one[1] == "KEDAScalerFailed"] == ["wrong password"]


def test_the_cooldown_begins_when_activity_ends_however_long_nothing_was_decided() -> None:
    object = scaled_object()
    active = decide_scaled_object(object, Seen(3), (BUSY,), NEVER, at(0))
    quiet = decide_scaled_object(object, Seen(3), (QUIET,), active.memory, at(5000))
    assert replicas_set(quiet) is None
    assert quiet.due is not None
    over = decide_scaled_object(object, Seen(3), (QUIET,), quiet.memory, quiet.due)
    assert replicas_set(over) == 0
    assert (quiet.due - at(5300)).total_seconds() == pytest.approx(0.001)


def test_a_failing_trigger_does_not_stop_the_time_of_activity() -> None:
    object = scaled_object()
    partly = decide_scaled_object(object, Seen(3), (BUSY, DOWN), NEVER, at(700))
    assert partly.memory.last_active == at(700)
    assert status_after(object, partly).status.last_active_time == "2026-03-02T08:11:40Z"


def test_a_clock_that_was_set_back_does_not_lengthen_a_cooldown() -> None:
    ahead = Memory(last_active=at(1000 + 7200), is_active=False)
    decision = decide(3, trigger(0), memory=ahead, minReplicaCount=0, cooldownPeriod=60)
    assert decision.memory.last_active == at(1000)
    assert decision.due is not None
    assert at(1060) <= decision.due <= at(1061)


def test_activity_that_another_operator_wrote_begins_the_cooldown_here_too() -> None:
    """Two run during a takeover: what the other saw last is in the status, and not in this memory."""
    object = scaled_object(minReplicaCount=0, cooldownPeriod=60)
    alone = decide_scaled_object(object, Seen(0), (QUIET,), NEVER, at(1000))
    assert replicas_set(decide_scaled_object(object, Seen(3), (QUIET,), alone.memory, at(1002))) == 0
    busy = decide_scaled_object(object, Seen(0), (BUSY,), NEVER, at(1001))
    found = status_after(object, busy)
    held = decide_scaled_object(found, Seen(3), (QUIET,), alone.memory, at(1002))
    assert replicas_set(held) is None
    assert held.due is not None
    assert at(1061) <= held.due <= at(1062)
    # what it says is taken in once: a clock that is set back afterwards does not make it news again
    back = decide_scaled_object(found, Seen(3), (QUIET,), held.memory, at(500))
    assert back.due is not None
    assert at(560) <= back.due <= at(561)


def test_a_clock_that_was_set_back_does_not_lengthen_the_initial_cooldown() -> None:
    """The object was made at second 0, by a clock that has been set back by an hour since."""
    object = scaled_object(initialCooldownPeriod=100)
    first = decide_scaled_object(object, Seen(3), (QUIET,), NEVER, at(-3600))
    assert replicas_set(first) is None
    assert first.due is not None
    assert at(-3500) <= first.due <= at(-3499)
    assert replicas_set(decide_scaled_object(object, Seen(3), (QUIET,), first.memory, first.due)) == 0


def test_last_active_time_is_written_on_changes_and_once_a_minute() -> None:
    object, memory = scaled_object(), NEVER
    written = []
    plan = [
        (0, BUSY),
        (10, BUSY),
        (59, BUSY),
        (61, BUSY),
        (90, BUSY),
        (130, QUIET),
        (200, QUIET),
        (900, QUIET),
    ]
    for second, view in plan:
        decision = decide_scaled_object(object, Seen(3), (view,), memory, at(second))
        object, memory = status_after(object, decision), decision.memory
        written.append(object.status.last_active_time)
    minutes = [text[14:19] for text in written if text]
    assert minutes == ["00:00", "00:00", "00:00", "01:01", "01:01", "02:10", "02:10", "02:10"]


def test_the_status_names_the_metrics_and_their_activity() -> None:
    object = scaled_object(
        triggers=[
            {"type": "redis", "metadata": {}, "authenticationRef": {"name": "auth"}},
            {"type": "cpu", "metadata": {}},
            {"type": "redis", "metadata": {}, "authenticationRef": {"name": "auth"}},
        ]
    )
    views = (BUSY, cpu(1), trigger(0, 2))
    after = status_after(object, decide_scaled_object(object, Seen(3), views, NEVER, at(0)))
    assert after.status.external_metric_names == ("s0-redis", "s2-redis")
    assert after.status.resource_metric_names == ("cpu",)
    assert {name: one.is_active for name, one in after.status.triggers_activity.items()} == {
        "s0-redis": True,
        "s2-redis": False,
    }
    assert (after.status.triggers_types, after.status.authentications_types) == ("redis,cpu", "auth")
    assert after.status.original_replica_count == 3
    fewer = status_after(after, decide_scaled_object(after, Seen(5), (trigger(0, 2),), NEVER, at(1)))
    assert set(fewer.status.triggers_activity) == {"s2-redis"}
    assert fewer.status.original_replica_count == 3


@pytest.mark.parametrize(
    ("status", "last_active", "is_active"),
    [
        ({}, None, None),
        ({"conditions": [{"type": "Active", "status": "True"}]}, at(1000), True),
        (
            {
                "conditions": [{"type": "Active", "status": "False"}],
                "lastActiveTime": "2026-03-02T08:10:00Z",
            },
            at(600),
            False,
        ),
        (
            {
                "conditions": [{"type": "Active", "status": "Unknown"}],
                "lastActiveTime": "2026-03-02T08:10:00Z",
            },
            at(1000),
            None,
        ),
        (
            {"conditions": [{"type": "Active", "status": "False"}], "lastActiveTime": "yesterday"},
            at(1000),
            False,
        ),
    ],
)
def test_memory_is_rebuilt_from_the_status(status: Any, last_active: Any, is_active: Any) -> None:
    memory = memory_from(scaled_object(status=status), at(1000.7))
    assert (memory.last_active, memory.is_active) == (last_active, is_active)


def _status(object: Any) -> dict[str, Any]:
    status: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(object.status))
    return status
