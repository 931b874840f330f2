"""The chain of reasons of a ScaledObject's decision: what the triggers say, then what was made of it."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.base.errors import Failure
from tidegate.core import fallback
from tidegate.core.activate import Outcome
from tidegate.core.fallback import Net
from tidegate.core.interpret import Picture, TriggerState
from tidegate.core.modifiers import Composite
from tidegate.core.reasons import Code, because
from tidegate.core.values import Reason, Seen, TriggerView


@dataclass(frozen=True, slots=True)
class Finding:
    """All that a chain is told of. `outcome` is None where the target cannot be read."""

    seen: Seen
    triggers: tuple[TriggerView, ...]
    picture: Picture
    net: Net | None
    composite: Composite | None
    outcome: Outcome | None
    is_forced: bool


def chain(found: Finding) -> tuple[Reason, ...]:
    """One reason for each step, in their order."""
    reasons = [*_fallen(found), *_composed(found), *_activity(found)]
    if found.outcome is not None:
        reasons.append(found.outcome.reason)
    elif isinstance(found.seen.replicas, Failure):
        reasons.append(because(Code.TARGET_UNREADABLE, failure=found.seen.replicas.message))
    return tuple(reasons)


def _fallen(found: Finding) -> list[Reason]:
    """Each trigger that fails, and how far it is from the fallback or in it."""
    if found.net is None:
        return []
    return [
        _counted(found, found.net, trigger, state)
        for trigger, state in zip(found.triggers, found.picture.states, strict=True)
        if state.failed
    ]


def _counted(found: Finding, net: Net, trigger: TriggerView, state: TriggerState) -> Reason:
    metric = ";".join(one.name for one in trigger.metrics)
    numbers: dict[str, float | int | str] = {
        "metric": metric,
        "failed": state.failed,
        "threshold": net.threshold,
    }
    if not state.is_fallen:
        return because(Code.FALLBACK_PENDING, **numbers)
    if net.is_nil:
        return because(Code.FALLBACK_NIL, **numbers)
    replicas = fallback.replicas_of(net.fallback, found.seen.replicas)
    if isinstance(replicas, Failure):
        return because(Code.FALLBACK_IMPOSSIBLE, **numbers, failure=replicas.message)
    return because(Code.FALLBACK, **numbers, replicas=replicas, behavior=net.fallback.behavior)


def _composed(found: Finding) -> list[Reason]:
    composed, composite = found.picture.composed, found.composite
    if composed is None:
        return []
    if composed.failure is not None:
        return [because(Code.COMPOSITE_UNKNOWN, failure=composed.failure.message)]
    if composed.value is None or composite is None:
        return []
    if composed.is_fallen:
        return [because(Code.COMPOSITE_FALLBACK, value=composed.value, target=composite.metric.target)]
    sources = ", ".join(
        f"{trigger.name} = {_shown(trigger, state)}"
        for trigger, state in zip(found.triggers, found.picture.states, strict=True)
        if trigger.name in composite.sources
    )
    return [
        because(
            Code.COMPOSITE,
            value=composed.value,
            sources=sources or "no trigger",
            activation=composite.activation,
        )
    ]


def _shown(trigger: TriggerView, state: TriggerState) -> str:
    if state.is_fallen or trigger.reading is None:
        return "nil"
    return f"{trigger.reading.values[-1]:g}"


def _activity(found: Finding) -> list[Reason]:
    """Why the triggers count as active or inactive; nothing where a fallback says so, or nobody knows."""
    picture = found.picture
    if picture.composed is not None:
        is_active = picture.is_active and not picture.composed.is_fallen
        names = picture.active_metrics
    else:
        really = [one for one in picture.states if one.state == "active" and not one.is_fallen]
        is_active, names = bool(really), tuple(name for one in really for name in one.active_metrics)
    if is_active:
        return [because(Code.ACTIVE, metrics=";".join(names))]
    if picture.is_native_only:
        return [because(Code.NATIVE_ONLY)]
    if found.is_forced:
        return [because(Code.FORCED)]
    if not picture.is_unknown and not picture.is_active:
        return [because(Code.INACTIVE)]
    return []
