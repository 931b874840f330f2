"""Fields that are right and do nothing, or less than they say: what a reader should be told before it runs.

The sentences on pollingInterval and cooldownPeriod are those of KEDA's webhook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import Fallback, ScaledObject, ScaledObjectSpec
from tidegate.api.triggers import Trigger
from tidegate.api.validation.triggers import RESOURCE_TRIGGERS
from tidegate.base.problems import Problem
from tidegate.core.control_annotations import PAUSED_REPLICAS, pause_of
from tidegate.core.scaledjob.job_count import counts_pending
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.kit.reading import FROM_ENV
from tidegate.kit.scaler import Clocked
from tidegate.kit.settings import settings_of
from tidegate.review.notices.annotations import annotation_notices
from tidegate.review.notices.cron_windows import window_notices

_POLLING = (
    "PollingInterval is only relevant when "
    "minReplicaCount = 0, idleReplicaCount is set, or useCachedMetrics is enabled"
)
_COOLDOWN = "CooldownPeriod is only relevant when minReplicaCount = 0 or idleReplicaCount is set"


def without_effect(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """Each field that changes nothing as the manifest stands, with its value and the reason."""
    if isinstance(object, ScaledObject):
        yield from _scaled_object(object)
    else:
        yield from _scaled_job(object)
    yield from annotation_notices(object)
    for index, trigger in enumerate(object.spec.triggers):
        yield from window_notices(object, f"spec.triggers[{index}]", trigger)
        if isinstance(object, ScaledObject):
            yield from _activation(object.spec, f"spec.triggers[{index}]", trigger)


def _scaled_object(object: ScaledObject) -> Iterator[Problem]:
    spec = object.spec
    yield from _intervals(spec)
    is_native = all(trigger.type in RESOURCE_TRIGGERS for trigger in spec.triggers)
    if spec.idle_replica_count:
        yield Problem(
            "spec.idleReplicaCount",
            f"the HPA lifts {spec.idle_replica_count} to minReplicaCount at once; only 0 works",
        )
    elif spec.idle_replica_count == 0 and is_native:
        yield Problem(
            "spec.idleReplicaCount",
            "0 has no effect: with only cpu and memory triggers the object is always active",
        )
    if is_native and spec.replicas_min == 0:
        yield Problem(
            "spec.minReplicaCount",
            "0 is never reached: with only cpu and memory triggers the object is always active",
        )
    if spec.fallback is not None:
        yield from _fallback(spec, spec.fallback)
    yield from _container(
        spec.triggers, spec.scale_target_ref.env_source_container_name, "spec.scaleTargetRef"
    )
    pause = pause_of(object.metadata.annotations)
    if pause.unreadable is not None:
        yield Problem(
            f"metadata.annotations.{PAUSED_REPLICAS}",
            f'"{pause.unreadable}" is no count: the object is paused, and an error',
        )


def _scaled_job(object: ScaledJob) -> Iterator[Problem]:
    spec = object.spec
    if (spec.min_replica_count or 0) > spec.replicas_max:
        yield Problem(
            "spec.minReplicaCount",
            f"{spec.min_replica_count} is more than maxReplicaCount {spec.replicas_max}, which counts",
        )
    strategy = spec.scaling_strategy
    if strategy is not None and strategy.pending_pod_conditions and not counts_pending(strategy):
        message = f"has no effect with the strategy {strategy.strategy or 'default'}: only accurate and eager"
        yield Problem("spec.scalingStrategy.pendingPodConditions", f"{message} subtract pending Jobs")
    if spec.job_target_ref.name and not spec.job_target_ref.model:
        text = f'"{spec.job_target_ref.name}" has no effect: Jobs are made from the template beside it'
        yield Problem("spec.jobTargetRef.name", text)
    elif spec.job_target_ref.name:
        text = f'the Job "{spec.job_target_ref.name}" is the template: KEDA refuses that and takes a template'
        yield Problem("spec.jobTargetRef.name", f"{text} written under spec.jobTargetRef alone")
    yield from _container(spec.triggers, spec.env_source_container_name, "spec")


def _intervals(spec: ScaledObjectSpec) -> Iterator[Problem]:
    if not is_never_zero(spec):
        return
    is_cached = any(trigger.use_cached_metrics for trigger in spec.triggers)
    # A fallback counts failures by the polling interval.
    if spec.polling_interval is not None and not is_cached and spec.fallback is None:
        yield Problem("spec.pollingInterval", f"{spec.polling_interval} has no effect: {_POLLING}")
    if spec.cooldown_period is not None:
        yield Problem("spec.cooldownPeriod", f"{spec.cooldown_period} has no effect: {_COOLDOWN}")
    if spec.initial_cooldown_period:
        yield Problem(
            "spec.initialCooldownPeriod",
            f"{spec.initial_cooldown_period} has no effect: with minReplicaCount {spec.replicas_min} "
            "nothing is scaled to zero",
        )


def _fallback(spec: ScaledObjectSpec, fallback: Fallback) -> Iterator[Problem]:
    if all(_never_fails(trigger) for trigger in spec.triggers):
        types = ", ".join(dict.fromkeys(trigger.type for trigger in spec.triggers))
        text = f"failureThreshold {fallback.failure_threshold} is never passed: {types} triggers never fail"
        yield Problem("spec.fallback", f"{text}, so the fallback has no effect")
        return
    least, replicas = max(1, spec.replicas_min), fallback.replicas
    path, behavior = "spec.fallback.replicas", fallback.behavior
    if behavior == "currentReplicas":
        return
    if replicas > spec.replicas_max:
        text = f"{replicas} is more than maxReplicaCount {spec.replicas_max}, which is what it gets"
        yield Problem(path, text)
    elif replicas < least and behavior != "currentReplicasIfHigher":
        text = f"{replicas} is not reached: a fallback counts as active, and the HPA keeps at least {least}"
        yield Problem(path, text)


def _never_fails(trigger: Trigger) -> bool:
    kind = scalers.find(trigger.type)
    return trigger.type in RESOURCE_TRIGGERS or (kind is not None and issubclass(kind, Clocked))


def _activation(spec: ScaledObjectSpec, path: str, trigger: Trigger) -> Iterator[Problem]:
    """A trigger's own activation value where nothing looks at it."""
    modifiers = modifiers_of(spec)
    for name, value in _activation_settings(trigger):
        if modifiers is not None:
            text = "the composite metric has its own, scalingModifiers.activationTarget"
        elif is_never_zero(spec):
            text = f"with minReplicaCount {spec.replicas_min} nothing starts from zero"
        else:
            continue
        yield Problem(f"{path}.metadata.{name}", f'"{value}" has no effect on replicas: {text}')


def _activation_settings(trigger: Trigger) -> Iterator[tuple[str, str]]:
    kind = scalers.find(trigger.type)
    for one in settings_of(kind) if kind is not None else ():
        if one.setting.role == "activation":
            yield from (
                (name, trigger.metadata[name]) for name in one.setting.names if name in trigger.metadata
            )


def _container(triggers: tuple[Trigger, ...], name: str | None, path: str) -> Iterator[Problem]:
    """A container whose environment nothing reads; an authentication may read it too."""
    reads = any(
        trigger.authentication_ref is not None or _has_variables(trigger.metadata) for trigger in triggers
    )
    if name and not reads:
        text = f'"{name}" has no effect: no trigger has a …FromEnv parameter or an authenticationRef'
        yield Problem(f"{path}.envSourceContainerName", text)


def _has_variables(metadata: Mapping[str, str]) -> bool:
    return any(key.endswith(FROM_ENV) for key in metadata)


def is_never_zero(spec: ScaledObjectSpec) -> bool:
    """Whether the object always keeps a replica: it is neither activated nor scaled to zero or idle."""
    return spec.replicas_min > 0 and spec.idle_replica_count is None
