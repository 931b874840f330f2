"""The decision about a ScaledObject: what is seen and the kept readings to memory, actions and reasons.

These functions hold the ifs; the steps they call compute, one file each:

    annotations → trigger states → fallback → formula → activation → status   (1..N: the HPA)

Pure: the same arguments decide the same. Deciding again after the actions were carried out changes
nothing. `core.memory.memory_from` rebuilds the memory after a restart.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.api.conditions import Condition, find
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core import control_annotations, messages, reporting
from tidegate.core.control_annotations import Pause
from tidegate.core.hpa.messages import DISABLED
from tidegate.core.memory import born, first_seen, with_activity
from tidegate.core.reasons import Code, because
from tidegate.core.scaledobject.activation import Situation, activate, limits_of
from tidegate.core.scaledobject.reason_chain import Finding, chain
from tidegate.core.triggers import fallback
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC
from tidegate.core.triggers.summary import net_of, summary_of
from tidegate.core.values import (
    Action,
    Decision,
    DeleteHpa,
    EmitEvent,
    HpaView,
    Memory,
    Seen,
    SetReplicas,
    TriggerView,
)


def decide_scaled_object(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
    composite: Composite | None = None,
) -> Decision:
    """What becomes of a ScaledObject now. `composite` where it has valid scalingModifiers."""
    memory = first_seen(memory, seen)
    pause = control_annotations.pause_of(object.metadata.annotations)
    if pause.is_full:
        return _paused(object, seen, pause, memory)
    net = net_of(object, memory)
    summary = summary_of(object, seen, triggers, memory, composite)
    is_forced = control_annotations.is_set(object.metadata.annotations, control_annotations.FORCE_ACTIVATION)
    is_active = summary.is_active or is_forced
    is_known = is_active or summary.is_told
    kept = replace(
        with_activity(memory, object.status.last_active_time, is_active, now),
        born=born(memory, object, now),
        is_active=is_active if is_known else memory.is_active,
        failures=reporting.told_failures(summary),
        failed_before=fallback.failed_before(net, summary, triggers),
    )
    outcome = None
    if not isinstance(seen.replicas, Failure):
        is_awaited = any(one.is_awaited for one in triggers)
        situation = Situation(seen.replicas, is_forced, pause, kept.last_active, kept.born, is_awaited)
        outcome = activate(limits_of(object.spec), situation, summary, now)
    found = Finding(object, seen, triggers, summary, net, composite, outcome, now)

    health = _health(object, found)
    conditions = (
        *_ready(object, found, is_active),
        *_active(found, is_active, is_known),
        *_fallback(object, found, health),
        *_paused_condition(object, pause),
        *_hpa_active(found),
    )
    fields = {
        **_target_fields(object, seen, memory),
        **_trigger_fields(object, found),
        "pausedReplicaCount": None,
        "lastActiveTime": reporting.last_active_time(
            object.status, is_active if is_known else None, kept.last_active, now
        ),
        "health": health,
    }
    actions: tuple[Action, ...] = (
        *_writes(object, found),
        *reporting.patches(object.status, reporting.Report(conditions, fields)),
        *reporting.failure_events(memory, summary),
        *reporting.events("ScaledObject", object.status.conditions, conditions),
    )
    return Decision(kept, actions, chain(found), _due(object, found, now))


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
            "Misconfigured",
            f'annotation {control_annotations.PAUSED_REPLICAS}: "{pause.unreadable}" is no count',
        )
    elif pause.replicas is not None and isinstance(current, Failure):
        reason = because(Code.TARGET_UNREADABLE, failure=messages.cause(current.message))
    elif pause.replicas is not None and not isinstance(current, Failure):
        reason = because(Code.PAUSED_AT, replicas=pause.replicas, current=current)
        if current != pause.replicas:
            actions.append(SetReplicas(pause.replicas, current))
    ready = messages.ready_while_paused("ScaledObject")
    if isinstance(current, Failure) and pause.replicas is not None:
        ready = messages.replicas_unreadable(current)
    if failure is not None:
        ready = messages.check_failed("ScaledObject", failure)
    unprotected = (messages.NO_FALLBACK,) if net_of(object, memory) is None else ()
    conditions = (ready, *unprotected, messages.paused("ScaledObject"))
    fields = {**_target_fields(object, seen, memory), "pausedReplicaCount": pause.replicas}
    actions += reporting.patches(object.status, reporting.Report(conditions, fields))
    actions += reporting.events("ScaledObject", object.status.conditions, conditions)
    return Decision(memory, tuple(actions), (reason,))


def _due(object: ScaledObject, found: Finding, now: datetime) -> datetime | None:
    """When a cooldown ends or, if sooner, when a failing trigger has been polled once more."""
    moments = [found.outcome.due if found.outcome is not None else None]
    if found.net is not None:
        polling_s = object.spec.polling_s
        moments.append(fallback.next_count(found.net, found.triggers, found.summary, polling_s, now))
    return min((moment for moment in moments if moment is not None), default=None)


def _writes(object: ScaledObject, found: Finding) -> tuple[SetReplicas, ...]:
    """The write, if any, with what it tells; raising to the minimum tells nothing, as in KEDA."""
    current, outcome, summary = found.seen.replicas, found.outcome, found.summary
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
        cause = "triggered by " + ";".join(summary.active_metrics)
        if found.is_forced and not summary.is_active:
            cause = "caused by forced activation annotation"
        then, otherwise = messages.activated(step, cause), messages.activation_failed(step)
    elif outcome.reason.code == Code.DEACTIVATED:
        then, otherwise = messages.deactivated(step), messages.deactivation_failed(step)
    return (SetReplicas(outcome.replicas, current, then, otherwise),)


def _ready(object: ScaledObject, found: Finding, is_active: bool) -> tuple[Condition, ...]:
    """Ready. While none is active and a fallback is there to wait for, failing triggers do not count."""
    seen, summary = found.seen, found.summary
    if seen.check is not None:
        return (messages.check_failed("ScaledObject", seen.check),)
    if isinstance(seen.replicas, Failure):
        return (messages.replicas_unreadable(seen.replicas),)
    if reporting.is_awaited(object.status, summary):
        return ()
    is_formula_broken = summary.composed is not None and summary.composed.is_own
    if summary.errors and (is_active or is_formula_broken or found.net is None):
        return (messages.triggers_failed("ScaledObject", summary.errors, is_active=is_active),)
    return (messages.ready("ScaledObject"),)


def _active(found: Finding, is_active: bool, is_known: bool) -> tuple[Condition, ...]:
    """Active, or nothing where this decision cannot tell. Of an object that is wrong nobody knows, where a
    trigger of it is."""
    is_unknown = found.outcome is None or (not is_active and found.summary.is_guess)
    if is_unknown and found.seen.check is not None:
        return (messages.activity_unknown("ScaledObject"),)
    if is_active:
        return (messages.active(messages.FORCED_TEXT if found.is_forced else messages.ACTIVE_TEXT),)
    if found.outcome is not None and found.outcome.is_cooling:
        return (messages.cooling(),)
    return (messages.inactive(),) if is_known else ()


def _health(object: ScaledObject, found: Finding) -> dict[str, Any] | None:
    if found.net is None:
        return fallback.kept_health(found.triggers, object.status.health)
    return fallback.health(found.net, found.triggers, found.summary, object.status.health) or None


def _fallback(object: ScaledObject, found: Finding, health: dict[str, Any] | None) -> tuple[Condition, ...]:
    """Fallback, or nothing while no metric that it could apply to was measured."""
    if found.net is None:
        return (messages.NO_FALLBACK,)
    if fallback.is_in_use(found.net, found.triggers, found.summary, health or {}):
        return (messages.FALLBACK_EXISTS,)
    present = find(object.status.conditions, "Fallback")
    is_told = health is not None or (present is not None and present.status == "True")
    return (messages.NO_FALLBACK,) if is_told else ()


def _paused_condition(object: ScaledObject, pause: Pause) -> tuple[Condition, ...]:
    """Paused while half of it is; unpaused once, after it was."""
    if pause.is_any:
        return (messages.paused("ScaledObject"),)
    present = find(object.status.conditions, "Paused")
    if present is not None and present.status == "True":
        return (messages.unpaused("ScaledObject"),)
    return ()


def _hpa_active(found: Finding) -> tuple[Condition, ...]:
    """HPAActive as the HPA says. What a new one of a target at zero will say is known: the status is written
    once."""
    hpa = found.seen.hpa
    if not isinstance(hpa, HpaView):
        return ()
    active = hpa.scaling_active
    is_at_zero = found.seen.replicas == 0 and not (found.outcome is not None and found.outcome.replicas)
    if hpa.is_new and is_at_zero:
        active = DISABLED
    if active is None:
        return ()
    return (messages.hpa_active(active.status, active.reason or "", active.message or ""),)


def _trigger_fields(object: ScaledObject, found: Finding) -> dict[str, Any]:
    """The status fields about metrics."""
    return {
        "externalMetricNames": reporting.metric_names(found.triggers),
        "resourceMetricNames": reporting.resource_names(found.triggers),
        "compositeScalerName": COMPOSITE_METRIC if modifiers_of(object.spec) is not None else None,
        "triggersActivity": reporting.activity(
            found.triggers, found.summary, object.status.triggers_activity
        ),
    }


def _target_fields(object: ScaledObject, seen: Seen, memory: Memory) -> dict[str, Any]:
    """The status fields that follow from the spec and from the first look at the target."""
    fields = reporting.trigger_fields(object.spec.triggers)
    if object.status.original_replica_count is None and memory.original is not None:
        fields["originalReplicaCount"] = memory.original
    if isinstance(seen.hpa, HpaView):
        fields["hpaName"] = seen.hpa.name
    return fields
