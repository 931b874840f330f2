"""A whole ScaledObject or ScaledJob as values: its scalers, its metrics, everything wrong with it.

Used by whoever reads manifests: the operator, admission, the command line. A broken trigger never
takes the healthy ones with it: each has a plan of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggers import Trigger
from tidegate.api.validation.scaledjob import job_name_problems
from tidegate.api.validation.triggers import trigger_problems
from tidegate.base.errors import Failure
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.core.triggers.fallback import net_of
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.values import ExternalMetric, MetricSpec, ResourceMetric, TargetType
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Described, Native, Polled, Scaler, Scope
from tidegate.review.metric_targets import target_problem
from tidegate.review.notices.claims import claim_notices
from tidegate.review.notices.listening import channel_for, listen_notices
from tidegate.review.notices.other_names import other_names
from tidegate.review.notices.resource_requests import request_notices
from tidegate.review.notices.without_effect import without_effect
from tidegate.review.scaling_modifiers import composite_of, modifier_notices

NO_SCALER = "no scaler found for type: "
NO_METRIC_TYPE = "Cannot set metricType in ScaledJob triggers"
_MESSAGE_MAX = 500
_EXTERNAL_TYPES: dict[str, TargetType] = {
    "": "AverageValue",
    "AverageValue": "AverageValue",
    "Value": "Value",
}


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """One trigger, ready to be measured: or why it is not.

    `scaler` is None where there are `problems`, or where its parameters could not be fetched
    (`failure`); then `metrics` may be known all the same. They are parallel to the values it measures;
    `resource` is what the HPA reads.
    """

    index: int
    trigger: Trigger
    scaler: Scaler | None = None
    metrics: tuple[ExternalMetric, ...] = ()
    resource: ResourceMetric | None = None
    activation: float = 0.0
    problems: tuple[Problem, ...] = ()
    failure: Failure | None = None

    @property
    def is_undescribed(self) -> bool:
        """Whether its server has still to say which metrics it has."""
        return isinstance(self.scaler, Described) and not self.metrics

    def described(self, specs: Iterable[MetricSpec]) -> TriggerPlan:
        """The plan with these metrics, where its server says which it has; without any told, itself."""
        if not isinstance(self.scaler, Described):
            return self
        target_type = _EXTERNAL_TYPES[self.trigger.metric_type or self.scaler.default_metric_type]
        told = (ExternalMetric(f"s{self.index}-{one.name}", one.target, target_type) for one in specs)
        return replace(self, metrics=tuple(told) or self.metrics)


@dataclass(frozen=True, slots=True)
class Review:
    """What is wrong, each problem with its path in the manifest; the triggers in their order.

    `notices` are about what works but should be written otherwise, or has no effect. `composite` is what
    a ScaledObject's scalingModifiers come to; None without any, and with such as cannot work.
    """

    problems: tuple[Problem, ...]
    triggers: tuple[TriggerPlan, ...]
    notices: tuple[Problem, ...] = ()
    composite: Composite | None = None


def review(
    object: ScaledObject | ScaledJob,
    sources_for: Callable[[int], Sources | Failure],
    template: dict[str, Any] | None = None,
) -> Review:
    """Everything about the object that can be said without measuring.

    `sources_for` gives a trigger's texts by its index, or why they cannot be had; it is asked once for
    each trigger of a known type. `template` is the pod template of the target, where it is known.
    """
    plans: list[TriggerPlan] = []
    notices: list[Problem] = []
    for index, trigger in enumerate(object.spec.triggers):
        kind = scalers.find(trigger.type)
        if kind is None:
            plans.append(TriggerPlan(index, trigger, problems=(_unknown_type(index, trigger),)))
            continue
        sources = sources_for(index)
        if isinstance(sources, Failure):
            plans.append(_unfetched(object, index, kind, sources))
            continue
        try:
            planned = _planned(object, index, kind, sources)
            told = list(planned.scaler.notices()) if planned.scaler is not None else []
        except Exception as error:
            if not scalers.is_brought(trigger.type):
                raise
            planned, told = TriggerPlan(index, trigger, problems=(_defect(index, kind, error),)), []
        plans.append(planned)
        notices += (_placed(index, one) for one in told)
        notices += _notices(object, index, kind, sources)
    composed = composite_of(object) if isinstance(object, ScaledObject) else None
    problems = (
        *_rules(object),
        *(composed if isinstance(composed, tuple) else ()),
        *(problem for plan in plans for problem in plan.problems),
        *_duplicate_metrics(object, plans),
    )
    composite = composed if isinstance(composed, Composite) else None
    if isinstance(object, ScaledObject):
        notices += modifier_notices(object, composite)
    if isinstance(object, ScaledObject) and template is not None:
        for plan in plans:
            if plan.resource is not None:
                notices += request_notices(object, plan.index, plan.resource, template)
    notices += other_names(object)
    notices += without_effect(object)
    notices += claim_notices(object, plans[0].scaler if plans else None)
    notices += listen_notices(object)
    return Review(_short(problems), tuple(plans), _short(notices), composite)


def _defect(index: int, kind: type[Scaler], error: Exception) -> Problem:
    """What a class of another package did wrong. Its words may hold anything, and are not repeated."""
    message = f"{kind.__module__}.{kind.__qualname__} has a defect: {type(error).__name__}"
    return Problem(f"spec.triggers[{index}]", message)


def _short(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems at a length that conditions and events can carry: users write texts of any length."""
    return tuple(
        replace(one, message=one.message[: _MESSAGE_MAX - 1] + "…")
        if len(one.message) > _MESSAGE_MAX
        else one
        for one in problems
    )


