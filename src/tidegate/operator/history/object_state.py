"""What stands of an object, beside its number, and the lines that tell of a change of it.

Outages, fallbacks, pauses, Ready and edits: each has a beginning and an end, and is told at both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from tidegate.api.conditions import find
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.core import control_annotations
from tidegate.core.reasons import Code
from tidegate.core.values import Decision
from tidegate.operator.history.store import Entry, entry, reason_values

PAUSES = (
    control_annotations.PAUSED_REPLICAS,
    control_annotations.PAUSED,
    control_annotations.PAUSED_SCALE_IN,
    control_annotations.PAUSED_SCALE_OUT,
)
FALLEN = frozenset({Code.FALLBACK, Code.FALLBACK_NIL, Code.COMPOSITE_FALLBACK})


@dataclass(frozen=True, slots=True)
class Outage:
    """A trigger that cannot be read, by index (-1: the formula); `name` is what people call it."""

    index: int
    name: str
    failure: str


@dataclass(frozen=True, slots=True)
class ObjectState:
    """`ready` is status, reason and message of the condition while it is True or False. `fallen` are the
    metrics that a fallback speaks for. `spec` is None where only its generation is known."""

    generation: int
    spec: Any = None
    annotations: tuple[tuple[str, str], ...] = ()
    ready: tuple[str, str, str] | None = None
    outages: tuple[Outage, ...] = ()
    fallen: tuple[str, ...] = ()


def annotations_of(object: ScaledObject | ScaledJob) -> dict[str, str]:
    """The annotations that pause or force, as written."""
    present = object.metadata.annotations
    names = (
        (*PAUSES, control_annotations.FORCE_ACTIVATION)
        if isinstance(object, ScaledObject)
        else (control_annotations.PAUSED,)
    )
    return {
        name: present[name]
        for name in names
        if name in present
        and (name == control_annotations.PAUSED_REPLICAS or control_annotations.is_set(present, name))
    }


def state_of(
    object: ScaledObject | ScaledJob, decision: Decision, name_of: Callable[[int], str]
) -> ObjectState:
    """What stands as of this decision. `name_of` says what people call a trigger."""
    told = find(object.status.conditions, "Ready")
    ready = None
    if told is not None and told.status in ("True", "False"):
        ready = (told.status, told.reason or "", told.message or "")
    fallen = [
        str(dict(one.numbers).get("metric", "composite-metric"))
        for one in decision.reasons
        if one.code in FALLEN
    ]
    return ObjectState(
        object.metadata.generation or 0,
        object.spec,
        tuple(annotations_of(object).items()),
        ready,
        tuple(Outage(index, name_of(index), text) for index, text in decision.memory.failures),
        tuple(fallen),
    )


def restored(history: Iterable[Entry], now: ObjectState) -> ObjectState:
    """What stood when the last process ended, as its lines say; of what they do not speak of, what is now."""
    annotations, outages, fallen = dict(now.annotations), dict[int, Outage](), dict[str, None]()
    state = replace(now, outages=(), fallen=())
    for one in history:
        code, name = one["code"], str(one.get("name", ""))
        if code in ("Paused", "Forced"):
            annotations[name] = str(one.get("value", ""))
        elif code in ("Unpaused", "Unforced"):
            annotations.pop(name, None)
        elif code == "OutageBegan":
            outages[one["trigger"]] = Outage(one["trigger"], name, "")
        elif code == "OutageEnded":
            outages.pop(one["trigger"], None)
        elif code == "FallbackBegan":
            fallen[name] = None
        elif code == "FallbackEnded":
            fallen.pop(name, None)
        elif code in ("Ready", "NotReady"):
            state = replace(state, ready=("True" if code == "Ready" else "False", "", ""))
        elif code == "Edited" and one["generation"] < now.generation:
            state = replace(state, generation=one["generation"], spec=None)
        elif code == "Edited":
            state = replace(state, generation=now.generation, spec=now.spec)
    return replace(
        state,
        annotations=tuple(annotations.items()),
        outages=tuple(outages.values()),
        fallen=tuple(fallen),
    )


def concerned(state: ObjectState, names: Mapping[int, str]) -> ObjectState:
    """The state without the outages of triggers that an edit has taken away or put others in place of.

    One that could not be understood as it was written (`triggers[0] (redis)`) has found its name since.
    """
    kept = [
        one
        for one in state.outages
        if one.index < 0 or names.get(one.index) == one.name or (one.index in names and "[" in one.name)
    ]
    return replace(state, outages=tuple(kept))


def settled(
    before: ObjectState, after: ObjectState, is_read: Callable[[int], bool], *, is_paused: bool
) -> ObjectState:
    """`after`, in which goes on what has not ended: of triggers that are not read at present nobody knows.

    While paused nothing is measured, and nothing ends.
    """
    failing = {one.index for one in after.outages}
    open_still = [
        one for one in before.outages if one.index not in failing and (is_paused or not is_read(one.index))
    ]
    outages = (*after.outages, *open_still)
    is_known = not is_paused and not open_still
    return replace(
        after,
        outages=before.outages if is_paused else outages,
        fallen=after.fallen if is_known else tuple(dict.fromkeys((*before.fallen, *after.fallen))),
        ready=after.ready or before.ready,
    )


def changes(before: ObjectState, after: ObjectState, decision: Decision, now: datetime) -> Iterator[Entry]:
    """The lines between two states, nothing for what stayed."""
    if after.generation != before.generation:
        edited = _edits(before.spec, after.spec)
        what = f"spec edited (generation {after.generation}){edited}"
        yield entry(now, "Edited", what, generation=after.generation)
    yield from _annotated(dict(before.annotations), dict(after.annotations), now)
    yield from _outages(before, after, now)
    for metric in after.fallen:
        if metric not in before.fallen:
            reasons = [reason_values(one) for one in decision.reasons if one.code in FALLEN]
            yield entry(now, "FallbackBegan", f"the fallback counts for {metric}", reasons, name=metric)
    for metric in before.fallen:
        if metric not in after.fallen:
            yield entry(now, "FallbackEnded", f"the fallback counts no longer for {metric}", name=metric)
    # To become ready for the first time is no news.
    was = before.ready[0] if before.ready is not None else "True"
    if after.ready is not None and after.ready[0] != was:
        yield _ready(after.ready, now)


def _ready(ready: tuple[str, str, str], now: datetime) -> Entry:
    status, reason, message = ready
    is_ready = status == "True"
    reasons = [] if is_ready else [{"code": reason, "text": message, "numbers": {}}]
    return entry(now, "Ready" if is_ready else "NotReady", f"Ready is {status}", reasons)


def _annotated(before: Mapping[str, str], after: Mapping[str, str], now: datetime) -> Iterator[Entry]:
    for name, value in after.items():
        if before.get(name) != value:
            code, verb = (
                ("Forced", "forced") if name == control_annotations.FORCE_ACTIVATION else ("Paused", "paused")
            )
            yield entry(now, code, f'{verb}: annotation {name}: "{value}"', name=name, value=value)
    for name in before:
        if name not in after:
            code, verb = (
                ("Unforced", "forced no longer")
                if name == control_annotations.FORCE_ACTIVATION
                else ("Unpaused", "unpaused")
            )
            yield entry(now, code, f"{verb}: annotation {name} was taken off", name=name)


def _outages(before: ObjectState, after: ObjectState, now: datetime) -> Iterator[Entry]:
    stood, stands = ({one.index for one in each.outages} for each in (before, after))
    for one in after.outages:
        if one.index not in stood:
            reasons = [{"code": "Failure", "text": one.failure, "numbers": {}}]
            what = f"{one.name} cannot be read"
            yield entry(now, "OutageBegan", what, reasons, trigger=one.index, name=one.name)
    for one in before.outages:
        if one.index not in stands:
            what = f"{one.name} can be read again"
            yield entry(now, "OutageEnded", what, trigger=one.index, name=one.name)


def _edits(before: Any, after: Any) -> str:
    """`: maxReplicaCount 6 → 10, triggers`: the fields that differ; values only of numbers and words."""
    if before is None or after is None:
        return ""
    old, new = (msgspec.to_builtins(one) for one in (before, after))
    found = []
    for name in dict.fromkeys((*old, *new)):
        was, becomes = old.get(name), new.get(name)
        if was == becomes:
            continue
        is_plain = all(one is None or isinstance(one, int) for one in (was, becomes))
        found.append(f"{name} {_shown(was)} → {_shown(becomes)}" if is_plain else name)
    return f": {', '.join(found)}" if found else ""


def _shown(value: int | None) -> str:
    return "unset" if value is None else str(value)
