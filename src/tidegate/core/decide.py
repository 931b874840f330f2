"""The decisions: from an object, what is seen and the kept readings to memory, actions and reasons.

These functions hold the ifs; the steps they call compute, one file each:

    ScaledObject   annotations → interpret → activate → describe   (1..N belongs to the HPA)
    ScaledJob      annotations → interpret → jobs → describe

Pure: the same arguments decide the same. Deciding again after the actions were carried out changes
nothing. `memory_from` rebuilds the memory after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from tidegate.api.conditions import Condition, find
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.times import parse_time
from tidegate.core import annotated, describe, remember, words
from tidegate.core.activate import Outcome, Situation, activate, limits_of
from tidegate.core.annotated import Pause
from tidegate.core.decide_jobs import decide_scaled_job
from tidegate.core.interpret import Picture, interpret
from tidegate.core.reasons import Code, because
from tidegate.core.remember import memory_from
from tidegate.core.values import (
    Action,
    Decision,
    DeleteHpa,
    EmitEvent,
    JobView,
    Memory,
    Reason,
    SetReplicas,
    TriggerView,
)

__all__ = [
    "HpaView",
    "JobView",
    "Seen",
    "decide_scaled_job",
    "decide_scaled_object",
    "memory_from",
]


@dataclass(frozen=True, slots=True)
class HpaView:
    """The object's HPA. `scaling_active` is its condition of that type, None while it has none."""

    name: str
    scaling_active: Condition | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cluster shows of a ScaledObject's world.

    `replicas` is the target's spec.replicas. `hpa` None: there is none. `check` is what is wrong with
    the object itself (its triggers' metadata, its target, its HPA): stage and cause in one text. What
    still works goes on.
    """

    replicas: int | Failure
    hpa: HpaView | Failure | None = None
    check: Failure | None = None


def decide_scaled_object(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
) -> Decision:
    """What becomes of a ScaledObject now."""
    pause = annotated.pause_of(object.metadata.annotations)
    if pause.is_full:
        return _paused(object, seen, pause, memory)
    picture = interpret(triggers)
    is_forced = annotated.is_set(object.metadata.annotations, annotated.FORCE_ACTIVATION)
    is_active = picture.is_active or is_forced
    is_known = is_active or not picture.unread or bool(picture.failures)
    kept = replace(
        memory,
        last_active=remember.last_active(memory, is_active, now),
        is_active=is_active if is_known else memory.is_active,
        failures=describe.told_failures(picture),
    )
    outcome = None
    if not isinstance(seen.replicas, Failure):
        created = object.metadata.creation_timestamp
        situation = Situation(
            seen.replicas, is_forced, pause, kept.last_active, parse_time(created) if created else None
        )
        outcome = activate(limits_of(object.spec), situation, picture, now)

    conditions = (
        _ready(seen, picture, is_active),
        *_active(seen, outcome, is_active, is_forced, is_known),
        *((words.NO_FALLBACK,) if object.spec.fallback is None else ()),
        *_paused_condition(object, pause),
        *_hpa_active(seen),
    )
    fields = {
        **_target_fields(object, seen),
        "pausedReplicaCount": None,
        "lastActiveTime": describe.last_active_time(object.status, is_active, kept.last_active, now),
        "externalMetricNames": describe.metric_names(triggers),
        "resourceMetricNames": describe.resource_names(triggers),
        "triggersActivity": describe.activity(triggers, picture),
    }
    told = (
        *describe.failure_events(memory, picture),
        *describe.events("ScaledObject", object.status.conditions, conditions),
    )
    actions: tuple[Action, ...] = (
        *_writes(object, seen, outcome, picture, is_forced),
        *describe.patches(object.status, describe.Account(conditions, fields)),
        *told,
    )
    reasons = _chain(seen, outcome, picture, is_forced)
    return Decision(kept, actions, reasons, outcome.due if outcome else None)


def _paused(object: ScaledObject, seen: Seen, pause: Pause, memory: Memory) -> Decision:
    """Fully paused: no HPA, and the paused count if one is given. Activity is not looked at."""
    actions: list[Action] = []
    current = seen.replicas
    failure: Failure | None = seen.check
    reason = because(Code.PAUSED)
    if isinstance(seen.hpa, HpaView):
        actions.append(DeleteHpa(seen.hpa.name))
    if pause.unreadable is not None:
        reason = because(Code.PAUSE_UNREADABLE, text=pause.unreadable)
        failure = failure or Failure(
            "Misconfigured", f'annotation {annotated.PAUSED_REPLICAS}: "{pause.unreadable}" is no count'
        )
    elif pause.replicas is not None and isinstance(current, Failure):
        reason = because(Code.TARGET_UNREADABLE, failure=current.message)
    elif pause.replicas is not None and not isinstance(current, Failure):
        reason = because(Code.PAUSED_AT, replicas=pause.replicas, current=current)
        if current != pause.replicas:
            actions.append(SetReplicas(pause.replicas, current))
    ready = words.ready_while_paused("ScaledObject")
    if isinstance(current, Failure) and pause.replicas is not None:
        ready = words.replicas_unreadable(current)
    if failure is not None:
        ready = words.check_failed("ScaledObject", failure)
    conditions = (ready, words.paused("ScaledObject"))
    fields = {**_target_fields(object, seen), "pausedReplicaCount": pause.replicas}
    actions += describe.patches(object.status, describe.Account(conditions, fields))
    actions += describe.events("ScaledObject", object.status.conditions, conditions)
    return Decision(memory, tuple(actions), (reason,))


def _chain(seen: Seen, outcome: Outcome | None, picture: Picture, is_forced: bool) -> tuple[Reason, ...]:
    """Why the triggers count as active, inactive or unknown, then what was made of it."""
    reasons: list[Reason] = []
    if any(one.state == "active" for one in picture.states):
        reasons.append(because(Code.ACTIVE, metrics=";".join(picture.active_metrics)))
    elif picture.is_native_only:
        reasons.append(because(Code.NATIVE_ONLY))
    elif is_forced:
        reasons.append(because(Code.FORCED))
    elif not picture.failures and not picture.unread:
        reasons.append(because(Code.INACTIVE))
    if outcome is not None:
        reasons.append(outcome.reason)
    elif isinstance(seen.replicas, Failure):
        reasons.append(because(Code.TARGET_UNREADABLE, failure=seen.replicas.message))
    return tuple(reasons)


def _writes(
    object: ScaledObject, seen: Seen, outcome: Outcome | None, picture: Picture, is_forced: bool
) -> tuple[SetReplicas, ...]:
    """The write, if any, with what it tells; raising to the minimum tells nothing, as in KEDA."""
    current = seen.replicas
    if outcome is None or outcome.replicas is None or isinstance(current, Failure):
        return ()
    step = (
        f"{object.status.scale_target_kind or ''} "
        f"{object.metadata.namespace}/{object.spec.scale_target_ref.name} "
        f"from {current} to {outcome.replicas}"
    )
    then: EmitEvent | None = None
    otherwise: EmitEvent | None = None
    if outcome.reason.code == Code.ACTIVATED:
        cause = "triggered by " + ";".join(picture.active_metrics)
        if is_forced and not picture.is_active:
            cause = "caused by forced activation annotation"
        then, otherwise = words.activated(step, cause), words.activation_failed(step)
    elif outcome.reason.code == Code.DEACTIVATED:
        then, otherwise = words.deactivated(step), words.deactivation_failed(step)
    return (SetReplicas(outcome.replicas, current, then, otherwise),)


def _ready(seen: Seen, picture: Picture, is_active: bool) -> Condition:
    if seen.check is not None:
        return words.check_failed("ScaledObject", seen.check)
    if isinstance(seen.replicas, Failure):
        return words.replicas_unreadable(seen.replicas)
    if picture.failures:
        return words.triggers_failed(
            "ScaledObject", (failure for _, failure in picture.failures), is_active=is_active
        )
    return words.ready("ScaledObject")


def _active(
    seen: Seen, outcome: Outcome | None, is_active: bool, is_forced: bool, is_known: bool
) -> tuple[Condition, ...]:
    """Active, or nothing where this decision cannot tell."""
    if outcome is None and seen.check is not None:
        return (words.activity_unknown("ScaledObject"),)
    if is_active:
        return (words.active(words.FORCED_TEXT if is_forced else words.ACTIVE_TEXT),)
    if outcome is not None and outcome.is_cooling:
        return (words.cooling(),)
    return (words.inactive(),) if is_known else ()


def _paused_condition(object: ScaledObject, pause: Pause) -> tuple[Condition, ...]:
    """Paused while half of it is; unpaused once, after it was."""
    if pause.is_any:
        return (words.paused("ScaledObject"),)
    present = find(object.status.conditions, "Paused")
    if present is not None and present.status == "True":
        return (words.unpaused("ScaledObject"),)
    return ()


def _hpa_active(seen: Seen) -> tuple[Condition, ...]:
    if not isinstance(seen.hpa, HpaView) or seen.hpa.scaling_active is None:
        return ()
    active = seen.hpa.scaling_active
    return (words.hpa_active(active.status, active.reason or "", active.message or ""),)


def _target_fields(object: ScaledObject, seen: Seen) -> dict[str, Any]:
    """The status fields that follow from the spec and from the first look at the target."""
    fields = describe.trigger_fields(object.spec.triggers)
    if object.status.original_replica_count is None and not isinstance(seen.replicas, Failure):
        fields["originalReplicaCount"] = seen.replicas
    if isinstance(seen.hpa, HpaView):
        fields["hpaName"] = seen.hpa.name
    return fields
