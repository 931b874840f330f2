"""How far an object is from being active, or from being inactive, and what the number is then."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.base.sentences import written
from tidegate.core.outlook.messages import Prospect, Turn, called, turn
from tidegate.core.outlook.subject import Subject
from tidegate.core.reasons import Code
from tidegate.core.triggers.reasons import below_activation
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC, TriggerState
from tidegate.core.values import TriggerView


def activity(subject: Subject) -> Iterator[Prospect]:
    """The values at which 0 ↔ 1 ↔ idle turns; nothing where they would not change the number."""
    if subject.is_forced:
        return
    yield from _deactivation(subject) if subject.summary.is_active else _activation(subject)


def _activation(subject: Subject) -> Iterator[Prospect]:
    """Each value above which it is active: raised from nothing, or kept while it is cooling down."""
    idle = subject.object.spec.idle_replica_count
    is_raised = subject.current == 0 or (idle is not None and subject.current < subject.least)
    for name, value, activation in _thresholds(subject):
        numbers: dict[str, float | str] = {"metric": name, "value": value, "activation": activation}
        if is_raised and not subject.pause.is_scale_out_paused:
            yield turn(Turn.ACTIVATES, **numbers, replicas=subject.least)
        elif subject.is_cooling:
            again = " again" if subject.outcome == Code.COOLDOWN else ""
            yield turn(Turn.STAYS, **numbers, replicas=subject.current, again=again)


def _thresholds(subject: Subject) -> Iterator[tuple[str, float, float]]:
    """Name, value and activation target of each metric that is not active, by its value."""
    if modifiers_of(subject.object.spec) is not None:
        composed, composite = subject.summary.composed, subject.sources.composite
        if composite is not None and composed is not None and composed.value is not None:
            yield COMPOSITE_METRIC, composed.value, composite.activation
        return
    for metric, value, activation in below_activation(subject.sources.triggers, subject.summary):
        yield metric.name, value, activation


def _deactivation(subject: Subject) -> Iterator[Prospect]:
    """What all must be so that nothing is active, and the count after the cooldown.

    Where all follow the clock, what they do next says it.
    """
    floor, states = subject.floor, subject.summary.states
    is_held = any(one.state == "unknown" or one.is_fallen for one in states)
    if subject.summary.composed is not None:
        is_held = subject.summary.composed.is_fallen
    elif subject.summary.is_native_only:
        is_held = True
    conditions = list(_conditions(subject))
    if (
        floor is None
        or is_held
        or subject.current <= floor
        or subject.pause.is_scale_in_paused
        or not conditions
    ):
        return
    numbers = {"replicas": floor, "cooldown_s": subject.object.spec.cooldown_s}
    yield turn(Turn.DEACTIVATES, conditions=" and ".join(conditions), later=subject.later, **numbers)


def _conditions(subject: Subject) -> Iterator[str]:
    composed, composite = subject.summary.composed, subject.sources.composite
    if composed is not None:
        if composite is not None and composed.value is not None:
            yield _below(COMPOSITE_METRIC, composite.activation, composed.value)
        return
    active = [
        (trigger, state)
        for trigger, state in zip(subject.sources.triggers, subject.summary.states, strict=True)
        if state.state == "active"
    ]
    if all(trigger.next_reading is not None for trigger, _ in active):
        return
    for trigger, state in active:
        yield from _inactive(trigger, state)


def _inactive(trigger: TriggerView, state: TriggerState) -> Iterator[str]:
    reading = trigger.reading
    if reading is None or reading.active is not None:
        yield f"{called(trigger)} {'closed' if trigger.next_reading is not None else 'inactive'}"
        return
    for metric, value in zip(trigger.metrics, reading.values, strict=False):
        if metric.name in state.active_metrics:
            yield _below(metric.name, trigger.activation, value)


def _below(name: str, activation: float, value: float) -> str:
    return f"{name} at {written(activation)} or below ({written(value)} now)"
