"""What an HPA says: conditions, events and their texts as Kubernetes' own controller writes them.

Tools and people compare these words, so they are kept to the letter, Go's way of printing a
selector included.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.api.conditions import Condition
from tidegate.core.hpa.bounds import Limit
from tidegate.core.hpa.replicas import Sample, failure_of
from tidegate.core.values import EmitEvent

FOUND = Condition(
    type="AbleToScale",
    status="True",
    reason="SucceededGetScale",
    message="the HPA controller was able to get the target's current scale",
)
DISABLED = Condition(
    type="ScalingActive",
    status="False",
    reason="ScalingDisabled",
    message="scaling is disabled since the replica count of the target is zero",
)
ABOVE_MAX = "Current number of replicas above Spec.MaxReplicas"
BELOW_MIN = "Current number of replicas below Spec.MinReplicas"

_LIMITS: dict[Limit, str] = {
    "": "the desired count is within the acceptable range",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
}


def rescaled(replicas: int) -> Condition:
    """AbleToScale after a count was written."""
    text = f"the HPA controller was able to update the target scale to {replicas}"
    return Condition(type="AbleToScale", status="True", reason="SucceededRescale", message=text)


def not_rescaled(cause: str) -> Condition:
    """AbleToScale after writing a count failed."""
    text = f"the HPA controller was unable to update the target scale: {cause}"
    return Condition(type="AbleToScale", status="False", reason="FailedUpdateScale", message=text)


def able(wanted: int, stable: int, current: int) -> Condition:
    """AbleToScale after stabilisation."""
    reason, message = "ReadyForNewScale", "recommended size matches current size"
    if stable != wanted and wanted >= current:
        reason = "ScaleUpStabilized"
        message = (
            "recent recommendations were lower than current one, applying the lowest recent recommendation"
        )
    elif stable != wanted:
        reason = "ScaleDownStabilized"
        message = (
            "recent recommendations were higher than current one, applying the highest recent recommendation"
        )
    return Condition(type="AbleToScale", status="True", reason=reason, message=message)


def active(sample: Sample) -> Condition:
    """ScalingActive where `sample` decided."""
    return Condition(
        type="ScalingActive",
        status="True",
        reason="ValidMetricFound",
        message=f"the HPA was able to successfully calculate a replica count from {metric_text(sample)}",
    )


def inactive(sample: Sample) -> Condition:
    """ScalingActive where nothing could be concluded; `sample` is the first that failed."""
    text = f"the HPA was unable to compute the replica count: {failure_text(sample)}"
    return Condition(type="ScalingActive", status="False", reason=failure_code(sample), message=text)


def limited(limit: Limit) -> Condition:
    """ScalingLimited, with the bound that stopped the count."""
    return Condition(
        type="ScalingLimited",
        status="True" if limit else "False",
        reason=limit or "DesiredWithinRange",
        message=_LIMITS[limit],
    )


def metric_text(sample: Sample) -> str:
    """The metric as conditions and events name it."""
    if sample.kind == "External":
        return f"external metric {sample.name}({selector_text(sample.labels)})"
    noun = "resource" if sample.kind == "Resource" else "container resource"
    if sample.target_type == "Utilization":
        return f"{sample.name} {noun} utilization (percentage of request)"
    return f"{sample.name} {noun}"


def failure_code(sample: Sample) -> str:
    return f"FailedGet{sample.kind}Metric"


def failure_text(sample: Sample) -> str:
    """What was attempted and what came back."""
    failure = failure_of(sample)
    cause = failure.message if failure else ""
    if sample.kind == "External":
        selector = selector_text(sample.labels)
        return f"unable to get external metric {sample.namespace}/{sample.name}/{selector}: {cause}"
    what = "utilization" if sample.target_type == "Utilization" else "usage"
    return f"failed to get {sample.name} {what}: unable to get metrics for resource {sample.name}: {cause}"


def failure_events(failed: Iterable[Sample]) -> tuple[EmitEvent, ...]:
    """One event for each metric that could not be read."""
    return tuple(EmitEvent("Warning", failure_code(one), failure_text(one)) for one in failed)


def held_text(failed: tuple[Sample, ...], metrics: int) -> str:
    """Why no count could be computed from that many metrics; `failed` is not empty."""
    sample, cause = failed[0], failure_text(failed[0])
    if sample.kind == "Resource":
        first = f"failed to get {sample.name} resource metric value: {cause}"
    elif sample.kind == "ContainerResource":
        first = f"failed to get {sample.container} container metric value: {cause}"
    else:
        is_value = sample.target_type == "Value"
        what = f"external metric {sample.name}" if is_value else f"{sample.name} external metric"
        first = f"failed to get {sample.name} external metric value: failed to get {what}: {cause}"
    return f"invalid metrics ({len(failed)} invalid out of {metrics}), first error is: {first}"


def selector_text(labels: tuple[tuple[str, str], ...]) -> str:
    """A label selector as Go prints it, because tools and people compare these messages."""
    if not labels:
        return "nil"
    pairs = "".join(f"{key}: {value}," for key, value in sorted(labels))
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        "MatchExpressions:[]LabelSelectorRequirement{},}"
    )
