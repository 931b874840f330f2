"""The chain of reasons of a ScaledObject's decision: what the triggers say, then what was made of it.

fallback      each failing trigger, and how far it is from the fallback or in it
formula       its value
activity      why the triggers count as active or not
pauses        of the half that the HPA is kept from
requests      what each metric asks the HPA for, where the HPA decides
outcome       what became of the number; always the last
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tidegate.api.scaledobject import ScaledObjectSpec
from tidegate.base.errors import Failure
from tidegate.base.sentences import counted
from tidegate.base.times import format_time
from tidegate.core import control_annotations, messages
from tidegate.core.reasons import Code, because
from tidegate.core.scaledobject.activation import Outcome
from tidegate.core.scaledobject.hpa_demand import Sources, has_no_hpa, metric_values_of, requests
from tidegate.core.triggers import fallback
from tidegate.core.triggers.fallback import SafetyNet
from tidegate.core.triggers.reasons import not_above, told_active
from tidegate.core.triggers.state import Composed, TriggerState
from tidegate.core.values import Reason, TriggerView


@dataclass(frozen=True, slots=True)
class Finding(Sources):
    """All that a chain is told of. `outcome` is None where the target cannot be read."""

    outcome: Outcome | None
    now: datetime

    @property
    def is_forced(self) -> bool:
        return control_annotations.is_set(
            self.object.metadata.annotations, control_annotations.FORCE_ACTIVATION
        )


def chain(found: Finding) -> tuple[Reason, ...]:
    """One reason for each step, in their order."""
    reasons = [*_fallen(found), *_composed(found), *_activity(found)]
    outcome = found.outcome
    if outcome is not None:
        reasons += [*_halves(found, outcome), *_requested(found, outcome)]
        is_alone = outcome.reason.code == Code.LEFT_TO_HPA and has_no_hpa(found.seen)
        current = found.seen.replicas if isinstance(found.seen.replicas, int) else 0
        reasons.append(because(Code.WITHOUT_HPA, current=current) if is_alone else outcome.reason)
    elif isinstance(found.seen.replicas, Failure):
        reasons.append(because(Code.TARGET_UNREADABLE, failure=messages.cause(found.seen.replicas.message)))
    return tuple(reasons)


def _fallen(found: Finding) -> list[Reason]:
    """Each trigger that fails, and how far it is from the fallback or in it."""
    if found.net is None:
        return []
    return [
        _counted(found, found.net, trigger, state)
        for trigger, state in zip(found.triggers, found.summary.states, strict=True)
        if state.failed
    ]


def _counted(found: Finding, net: SafetyNet, trigger: TriggerView, state: TriggerState) -> Reason:
    metric = ";".join(one.name for one in trigger.metrics)
    numbers: dict[str, float | int | str] = {
        "metric": metric,
        "failed": state.failed,
        "threshold": net.threshold,
    }
    if not state.is_fallen:
        return because(Code.FALLBACK_PENDING, **numbers, **_polls_left(found, net, trigger, state))
    if net.is_nil:
        return because(Code.FALLBACK_NIL, **numbers)
    replicas = fallback.replicas_of(net.fallback, found.seen.replicas)
    if isinstance(replicas, Failure):
        return because(Code.FALLBACK_IMPOSSIBLE, **numbers, failure=replicas.message)
    return because(Code.FALLBACK, **numbers, replicas=replicas, behavior=net.fallback.behavior)


def _polls_left(
    found: Finding, net: SafetyNet, trigger: TriggerView, state: TriggerState
) -> dict[str, int | str]:
    """What the sentence about a fallback to come names: when, after how many polls, and the count then."""
    polls = net.threshold + 1 - state.failed
    last = trigger.reading.at if trigger.reading is not None else found.now
    when = fallback.poll_after(last, polls, found.object.spec.polling_s, found.now)
    return {
        "polls": polls,
        "when": format_time(when),
        "then": pending(net, found.object.spec, found.seen.replicas),
    }


def pending(net: SafetyNet, spec: ScaledObjectSpec, current: int | Failure) -> str:
    """What a fallback to come stands for, in words."""
    if net.is_nil:
        return "it is nil in the formula"
    replicas = fallback.replicas_of(net.fallback, current)
    if isinstance(replicas, Failure):
        return "the fallback counts"
    least = max(1, spec.replicas_min)
    return f"{counted(min(spec.replicas_max, max(least, replicas)), 'replica')} by the fallback"


def _composed(found: Finding) -> list[Reason]:
    composed, composite = found.summary.composed, found.composite
    if composed is None:
        return []
    if composed.failure is not None:
        return [because(Code.COMPOSITE_UNKNOWN, failure=_missing(found, composed))]
    if composed.value is None or composite is None:
        return []
    if composed.is_fallen:
        return [because(Code.COMPOSITE_FALLBACK, value=composed.value, target=composite.metric.target)]
    sources = ", ".join(
        f"{trigger.name} = {_shown(trigger, state)}"
        for trigger, state in zip(found.triggers, found.summary.states, strict=True)
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


def _missing(found: Finding, composed: Composed) -> str:
    """Why the formula has no value; what is wrong with a source is told with the source."""
    assert composed.failure is not None
    for trigger, state in zip(found.triggers, found.summary.states, strict=True):
        if state.failure is not None and state.failure == composed.failure and not state.is_fallen:
            return f"{trigger.name} cannot be read"
    return composed.failure.message


def _shown(trigger: TriggerView, state: TriggerState) -> str:
    if state.is_fallen or trigger.reading is None:
        return "nil"
    return f"{trigger.reading.values[-1]:g}"


def _activity(found: Finding) -> list[Reason]:
    """Why the triggers count as active or inactive; nothing where a fallback says so, or nobody knows."""
    summary = found.summary
    if summary.composed is not None:
        is_active = summary.is_active and not summary.composed.is_fallen
        names = summary.active_metrics
    else:
        really = [one for one in summary.states if one.state == "active" and not one.is_fallen]
        is_active, names = bool(really), tuple(name for one in really for name in one.active_metrics)
    if is_active:
        return [because(Code.ACTIVE, metrics=";".join(names), told=told_active(found.triggers, names))]
    if summary.is_native_only:
        return [because(Code.NATIVE_ONLY)]
    if found.is_forced:
        return [because(Code.FORCED)]
    if summary.is_unknown or summary.is_active:
        return []
    composed, composite = summary.composed, found.composite
    if composed is None:
        return [*not_above(found.triggers, summary), because(Code.INACTIVE)]
    if composite is None or composed.value is None:
        return [because(Code.INACTIVE)]
    return [because(Code.COMPOSITE_INACTIVE, value=composed.value, activation=composite.activation)]


def _halves(found: Finding, outcome: Outcome) -> Iterator[Reason]:
    """What the annotations keep the HPA from, where nothing else says so."""
    if found.seen.replicas == 0 or has_no_hpa(found.seen):
        return
    pause = control_annotations.pause_of(found.object.metadata.annotations)
    if pause.is_scale_in_paused and outcome.reason.code != Code.SCALE_IN_PAUSED:
        yield because(Code.HPA_LOWERS_NOT)
    if pause.is_scale_out_paused and outcome.reason.code != Code.SCALE_OUT_PAUSED:
        yield because(Code.HPA_RAISES_NOT)


def _requested(found: Finding, outcome: Outcome) -> Iterator[Reason]:
    """What each metric asks for where the HPA decides, and the bound that stops the highest."""
    if outcome.reason.code != Code.LEFT_TO_HPA or has_no_hpa(found.seen):
        return
    asked = requests(found, metric_values_of(found))
    for one in asked:
        if one.is_fallen:
            continue  # no value was measured, and the fallback has said what it stands for
        note = ", within the tolerance" if one.is_tolerated else ""
        yield because(
            Code.ASKED, metric=one.name, value=one.value, rule=one.rule, replicas=one.replicas, note=note
        )
    most = max(asked, key=lambda one: one.replicas, default=None)
    natives = sum(one.state == "native" for one in found.summary.states)
    if most is None or natives > sum(one.is_native for one in asked):
        return  # cpu or memory may ask for more
    if len(asked) > 1:
        yield because(Code.ASKED_MOST, metric=most.name, replicas=most.replicas)
    maximum, minimum = found.object.spec.replicas_max, max(1, found.object.spec.replicas_min)
    if most.replicas > maximum:
        yield because(Code.CAPPED, replicas=maximum, wanted=most.replicas)
    elif most.replicas < minimum:
        yield because(Code.FLOORED, replicas=minimum, wanted=most.replicas)
