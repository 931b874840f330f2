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
from tidegate.core.outlook.situation import Case
from tidegate.core.scaledobject.hpa_demand import Measure, behavior_of, has_no_hpa, known_of, ready_of
from tidegate.core.triggers.combined import picture_of
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC
from tidegate.core.values import NextReading, Reading, TriggerView


def next_reading(case: Case) -> Iterator[Prospect]:
    """The next moment of each clock trigger; the others are taken to stay as they are."""
    for trigger in case.sources.triggers:
        if trigger.next_reading is not None:
            then = _then(case, trigger, trigger.next_reading) if trigger.next_reading.at is not None else ""
            yield edge(trigger, called(trigger), trigger.next_reading, then)


def _then(case: Case, trigger: TriggerView, next: NextReading) -> str:
    """What is asked then, and the number where it can be told."""
    after = _after(case, next)
    asked = written(max(next.values, default=0.0))
    if modifiers_of(case.object.spec) is not None:
        composed = after.picture.composed
        value = composed.value if composed is not None else None
        told = f"its value is {asked}"
        if value is not None:
            told += f", {COMPOSITE_METRIC} is {written(value)}"
    else:
        told = f"{asked} asked"
    count = _active(case, after, trigger) if after.is_active else _inactive(case, after)
    return f"{told}; {count}" if count else told


def _after(case: Case, next: NextReading) -> Case:
    """The case at that moment, when other clocks may have turned too."""
    assert next.at is not None
    triggers = tuple(_turned(one, next.at) for one in case.sources.triggers)
    sources = case.sources
    picture = picture_of(case.object, case.seen, triggers, case.memory, sources.composite)
    sources = replace(sources, triggers=triggers, picture=picture)
    return replace(case, sources=sources, known=known_of(sources), now=next.at)


def _turned(trigger: TriggerView, moment: datetime) -> TriggerView:
    next = trigger.next_reading
    if next is None or next.at is None or next.at > moment:
        return trigger
    return replace(trigger, reading=Reading(next.at, next.values, next.active))


def _active(case: Case, after: Case, trigger: TriggerView) -> str:
    """The count that the metrics lead to; the highest of them decides."""
    if not after.known.is_whole or any(one.state == "native" for one in after.picture.states):
        return ""
    most = _most(after, after.known.measures)
    wanted = min(case.object.spec.replicas_max, max(case.least, most))
    if wanted > case.current and case.pause.is_scale_out_paused:
        return ""
    if wanted < case.current and case.pause.is_scale_in_paused:
        return ""
    if has_no_hpa(case.seen):
        return f"{counted(case.least, 'replica')} at least" if case.current == 0 else ""
    names = {metric.name for metric in trigger.metrics}
    own = tuple(one for one in after.known.measures if one.metric.name in names)
    is_own = modifiers_of(case.object.spec) is not None or _most(after, own) == most
    return counted(wanted, "replica") + ("" if is_own else " by the other triggers")


def _most(case: Case, measures: tuple[Measure, ...]) -> int:
    """What the highest of these measures asks for, the HPA's tolerance and bounds aside."""
    reach = Reach(max(1, case.current), max(1, ready_of(case.seen)), None)
    counts = [reach.wanted(one.metric, one.value) for one in measures if milli(one.metric.target) > 0]
    return max(counts, default=0)


def _inactive(case: Case, after: Case) -> str:
    """The count that nothing active leads to, and how much later."""
    if after.picture.is_unknown or case.pause.is_scale_in_paused:
        return ""
    if case.floor is not None:
        return f"{counted(case.floor, 'replica')} {case.later}"
    if has_no_hpa(case.seen):
        return ""
    _, down = behavior.rules_of(behavior_of(case.object))
    return f"{counted(case.least, 'replica')} by the HPA, {down.window_s} s later at the earliest"
