"""ScaledObject: one workload, scaled by triggers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from tidegate.api.conditions import HealthStatus
from tidegate.api.hpa import Behavior
from tidegate.api.kinds import Column, Kind
from tidegate.api.meta import ObjectMeta
from tidegate.api.scaled import REPLICAS_MAX, ContainerName, ScaledSpec, ScaledStatus, columns
from tidegate.api.triggers import Trigger
from tidegate.api.wire import Count, Int32, Positive, Required, Wire

COOLDOWN_S = 300


class ScaleTargetRef(Wire, frozen=True):
    name: Annotated[Required, Meta(description="Name of the workload, in the namespace of this object.")]
    api_version: Annotated[str | None, Meta(description="API of the workload; apps/v1 if not set.")] = None
    kind: Annotated[str | None, Meta(description="Kind of the workload; Deployment if not set.")] = None
    env_source_container_name: ContainerName = None


class Fallback(Wire, frozen=True):
    failure_threshold: Annotated[Count, Meta(description="Failures in a row that may pass unnoticed.")]
    replicas: Annotated[Count, Meta(description="Replicas while the triggers fail.")]
    behavior: Annotated[
        Literal[
            "static",
            "currentReplicas",
            "currentReplicasIfHigher",
            "currentReplicasIfLower",
            "scalingModifiers",
        ],
        Meta(description="How the number of replicas is chosen while the triggers fail."),
    ] = "static"


class HorizontalPodAutoscalerConfig(Wire, frozen=True):
    name: Annotated[
        str | None, Meta(description="Name of the HPA; keda-hpa-<name of this object> if not set.")
    ] = None
    behavior: Annotated[Behavior | None, Meta(description="Passed on to the HPA as it is.")] = None


class ScalingModifiers(Wire, frozen=True):
    formula: Annotated[
        str | None, Meta(description="Expression over trigger names that yields one composite metric.")
    ] = None
    target: Annotated[str | None, Meta(description="Target of the composite metric, above 0.")] = None
    activation_target: Annotated[
        str | None,
        Meta(description="The object is active while the composite metric is above it; 0 if not set."),
    ] = None
    metric_type: Annotated[
        Literal["AverageValue", "Value"] | None, Meta(description="AverageValue if not set.")
    ] = None

    @property
    def is_set(self) -> bool:
        """Whether any field says something."""
        return bool(self.formula or self.target or self.activation_target or self.metric_type)


class Advanced(Wire, frozen=True):
    restore_to_original_replica_count: Annotated[
        bool | None, Meta(description="On deletion, restore the number of replicas first seen.")
    ] = None
    horizontal_pod_autoscaler_config: Annotated[
        HorizontalPodAutoscalerConfig | None, Meta(description="Name and behaviour of the HPA.")
    ] = None
    scaling_modifiers: Annotated[
        ScalingModifiers | None, Meta(description="One metric composed of all triggers.")
    ] = None


class ScaledObjectSpec(ScaledSpec, frozen=True, kw_only=True):
    schema_extra: ClassVar[dict[str, Any]] = {
        "x-kubernetes-validations": [
            {
                "message": "minReplicaCount must be less than or equal to maxReplicaCount",
                "rule": "!has(self.minReplicaCount) || self.minReplicaCount <= "
                f"(has(self.maxReplicaCount) ? self.maxReplicaCount : {REPLICAS_MAX})",
            }
        ]
    }

    scale_target_ref: Annotated[ScaleTargetRef, Meta(description="The workload to scale.")]
    triggers: Annotated[
        tuple[Trigger, ...], Meta(min_length=1, description="What the number of replicas follows.")
    ]
    initial_cooldown_period: Annotated[
        Count | None,
        Meta(description="Seconds after creation before the first scaling to zero; 0 if not set."),
    ] = None
    cooldown_period: Annotated[
        Count | None,
        Meta(description=f"Seconds after the last activity before scaling to zero; {COOLDOWN_S} if not set."),
    ] = None
    idle_replica_count: Annotated[
        Count | None, Meta(description="Replicas while no trigger is active, below minReplicaCount.")
    ] = None
    min_replica_count: Annotated[Count | None, Meta(description="Least replicas; 0 if not set.")] = None
    max_replica_count: Annotated[
        Positive | None, Meta(description=f"Most replicas; {REPLICAS_MAX} if not set.")
    ] = None
    fallback: Annotated[Fallback | None, Meta(description="What happens while triggers fail.")] = None
    advanced: Annotated[Advanced | None, Meta(description="The HPA, composite metrics, restoring.")] = None

    @property
    def cooldown_s(self) -> int:
        return COOLDOWN_S if self.cooldown_period is None else self.cooldown_period

    @property
    def replicas_min(self) -> int:
        return self.min_replica_count or 0


class GroupVersionKindResource(Wire, frozen=True):
    group: Annotated[str, Meta(description="Group of its API.")]
    version: Annotated[str, Meta(description="Version of its API.")]
    kind: Annotated[str, Meta(description="Its kind.")]
    resource: Annotated[str, Meta(description="Plural of its kind, in lower case.")]


class ScaledObjectStatus(ScaledStatus, frozen=True, kw_only=True):
    scale_target_kind: Annotated[
        str | None, Meta(description="Group, version and kind of the workload, such as apps/v1.Deployment.")
    ] = None
    scale_target_gvkr: Annotated[
        GroupVersionKindResource | None, Meta(description="The workload as it was found.")
    ] = field(default=None, name="scaleTargetGVKR")
    original_replica_count: Annotated[
        Int32 | None, Meta(description="Replicas of the workload when it was first seen.")
    ] = None
    external_metric_names: Annotated[
        tuple[str, ...] | None, Meta(description="External metrics, in the order of the triggers.")
    ] = None
    resource_metric_names: Annotated[
        tuple[str, ...] | None, Meta(description="Resource metrics that the HPA reads itself.")
    ] = None
    composite_scaler_name: Annotated[str | None, Meta(description="Name of the composite metric.")] = None
    health: Annotated[dict[str, HealthStatus] | None, Meta(description="Failures by metric name.")] = None
    paused_replica_count: Annotated[Int32 | None, Meta(description="Replicas while paused.")] = None
    hpa_name: Annotated[str | None, Meta(description="Name of the HPA in use.")] = None


class ScaledObject(Wire, frozen=True):
    """Scales one workload of its namespace by the values of its triggers."""

    KIND: ClassVar[Kind] = Kind(
        "ScaledObject",
        "scaledobjects",
        ("so",),
        (
            Column("ScaleTargetKind", ".status.scaleTargetKind"),
            Column("ScaleTargetName", ".spec.scaleTargetRef.name"),
            *columns("Ready", "Active", "Fallback", "Paused"),
        ),
    )

    metadata: ObjectMeta
    spec: Annotated[ScaledObjectSpec, Meta(description="What is wanted.")]
    status: Annotated[ScaledObjectStatus, Meta(description="What is.")] = ScaledObjectStatus()
