"""ScaledJob: Jobs created by triggers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from tidegate.api.kinds import Kind
from tidegate.api.meta import ObjectMeta
from tidegate.api.scaled import REPLICAS_MAX, ContainerName, ScaledSpec, ScaledStatus, columns
from tidegate.api.triggers import Trigger
from tidegate.api.wire import Count, Int32, Int64, Positive, Wire, encode

JOBS_HISTORY = 100
_BY_NAME = ("apiVersion", "kind", "name")


class JobTargetRef(Wire, frozen=True):
    """A batch/v1 JobSpec; or, by `name`, the Job (best kept suspended) whose spec is the template. A
    template that is written wins over a name.

    What lies deeper than a JobSpec's own fields is kept as it is written.
    """

    schema_extra: ClassVar[dict[str, Any]] = {
        "x-kubernetes-validations": [
            {
                "message": "template, or the name of a Job, is required",
                "rule": "has(self.template) || has(self.name)",
            }
        ]
    }

    template: Annotated[
        dict[str, Any] | None, Meta(description="Template of the pods; required unless name is set.")
    ] = None
    api_version: Annotated[str | None, Meta(description="With name: batch/v1.")] = None
    kind: Annotated[Literal["Job"] | None, Meta(description="With name: Job.")] = None
    name: Annotated[
        str | None,
        Meta(description="Name of a Job of this namespace, best kept suspended, to take the spec from."),
    ] = None
    parallelism: Annotated[Int32 | None, Meta(description="Pods of a Job at the same time.")] = None
    completions: Annotated[Int32 | None, Meta(description="Pods of a Job that must succeed.")] = None
    active_deadline_seconds: Annotated[Int64 | None, Meta(description="Seconds a Job may run.")] = None
    backoff_limit: Annotated[Int32 | None, Meta(description="Retries before a Job has failed.")] = None
    backoff_limit_per_index: Annotated[Int32 | None, Meta(description="Retries within an index.")] = None
    max_failed_indexes: Annotated[Int32 | None, Meta(description="Indexes that may fail.")] = None
    ttl_seconds_after_finished: Annotated[
        Int32 | None, Meta(description="Seconds before a finished Job is deleted.")
    ] = None
    completion_mode: Annotated[str | None, Meta(description="NonIndexed or Indexed.")] = None
    suspend: Annotated[bool | None, Meta(description="Whether Jobs are created suspended.")] = None
    manual_selector: Annotated[bool | None, Meta(description="Whether selector is the user's.")] = None
    selector: Annotated[dict[str, Any] | None, Meta(description="Selector of a Job's pods.")] = None
    pod_failure_policy: Annotated[dict[str, Any] | None, Meta(description="How failed pods are judged.")] = (
        None
    )
    success_policy: Annotated[dict[str, Any] | None, Meta(description="When a Job has succeeded.")] = None
    pod_replacement_policy: Annotated[str | None, Meta(description="TerminatingOrFailed or Failed.")] = None
    managed_by: Annotated[str | None, Meta(description="Who reconciles the Jobs.")] = None

    @property
    def model(self) -> str:
        """The name of the Job to take the spec from; "" where a template is written, which wins."""
        return "" if self.template is not None else self.name or ""

    def job_spec(self) -> dict[str, Any]:
        """The wire shape of the JobSpec; a dictionary of its own each time."""
        return {key: value for key, value in encode(self).items() if key not in _BY_NAME}


class Rollout(Wire, frozen=True):
    strategy: Annotated[
        Literal["gradual", "immediate"] | None,
        Meta(description="Whether Jobs of an older generation run to their end (gradual) or are deleted."),
    ] = None
    propagation_policy: Annotated[
        Literal["foreground", "background"] | None,
        Meta(description="How they are deleted; background if not set."),
    ] = None


class ScalingStrategy(Wire, frozen=True):
    strategy: Annotated[
        Literal["default", "custom", "accurate", "eager"] | None,
        Meta(description="How many Jobs a queue length asks for; default if not set."),
    ] = None
    custom_scaling_queue_length_deduction: Annotated[
        Int32 | None, Meta(description="With custom: subtracted from the queue length.")
    ] = None
    custom_scaling_running_job_percentage: Annotated[
        str | None,
        Meta(description="With custom: the share of running Jobs that is subtracted, such as 0.5."),
    ] = None
    pending_pod_conditions: Annotated[
        tuple[str, ...] | None, Meta(description="Pod conditions that make a Job count as no longer pending.")
    ] = None
    multiple_scalers_calculation: Annotated[
        Literal["min", "avg", "sum", "max"] | None,
        Meta(description="How several triggers become one queue length; max if not set."),
    ] = None


class ScaledJobSpec(ScaledSpec, frozen=True, kw_only=True):
    job_target_ref: Annotated[JobTargetRef, Meta(description="What the Jobs are made of.")]
    triggers: Annotated[tuple[Trigger, ...], Meta(min_length=1, description="What asks for Jobs.")]
    successful_jobs_history_limit: Annotated[
        Count | None, Meta(description=f"Complete Jobs that are kept; {JOBS_HISTORY} if not set.")
    ] = None
    failed_jobs_history_limit: Annotated[
        Count | None, Meta(description=f"Failed Jobs that are kept; {JOBS_HISTORY} if not set.")
    ] = None
    rollout_strategy: Annotated[
        Literal["gradual", "immediate"] | None, Meta(description="Deprecated: use rollout.strategy.")
    ] = None
    rollout: Annotated[Rollout | None, Meta(description="What happens to running Jobs after an edit.")] = None
    env_source_container_name: ContainerName = None
    min_replica_count: Annotated[
        Count | None, Meta(description="Jobs that run even without events; 0 if not set.")
    ] = None
    max_replica_count: Annotated[
        Positive | None, Meta(description=f"Most Jobs at the same time; {REPLICAS_MAX} if not set.")
    ] = None
    scaling_strategy: Annotated[ScalingStrategy | None, Meta(description="How many Jobs are created.")] = None

    @property
    def replicas_min(self) -> int:
        """Never above `replicas_max`."""
        return min(self.min_replica_count or 0, self.replicas_max)


class ScaledJobStatus(ScaledStatus, frozen=True, kw_only=True):
    paused: Annotated[str | None, Meta(description="No longer written.")] = field(default=None, name="Paused")
    external_metric_names: Annotated[
        tuple[str, ...] | None, Meta(description="Metrics, in the order of the triggers.")
    ] = None


class ScaledJob(Wire, frozen=True):
    """Creates Jobs by the values of its triggers."""

    KIND: ClassVar[Kind] = Kind(
        "ScaledJob",
        "scaledjobs",
        ("sj",),
        columns("Ready", "Active", "Paused"),
    )

    metadata: ObjectMeta
    spec: Annotated[ScaledJobSpec, Meta(description="What is wanted.")]
    status: Annotated[ScaledJobStatus, Meta(description="What is.")] = ScaledJobStatus()
