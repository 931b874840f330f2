"""What is carried from one decision to the next, and how it is rebuilt after a restart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from tidegate.api.conditions import find
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.times import parse_time
from tidegate.core.control_annotations import round_of
from tidegate.core.values import Memory, Seen


def memory_from(object: ScaledObject | ScaledJob, now: datetime) -> Memory:
    """The memory after a restart. Nothing is lowered earlier than without it.

    Active=True in the status means active until now: lastActiveTime may be a minute old. So does an
    unknown activity of an object that was active once.
    """
    active = find(object.status.conditions, "Active")
    status = active.status if active is not None else "Unknown"
    written = object.status.last_active_time
    is_maybe_active = status == "True" or (status == "Unknown" and bool(written))
    return Memory(
        last_active=whole_second(now) if is_maybe_active else _moment(written, now),
        written_active=written,
        is_active=None if status == "Unknown" else status == "True",
        round=round_of(object.metadata.annotations),
        failed_before=_failures(object) if isinstance(object, ScaledObject) else (),
    )


def with_activity(memory: Memory, written: str | None, is_active: bool, now: datetime) -> Memory:
    """The memory with when the object was last active; `written` is the status's lastActiveTime.

    Decisions are made when something changes: an object that was active at the last one was so
    until now. Whole seconds, as the status keeps them, so that a restart changes nothing. A moment that
    is still to come (the clock was set back) counts as now: a cooldown lasts no longer for that.
    A lastActiveTime that is news was written by another operator, which has seen what we have not:
    where two run during a takeover, neither lowers what the other has just raised.
    """
    present = whole_second(now)
    news = _moment(written, now) if written != memory.written_active else None
    known = [moment for moment in (memory.last_active, news) if moment is not None]
    latest = present if is_active or memory.is_active else min(max(known), present) if known else None
    return replace(memory, last_active=latest, written_active=written)


def stopped(memory: Memory, failed: Mapping[str, int]) -> Memory:
    """The memory when metrics are measured no longer, or by another scaler than before: their failures in a
    row (0 after a success) count on, as after a restart."""
    before = dict(memory.failed_before)
    for name, count in failed.items():
        before[name] = before.get(name, 0) + count if count else 0
    kept = tuple((name, count) for name, count in before.items() if count)
    return replace(memory, failed_before=kept)


def unclaimed(memory: Memory, before: Memory) -> Memory:
    """The memory of a decision whose round nobody creates: it is as wanted the next time."""
    return replace(memory, round=before.round, created=before.created, last_round=before.last_round)


def claimed(memory: Memory, now: datetime) -> Memory:
    """The memory once its last round is claimed: a question that was sent meanwhile knows nothing of its
    Jobs yet, as one sent before.
    """
    *before, last = memory.created
    return replace(memory, created=(*before, replace(last, at=max(last.at, now))))


def refused(memory: Memory, names: Collection[str], cause: str) -> Memory:
    """The memory once these Jobs of its last round were refused: there are none, so they do not count."""
    *before, last = memory.created
    kept = tuple(name for name in last.names if name not in names)
    round = memory.last_round
    return replace(
        memory,
        created=(*before, replace(last, names=kept)),
        last_round=replace(round, refused=len(names), refusal=cause) if round is not None else None,
    )


def born(memory: Memory, object: ScaledObject, now: datetime) -> datetime | None:
    """When the object was made; a moment that is still to come counts as now, for the initial cooldown."""
    created = object.metadata.creation_timestamp
    moment = memory.born or (parse_time(created) if created else None)
    return min(moment, whole_second(now)) if moment is not None else None


def first_seen(memory: Memory, seen: Seen) -> Memory:
    """The memory with the target's count, once it has been seen."""
    if memory.original is not None or isinstance(seen.replicas, Failure):
        return memory
    return replace(memory, original=seen.replicas)


def _failures(object: ScaledObject) -> tuple[tuple[str, int], ...]:
    """What status.health counted before the restart: a fallback in use stays in use."""
    counted = ((name, one.number_of_failures or 0) for name, one in (object.status.health or {}).items())
    return tuple((name, failed) for name, failed in counted if failed > 0)


def whole_second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _moment(text: str | None, now: datetime) -> datetime | None:
    """A stored moment; one that somebody wrote wrongly counts as now."""
    try:
        return parse_time(text) if text else None
    except ValueError:
        return whole_second(now)