def _planned(
    object: ScaledObject | ScaledJob, index: int, kind: type[Scaler], sources: Sources
) -> TriggerPlan:
    trigger = object.spec.triggers[index]
    if isinstance(object, ScaledJob):
        if issubclass(kind, Native):
            return TriggerPlan(index, trigger, problems=(_needs_hpa(index, trigger),))
        # It has no meaning without an HPA; the problem is the object's.
        trigger = msgspec.structs.replace(trigger, metric_type=None)
    namespace, name, interval_s = (
        object.metadata.namespace,
        object.metadata.name,
        float(object.spec.polling_s),
    )
    channel = channel_for(object, index)
    scope = Scope(namespace, is_metric_source(object), name, interval_s, channel)
    built = reading.build(kind, trigger, sources, scope)
    if isinstance(built, tuple):
        return TriggerPlan(index, trigger, problems=tuple(_placed(index, problem) for problem in built))
    if isinstance(built, Native):
        return TriggerPlan(index, trigger, built, resource=built.resource_metric())
    if not isinstance(built, Polled):
        raise TypeError(f"{kind} is neither Polled nor Native")
    target_type = _EXTERNAL_TYPES.get(trigger.metric_type or built.default_metric_type)
    if target_type is None:
        return TriggerPlan(index, trigger, problems=(_unknown_metric_type(index, trigger),))
    if isinstance(built, Described):
        return TriggerPlan(index, trigger, built)
    specs = built.metric_specs()
    metrics = tuple(ExternalMetric(f"s{index}-{one.name}", one.target, target_type) for one in specs)
    for one in () if scope.is_metric_source else specs:
        if (wrong := target_problem(built, trigger, one.target)) is not None:
            return TriggerPlan(index, trigger, problems=(_placed(index, wrong),))
    return TriggerPlan(index, trigger, built, metrics, activation=built.activation_target())


def _unfetched(
    object: ScaledObject | ScaledJob, index: int, kind: type[Scaler], failure: Failure
) -> TriggerPlan:
    """A trigger whose parameters cannot be had. Its metrics are those that its metadata alone come to, where
    a fallback is to speak for them."""
    trigger = object.spec.triggers[index]
    if isinstance(object, ScaledJob) or net_of(object.spec) is None:
        return TriggerPlan(index, trigger, failure=failure)
    told = _planned(object, index, kind, Sources(trigger.metadata))
    return TriggerPlan(index, trigger, metrics=told.metrics, activation=told.activation, failure=failure)


