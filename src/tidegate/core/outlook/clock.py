"""What triggers that follow the clock will ask for next, and the number then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from tidegate.base.sentences import counted, written
from tidegate.core.hpa import behavior
from tidegate.core.hpa.replicas import milli
from tidegate.core.outlook.hpa import Reach
from tidegate.core.outlook.messages import Prospect, called, edge
from tidegate.core.outlook.subject import Subject
from tidegate.core.scaledobject.hpa_demand import (
    MetricValue,
    behavior_of,
    has_no_hpa,
    metric_values_of,
    ready_of,
)
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC
from tidegate.core.triggers.summary import summary_of
from tidegate.core.values import NextReading, Reading, TriggerView


def next_reading(subject: Subject) -> Iterator[Prospect]:
    """The next moment of each clock trigger; the others are taken to stay as they are."""
    for trigger in subject.sources.triggers:
        if trigger.next_reading is not None:
            then = (
                _then(subject, trigger, trigger.next_reading) if trigger.next_reading.at is not None else ""
            )
            yield edge(trigger, called(trigger), trigger.next_reading, then)


def _then(subject: Subject, trigger: TriggerView, next: NextReading) -> str:
    """What is asked then, and the number where it can be told."""
    after = _after(subject, next)
    asked = written(max(next.values, default=0.0))
    if modifiers_of(subject.object.spec) is not None:
        composed = after.summary.composed
        value = composed.value if composed is not None else None
        told = f"its value is {asked}"
        if value is not None:
            told += f", {COMPOSITE_METRIC} is {written(value)}"
    else:
        told = f"{asked} asked"
    count = _active(subject, after, trigger) if after.is_active else _inactive(subject, after)
    return f"{told}; {count}" if count else told


def _after(subject: Subject, next: NextReading) -> Subject:
    """The case at that moment, when other clocks may have turned too."""
    assert next.at is not None
    triggers = tuple(_turned(one, next.at) for one in subject.sources.triggers)
    sources = subject.sources
    summary = summary_of(subject.object, subject.seen, triggers, subject.memory, sources.composite)
    sources = replace(sources, triggers=triggers, summary=summary)
    return replace(subject, sources=sources, metric_values=metric_values_of(sources), now=next.at)


def _turned(trigger: TriggerView, moment: datetime) -> TriggerView:
    next = trigger.next_reading
    if next is None or next.at is None or next.at > moment:
        return trigger
    return replace(trigger, reading=Reading(next.at, next.values, next.active))


def _active(subject: Subject, after: Subject, trigger: TriggerView) -> str:
    """The count that the metrics lead to; the highest of them decides."""
    if not after.metric_values.is_whole or any(one.state == "native" for one in after.summary.states):
        return ""
    most = _most(after, after.metric_values.entries)
    wanted = min(subject.object.spec.replicas_max, max(subject.least, most))
    if wanted > subject.current and subject.pause.is_scale_out_paused:
        return ""
    if wanted < subject.current and subject.pause.is_scale_in_paused:
        return ""
    if has_no_hpa(subject.seen):
        return f"{counted(subject.least, 'replica')} at least" if subject.current == 0 else ""
    names = {metric.name for metric in trigger.metrics}
    own = tuple(one for one in after.metric_values.entries if one.metric.name in names)
    is_own = modifiers_of(subject.object.spec) is not None or _most(after, own) == most
    return counted(wanted, "replica") + ("" if is_own else " by the other triggers")


def _most(subject: Subject, entries: tuple[MetricValue, ...]) -> int:
    """What the highest of these metrics asks for, the HPA's tolerance and bounds aside."""
    reach = Reach(max(1, subject.current), max(1, ready_of(subject.seen)), None)
    counts = [reach.wanted(one.metric, one.value) for one in entries if milli(one.metric.target) > 0]
    return max(counts, default=0)


def _inactive(subject: Subject, after: Subject) -> str:
    """The count that nothing active leads to, and how much later."""
    if after.summary.is_unknown or subject.pause.is_scale_in_paused:
        return ""
    if subject.floor is not None:
        return f"{counted(subject.floor, 'replica')} {subject.later}"
    if has_no_hpa(subject.seen):
        return ""
    _, down = behavior.rules_of(behavior_of(subject.object))
    return f"{counted(subject.least, 'replica')} by the HPA, {down.window_s} s later at the earliest"
