"""Deviations that touch a ScaledObject or ScaledJob by its own fields."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.conditions import find
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.core.control_annotations import PAUSED_REPLICAS
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.kit.scaler import Polled
from tidegate.review.deviations.rule import Rule, Subject

Found = Iterator[tuple[str, str]]


def _fallback_zero(subject: Subject) -> Found:
    fallback = subject.object.spec.fallback if isinstance(subject.object, ScaledObject) else None
    if fallback is not None and fallback.replicas == 0:
        yield "spec.fallback.replicas", "a trigger that fails keeps the count; KEDA goes to 0 here"


def _fallback_counts(subject: Subject) -> Found:
    fallback = subject.object.spec.fallback if isinstance(subject.object, ScaledObject) else None
    if fallback is not None:
        threshold, every = fallback.failure_threshold, subject.object.spec.polling_s
        text = (
            f"the fallback comes after {threshold} failed polls, one each {every} s; KEDA counts the HPA's "
        )
        yield "spec.fallback.failureThreshold", text + "requests too, and falls back sooner"


def _fallback_of_value_formula(subject: Subject) -> Found:
    object = subject.object
    modifiers = modifiers_of(object.spec) if isinstance(object, ScaledObject) else None
    if modifiers is None or not isinstance(object, ScaledObject) or object.spec.fallback is None:
        return
    if modifiers.metric_type == "Value":
        text = "the fallback's replicas are reached; KEDA's HPA multiplies them by the share of ready pods"
        yield "spec.fallback.replicas", text


def _containers_beside_formula(subject: Subject) -> Found:
    if not isinstance(subject.object, ScaledObject) or modifiers_of(subject.object.spec) is None:
        return
    for plan in subject.review.triggers:
        if plan.resource is not None and plan.resource.container:
            field = f"spec.triggers[{plan.index}].metadata.containerName"
            yield field, "stays in the HPA beside the formula; KEDA drops it"


def _formula_errors(subject: Subject) -> Found:
    if isinstance(subject.object, ScaledObject) and modifiers_of(subject.object.spec) is not None:
        text = "a formula that fails keeps the count; KEDA takes it for inactive, and can scale to zero"
        yield "spec.advanced.scalingModifiers.formula", text


def _disabled_by_one(subject: Subject) -> Found:
    """In KEDA nothing of it is scaled now: it would be from the hand-over on."""
    ready = find(subject.object.status.conditions, "Ready")
    healthy = [one for one in subject.review.triggers if not one.problems]
    if ready is not None and ready.status == "False" and len(subject.review.triggers) > 1 and healthy:
        text = (
            "KEDA does not scale it as it is (Ready is False); from the hand-over on its healthy triggers do"
        )
        yield "spec.triggers", text


def _restored(subject: Subject) -> Found:
    advanced = subject.object.spec.advanced if isinstance(subject.object, ScaledObject) else None
    if advanced is not None and advanced.restore_to_original_replica_count:
        text = "when it is deleted its HPA goes before the count is restored; in KEDA the HPA may change it"
        yield "spec.advanced.restoreToOriginalReplicaCount", text


def _unreadable_pause(subject: Subject) -> Found:
    text = subject.object.metadata.annotations.get(PAUSED_REPLICAS)
    if isinstance(subject.object, ScaledObject) and text is not None and not text.strip().isdigit():
        yield f"metadata.annotations.{PAUSED_REPLICAS}", f'"{text}" pauses; KEDA deletes the HPA and fails'


def _rollout(subject: Subject) -> Found:
    if not isinstance(subject.object, ScaledJob):
        return
    rollout = subject.object.spec.rollout
    strategy = (rollout.strategy if rollout is not None else None) or subject.object.spec.rollout_strategy
    if strategy not in ("gradual", "immediate"):
        text = "an edit leaves running Jobs alone; KEDA deletes them. Write immediate to have them deleted"
        yield "spec.rollout.strategy", text


def _smallest(subject: Subject) -> Found:
    if isinstance(subject.object, ScaledJob):
        strategy = subject.object.spec.scaling_strategy
        if strategy is not None and strategy.multiple_scalers_calculation == "min":
            text = "a trigger that wants no Job is the smallest; KEDA passes it over, and starts Jobs"
            yield "spec.scalingStrategy.multipleScalersCalculation", text


def _bounded(subject: Subject) -> Found:
    if isinstance(subject.object, ScaledJob):
        strategy = subject.object.spec.scaling_strategy
        if strategy is not None and strategy.strategy == "custom" and subject.object.spec.max_replica_count:
            text = "holds for unfinished Jobs; KEDA's custom strategy can exceed it"
            yield "spec.maxReplicaCount", text


def _all_measured(subject: Subject) -> Found:
    if isinstance(subject.object, ScaledJob) and len(subject.review.triggers) > 1:
        text = "no Jobs are started before every trigger was read; KEDA goes on with those that were"
        yield "spec.triggers", text


def _followed_at_once(subject: Subject) -> Found:
    if not isinstance(subject.object, ScaledJob):
        return
    strategy = subject.object.spec.scaling_strategy
    is_default = strategy is None or (strategy.strategy or "default") == "default"
    takes = any(isinstance(one.scaler, Polled) and one.scaler.consumes() for one in subject.review.triggers)
    if is_default and takes and subject.object.spec.max_replica_count is not None:
        text = "while it holds Jobs back, one that succeeds is followed at once; in KEDA at the next poll"
        yield "spec.maxReplicaCount", text


def _native_in_job(subject: Subject) -> Found:
    if isinstance(subject.object, ScaledJob):
        for index, trigger in enumerate(subject.object.spec.triggers):
            if trigger.type in ("cpu", "memory"):
                text = "is told as a mistake, and the other triggers go on; KEDA refuses the object"
                yield f"spec.triggers[{index}].type", text


def _borrowed(subject: Subject) -> Found:
    namespace = subject.object.metadata.namespace
    text = (
        f"rests on the operator's own credentials, which are lent by name: start it with "
        f"--lend-identity={namespace}, or with --lend-identity=* as in KEDA"
    )
    for plan in subject.review.triggers:
        identity = plan.scaler.asks_as() if plan.scaler is not None else None
        if plan.scaler is not None and identity is not None and identity.is_borrowed:
            is_named = identity == plan.scaler.identity or bool(identity.role_arn)
            field = "authenticationRef" if is_named else "metadata.identityOwner"
            yield f"spec.triggers[{plan.index}].{field}", text


def _proved(subject: Subject) -> Found:
    namespace = subject.object.metadata.namespace
    for plan in subject.review.triggers:
        identity = plan.scaler.asks_as() if plan.scaler is not None else None
        if identity is not None and not identity.is_borrowed:
            text = (
                f"asks with a token of ServiceAccount {identity.service_account}, which the operator must be "
                f"allowed to create; --lend-identity={namespace} lets it assume the role itself, as in KEDA"
            )
            yield f"spec.triggers[{plan.index}].authenticationRef", text


RULES = (
    Rule("An identity that rests on the operator's own credentials", _borrowed),
    Rule("`identityOwner: workload` and `aws-eks` ask with a token", _proved),
    Rule("A trigger that cannot be read is *unknown*;", _fallback_zero),
    Rule("Failures count once per polling interval.", _fallback_counts),
    Rule("The fallback of a formula with `metricType` Value", _fallback_of_value_formula),
    Rule("cpu and memory triggers with `containerName` stay in the HPA", _containers_beside_formula),
    Rule("A formula error, an infinity or a missing source is unknown", _formula_errors),
    Rule("A trigger with a mistake in its metadata does not disable the healthy ones", _disabled_by_one),
    Rule("At the end of an object its HPA goes before the count is restored.", _restored),
    Rule("An unreadable or negative `paused-replicas` pauses", _unreadable_pause),
    Rule("Rollout is gradual unless the manifest says `immediate`.", _rollout),
    Rule("`multipleScalersCalculation: min` takes the smallest value", _smallest),
    Rule("Unfinished Jobs never exceed a set `maxReplicaCount`", _bounded),
    Rule("With several triggers no round is decided before all are measured", _all_measured),
    Rule("With the default strategy a Job that succeeds is followed at once", _followed_at_once),
    Rule("A cpu or memory trigger in a ScaledJob is a mistake", _native_in_job),
)
