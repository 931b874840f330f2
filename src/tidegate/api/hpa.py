"""The spec of an autoscaling/v2 HorizontalPodAutoscaler, typed.

Quantities stay as they are written; `tidegate.base.quantity` reads them.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from tidegate.api.wire import Int32, Quantity, Wire, convert


class RatePolicy(Wire, frozen=True):
    """How much may change within one period (autoscaling/v2 HPAScalingPolicy)."""

    type: Annotated[str, Meta(description="Pods or Percent.")]
    value: Annotated[Int32, Meta(description="How many pods or percent.")]
    period_seconds: Annotated[Int32, Meta(description="The period in seconds, at most 1800.")]


class ScalingRules(Wire, frozen=True):
    """autoscaling/v2 HPAScalingRules, for one direction."""

    stabilization_window_seconds: Annotated[
        Int32 | None,
        Meta(description="For how long earlier recommendations count, in seconds; an HPA takes 0 to 3600."),
    ] = None
    select_policy: Annotated[str | None, Meta(description="Max (if not set), Min or Disabled.")] = None
    policies: Annotated[
        tuple[RatePolicy, ...] | None,
        Meta(description="Limits of the change; selectPolicy chooses among them."),
    ] = None
    tolerance: Annotated[
        Quantity | None, Meta(description="Ratios this close to 1 change nothing; 0.1 if not set.")
    ] = None


class Behavior(Wire, frozen=True):
    scale_up: Annotated[ScalingRules | None, Meta(description="Rules for more replicas.")] = None
    scale_down: Annotated[ScalingRules | None, Meta(description="Rules for fewer replicas.")] = None


class TargetRef(Wire, frozen=True):
    kind: str
    name: str
    api_version: str | None = None


class MetricTarget(Wire, frozen=True):
    """`type` is Value, AverageValue or Utilization; the field of that name is set."""

    type: str
    value: Quantity | None = None
    average_value: Quantity | None = None
    average_utilization: int | None = None


class MetricIdentifier(Wire, frozen=True):
    """`selector` is a LabelSelector object (`tidegate.base.selectors.from_label_selector`)."""

    name: str
    selector: dict[str, Any] | None = None


class ExternalSource(Wire, frozen=True):
    metric: MetricIdentifier
    target: MetricTarget


class ResourceSource(Wire, frozen=True):
    name: str
    target: MetricTarget


class ContainerResourceSource(Wire, frozen=True):
    name: str
    container: str
    target: MetricTarget


class ObjectSource(Wire, frozen=True):
    described_object: TargetRef
    metric: MetricIdentifier
    target: MetricTarget


class MetricSpec(Wire, frozen=True):
    """`type` says which of the sources is set: External, Resource, ContainerResource, Pods, Object."""

    type: str
    external: ExternalSource | None = None
    resource: ResourceSource | None = None
    container_resource: ContainerResourceSource | None = None
    pods: ExternalSource | None = None
    object: ObjectSource | None = None


class HpaSpec(Wire, frozen=True):
    max_replicas: int
    min_replicas: int | None = None
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior | None = None
    scale_target_ref: TargetRef | None = None


def decode_hpa_spec(spec: dict[str, Any]) -> HpaSpec:
    """The typed spec; explicit nulls are absent. ValueError names the field that does not fit."""
    return convert(spec, HpaSpec)