def _rules(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """What is wrong with the triggers beside their own settings, and with the replica counts."""
    if not object.spec.triggers:
        message = "no triggers defined in the ScaledObject/ScaledJob"
        yield Problem("spec.triggers", message, "FieldValueRequired")
    yield from trigger_problems(
        {
            "triggers": [
                {"type": one.type, "name": one.name, "useCachedMetrics": one.use_cached_metrics}
                for one in object.spec.triggers
            ]
        }
    )
    if isinstance(object, ScaledObject):
        yield from _replica_problems(object)
        return
    yield from job_name_problems(object.metadata.name)
    for index, trigger in enumerate(object.spec.triggers):
        if trigger.metric_type:
            yield Problem(f"spec.triggers[{index}].metricType", NO_METRIC_TYPE, "FieldValueForbidden")


def _replica_problems(object: ScaledObject) -> Iterator[Problem]:
    """The bounds and the fallback, in the operator's words.

    A written minimum of 0 counts as 1 here, as in KEDA.
    """
    spec = object.spec
    least = 0 if spec.min_replica_count is None else max(1, spec.min_replica_count)
    if least > spec.replicas_max:
        message = f"MinReplicaCount={least} must be less than MaxReplicaCount={spec.replicas_max}"
        yield Problem("spec.minReplicaCount", message)
    if spec.idle_replica_count is not None and spec.idle_replica_count >= least:
        message = f"IdleReplicaCount={spec.idle_replica_count} must be less than MinReplicaCount={least}"
        yield Problem("spec.idleReplicaCount", message)
    fallback, modifiers = spec.fallback, modifiers_of(spec)
    is_left_to_formula = fallback is not None and fallback.behavior == "scalingModifiers"
    if is_left_to_formula and (modifiers is None or not modifiers.formula):
        message = "scalingModifiers fallback behavior requires scalingModifiers.formula to be defined"
        yield Problem("spec.fallback.behavior", message)


def _duplicate_metrics(object: ScaledObject | ScaledJob, plans: list[TriggerPlan]) -> Iterator[Problem]:
    """External metrics that an HPA could not tell apart; names are compared without case, as asked for."""
    seen: set[str] = set()
    for plan in plans:
        for metric in plan.metrics:
            if metric.name.lower() in seen:
                message = (
                    f"metricName {metric.name} defined multiple times in ScaledObject {object.metadata.name}"
                )
                yield Problem(f"spec.triggers[{plan.index}]", message, "FieldValueDuplicate")
            seen.add(metric.name.lower())


def _notices(
    object: ScaledObject | ScaledJob, index: int, kind: type[Scaler], sources: Sources
) -> Iterator[Problem]:
    """What is told of a trigger that is right: deprecated settings, keys and fields without effect."""
    for announcement in reading.announcements(kind, sources):
        yield _placed(index, announcement)
    identity = sources.identity
    if identity is not None and identity.provider not in kind.identities:
        message = f"{object.spec.triggers[index].type} triggers do not use the {identity.label()} it names"
        yield Problem(f"spec.triggers[{index}].authenticationRef", message)
    for key in reading.unread_keys(kind, sources):
        message = f"no setting of {object.spec.triggers[index].type} triggers has this name; it is ignored"
        message += hint(key, reading.readable_keys(kind))
        yield Problem(f"spec.triggers[{index}].metadata.{key}", message)
    if isinstance(object, ScaledJob) and object.spec.triggers[index].use_cached_metrics:
        message = "has no effect in a ScaledJob: no HPA asks for its metrics"
        yield Problem(f"spec.triggers[{index}].useCachedMetrics", message)


def is_metric_source(object: ScaledObject | ScaledJob) -> bool:
    """Whether a formula consumes the triggers' values."""
    return isinstance(object, ScaledObject) and modifiers_of(object.spec) is not None


def _placed(index: int, problem: Problem) -> Problem:
    path = f"spec.triggers[{index}].{reading.field_path(problem)}"
    return Problem(path, problem.message, problem.reason)


def _unknown_type(index: int, trigger: Trigger) -> Problem:
    why = scalers.why_missing(trigger.type)
    message = f"{NO_SCALER}{trigger.type}" + (f"; {why}" if why else "")
    return Problem(f"spec.triggers[{index}].type", message, "FieldValueNotSupported")


def _needs_hpa(index: int, trigger: Trigger) -> Problem:
    message = f"{trigger.type} is read by an HPA, and a ScaledJob has none"
    return Problem(f"spec.triggers[{index}].type", message, "FieldValueNotSupported")


def _unknown_metric_type(index: int, trigger: Trigger) -> Problem:
    message = f"unknown metric type: {trigger.metric_type}, allowed values are 'Value' or 'AverageValue'"
    return Problem(f"spec.triggers[{index}].metricType", message, "FieldValueNotSupported")
