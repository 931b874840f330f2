"""What would change the number of replicas: the nearest values, moments and edits that decide otherwise.

Computed from what a decision is computed from, for people who ask "why did it not scale?". Each step
that stands in the way gives one prospect; other triggers are taken to stay as they are.

    paused                    the annotation to remove; nothing that the pause forbids is promised
    wrong, failing, unread    what must be corrected or read, when the fallback counts and with how many
    inactive                  the value above which it is active
    active, at 1..N           the next value up with its replicas, the values that allow fewer, or what the
                              HPA is about to do
    cooling down              the moment, and the count then
    following the clock       the moment, and the count then

Values are in the metric's unit; where it was read as a whole number, the next whole number is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core import control_annotations
from tidegate.core.outlook.activity import activity
from tidegate.core.outlook.clock import next_reading
from tidegate.core.outlook.hpa import between
from tidegate.core.outlook.messages import (
    SENTENCES,
    Prospect,
    Turn,
    called,
    corrected,
    dated,
    is_wrong,
    removed,
    turn,
)
from tidegate.core.outlook.subject import Subject
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.scaledobject.hpa_demand import Sources, metric_values_of
from tidegate.core.scaledobject.reason_chain import pending
from tidegate.core.triggers import fallback
from tidegate.core.triggers.scaling_modifiers import Composite
from tidegate.core.triggers.summary import net_of, summary_of
from tidegate.core.values import Memory, Seen, TriggerView

__all__ = ["SENTENCES", "Prospect", "Turn", "outlook"]


def outlook(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
    composite: Composite | None = None,
) -> tuple[Prospect, ...]:
    """What would change the number of a ScaledObject's replicas, in the order of the decision's steps.

    Clock triggers tell their next moment where their views carry what is `coming`.
    """
    pause = control_annotations.pause_of(object.metadata.annotations)
    if pause.is_full:
        names = (control_annotations.PAUSED_REPLICAS, control_annotations.PAUSED)
        written = [name for name in names if name in object.metadata.annotations]
        return (turn(Turn.UNPAUSE, annotations=removed(written)),)
    if isinstance(seen.replicas, Failure):
        unread = turn(Turn.TARGET, failure=seen.replicas.message)
        return (*corrected(seen.check, (*_failures(triggers), seen.replicas)), unread)
    net = net_of(object, memory)
    summary = summary_of(object, seen, triggers, memory, composite)
    sources = Sources(object, seen, triggers, summary, net, composite)
    decision = decide_scaled_object(object, seen, triggers, memory, now, composite)
    subject = Subject(sources, metric_values_of(sources), memory, decision, pause, now)
    return (
        *corrected(seen.check, _failures(triggers)),
        *_annotations(subject),
        *_failing(subject),
        *activity(subject),
        *between(subject),
        *_cooling(subject),
        *next_reading(subject),
    )


def _failures(triggers: tuple[TriggerView, ...]) -> tuple[Failure, ...]:
    return tuple(one.reading.failure for one in triggers if one.reading is not None and one.reading.failure)


def _annotations(subject: Subject) -> Iterator[Prospect]:
    if subject.pause.is_scale_in_paused:
        yield turn(Turn.UNPAUSE_IN, annotation=control_annotations.PAUSED_SCALE_IN)
    if subject.pause.is_scale_out_paused:
        yield turn(Turn.UNPAUSE_OUT, annotation=control_annotations.PAUSED_SCALE_OUT)
    if subject.is_forced:
        yield turn(Turn.UNFORCE, annotation=control_annotations.FORCE_ACTIVATION)


def _failing(subject: Subject) -> Iterator[Prospect]:
    """Triggers that cannot be read, each with its way into the fallback or out of it."""
    check = subject.seen.check
    is_native = any(one.state == "native" for one in subject.summary.states)
    what = (
        "lowered" if subject.metric_values.entries or is_native or subject.is_active else "raised or lowered"
    )
    if subject.current == 0 and not subject.is_active:
        what = "raised from 0"
    for trigger, state in zip(subject.sources.triggers, subject.summary.states, strict=True):
        name = called(trigger)
        if state.is_unread:
            yield turn(Turn.MEASURED, metric=name)
        if state.failure is None:
            continue
        if state.is_fallen:
            yield turn(Turn.RECOVERS, metric=name, failure=state.failure.message)
            continue
        code = Turn.MENDED if is_wrong(state.failure, check) else Turn.READABLE
        yield turn(code, metric=name, what=what, failure=state.failure.message)
        net = subject.sources.net
        if net is not None and state.failed and trigger.reading is not None:
            polls = net.threshold + 1 - state.failed
            when = fallback.poll_after(trigger.reading.at, polls, subject.object.spec.polling_s, subject.now)
            then = pending(net, subject.object.spec, subject.current)
            yield dated(Turn.FALLS_BACK, when, metric=name, polls=polls, then=then)
    composed = subject.summary.composed
    if composed is not None and composed.is_own and composed.failure is not None:
        yield turn(Turn.FORMULA, what=what, failure=composed.failure.message)


def _cooling(subject: Subject) -> Iterator[Prospect]:
    """When a cooldown ends, and the count then."""
    if subject.is_cooling and subject.decision.due is not None:
        idle = subject.object.spec.idle_replica_count
        field = "" if idle is None else " (idleReplicaCount)"
        yield dated(Turn.COOLED, subject.decision.due, replicas=idle or 0, field=field)
