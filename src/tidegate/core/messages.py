"""What a ScaledObject or ScaledJob says: conditions and events in KEDA's words, kept to the letter.

Tools compare these reasons and messages; where a cause is added, it comes after KEDA's own sentence.
Everything said once per change is told by `decide`; what belongs to carrying an action out (a failed
creation) is told by whoever carries it out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tidegate.api.conditions import Condition
from tidegate.api.conditions import Status as Truth
from tidegate.base.errors import Failure
from tidegate.core.values import EmitEvent

Kind = Literal["ScaledObject", "ScaledJob"]

INITIAL = (
    Condition(type="Ready", status="Unknown"),
    Condition(type="Active", status="Unknown"),
    Condition(type="Fallback", status="Unknown"),
    Condition(type="Paused", status="False"),
)
NO_FALLBACK = Condition(
    type="Fallback",
    status="False",
    reason="NoFallbackFound",
    message="No fallbacks are active on this scaled object",
)
FALLBACK_EXISTS = Condition(
    type="Fallback",
    status="True",
    reason="FallbackExists",
    message="At least one trigger is falling back on this scaled object",
)
ACTIVE_TEXT = "Scaling is performed because triggers are active"
FORCED_TEXT = "Scaling is performed because activation is being forced by annotation"
INACTIVE_TEXT = "Scaling is not performed because triggers are not active"
COOLING_TEXT = "Scaler cooling down because triggers are not active"
TARGET_STAGE = "ScaledObject doesn't have correct scaleTargetRef specification"
MISSING_TARGET = "Target resource doesn't exist"
OBJECT_TRIGGERS_STAGE = "ScaledObject doesn't have correct triggers specification"
JOB_TRIGGERS_STAGE = "ScaledJob doesn't have correct triggers specification"
HPA_STAGE = "failed to ensure HPA is correctly created for ScaledObject"
_STAGES = (TARGET_STAGE, MISSING_TARGET, OBJECT_TRIGGERS_STAGE, JOB_TRIGGERS_STAGE, HPA_STAGE)
SOME_FAILED, ALL_FAILED = "PartialTriggerError", "TriggerError"
"""Reasons of a Ready condition that tells of failing triggers."""


def cause(text: str) -> str:
    """The cause alone, without the stages that conditions name before it."""
    for stage in _STAGES:
        text = text.removeprefix(f"{stage}: ")
    return text


def ready(kind: Kind) -> Condition:
    return _ready("True", f"{kind}Ready", f"{kind} is defined correctly and is ready for scaling")


def ready_while_paused(kind: Kind) -> Condition:
    suffix = ", skipping reconcile loop" if kind == "ScaledJob" else ""
    return _ready("True", f"{kind}Ready", f"{kind} is paused{suffix}")


def check_failed(kind: Kind, failure: Failure) -> Condition:
    return _ready("False", f"{kind}CheckFailed", failure.message)


def triggers_failed(kind: Kind, failures: Iterable[Failure], *, is_active: bool) -> Condition:
    """Ready while triggers fail: Unknown when others are active, False when none is.

    KEDA's sentence, then the causes: events are forgotten after an hour, a failure may last longer.
    """
    causes = "; ".join(sorted({failure.message for failure in failures}))
    if is_active:
        text = f"Some triggers defined in {kind} are not working correctly: {causes}"
        return _ready("Unknown", SOME_FAILED, text)
    return _ready("False", ALL_FAILED, f"Triggers defined in {kind} are not working correctly: {causes}")


def replicas_unreadable(failure: Failure) -> Condition:
    text = f"Error getting current replicas count for ScaleTarget: {failure.message}"
    return _ready("False", "ErrorGettingCurrentReplicas", text)


def active(text: str) -> Condition:
    return Condition(type="Active", status="True", reason="ScalerActive", message=text)


def inactive() -> Condition:
    return Condition(type="Active", status="False", reason="ScalerNotActive", message=INACTIVE_TEXT)


def cooling() -> Condition:
    return Condition(type="Active", status="False", reason="ScalerCooldown", message=COOLING_TEXT)


def activity_unknown(kind: Kind) -> Condition:
    text = f"{kind} check failed"
    return Condition(type="Active", status="Unknown", reason="UnknownState", message=text)


def paused(kind: Kind) -> Condition:
    return Condition(type="Paused", status="True", reason=f"{kind}Paused", message=f"{kind} is paused")


def unpaused(kind: Kind) -> Condition:
    text = "ScaledJob is unpaused" if kind == "ScaledJob" else "pause annotation removed for ScaledObject"
    return Condition(type="Paused", status="False", reason=f"{kind}Unpaused", message=text)


def hpa_active(status: str, reason: str, message: str) -> Condition:
    """HPAActive, from the ScalingActive condition of the HPA."""
    if status == "True":
        return Condition(
            type="HPAActive", status="True", reason="HPAActive", message="HPA is actively scaling"
        )
    if reason == "ScalingDisabled":
        return Condition(type="HPAActive", status="True", reason=reason, message=message)
    return Condition(
        type="HPAActive",
        status="False",
        reason=reason or "HPAMetricsUnavailable",
        message=f"HPA is not actively scaling: {message}",
    )


def told(condition: Condition, *, is_warning: bool = False) -> EmitEvent:
    """An event with the reason and message of a condition."""
    kind: Literal["Normal", "Warning"] = "Warning" if is_warning else "Normal"
    return EmitEvent(kind, condition.reason or "", condition.message or "")


def became_ready(kind: Kind) -> EmitEvent:
    return EmitEvent("Normal", f"{kind}Ready", f"{kind} is ready for scaling")


def scaler_failed(failure: Failure, *, is_source: bool = False) -> EmitEvent:
    """A trigger fails; `is_source`: one that a formula reads, or the formula itself."""
    return EmitEvent(
        "Warning", "KEDAMetricSourceFailed" if is_source else "KEDAScalerFailed", failure.message
    )


def fallback_changed(*, is_active: bool) -> EmitEvent:
    if is_active:
        return EmitEvent("Normal", "ScaledObjectFallbackActivated", "ScaledObject fallback is active")
    text = "ScaledObject fallback is no longer active"
    return EmitEvent("Normal", "ScaledObjectFallbackDeactivated", text)


def job_activity(*, is_active: bool) -> EmitEvent:
    if is_active:
        return EmitEvent("Normal", "ScaledJobActive", ACTIVE_TEXT)
    return EmitEvent("Normal", "ScaledJobInactive", INACTIVE_TEXT)


def rollout_started(count: int) -> EmitEvent:
    text = f"Deleting {count} jobs owned by the previous version of the scaledJob"
    return EmitEvent("Normal", "ScaledJobRolloutCleanupStarted", text)


def rollout_completed(count: int) -> EmitEvent:
    text = f"Deleted {count} jobs owned by the previous version of the scaledJob"
    return EmitEvent("Normal", "ScaledJobRolloutCleanupCompleted", text)


def rollout_failed(what: str) -> EmitEvent:
    """`what` is "<job>: <cause>"."""
    return EmitEvent("Warning", "ScaledJobRolloutCleanupFailed", f"Failed to delete job {what}")


def activated(step: str, cause: str) -> EmitEvent:
    """`step` is "<kind> <namespace>/<name> from <old> to <new>", `cause` why."""
    return EmitEvent("Normal", "KEDAScaleTargetActivated", f"Scaled {step}, {cause}")


def activation_failed(step: str) -> EmitEvent:
    return EmitEvent("Warning", "KEDAScaleTargetActivationFailed", f"Failed to scale {step}")


def deactivated(step: str) -> EmitEvent:
    return EmitEvent("Normal", "KEDAScaleTargetDeactivated", f"Deactivated {step}")


def deactivation_failed(step: str) -> EmitEvent:
    return EmitEvent("Warning", "KEDAScaleTargetDeactivationFailed", f"Failed to deactivate {step}")


def contested_hpa(name: str, writer: str) -> EmitEvent:
    """`writer` is who else writes it."""
    text = (
        f"HPA {name} is written back by {writer} each time it is written here, and is left for a while: "
        "only one autoscaler may manage it"
    )
    return EmitEvent("Warning", "KEDAScalerInfo", text)


def _ready(status: Truth, reason: str, message: str) -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message=message)


def polled_less(
    index: int, trigger_type: str, times: tuple[float, float], calls: tuple[float, float]
) -> EmitEvent:
    """A budget stretches a trigger's interval: `times` are as written and as it is, `calls` in a minute those
    that are wanted and those that the budget allows."""
    (wanted_s, is_s), (wanted, allowed) = times, calls
    text = (
        f"trigger {index} ({trigger_type}) is asked every {is_s:.3g} s instead of {wanted_s:g} s: "
        f"the budget of its server is {allowed:g} calls a minute, and {wanted:.3g} are wanted"
    )
    return EmitEvent("Warning", "PollingStretched", text)


def polled_as_written(index: int, trigger_type: str, wanted_s: float) -> EmitEvent:
    """The end of that."""
    text = f"trigger {index} ({trigger_type}) is asked every {wanted_s:g} s again"
    return EmitEvent("Normal", "PollingAsWritten", text)
