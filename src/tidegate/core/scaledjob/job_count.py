"""How many Jobs a ScaledJob starts, and which finished ones go.

Too many Jobs cost money, and the order of looking decides. A value was asked for at a moment, and
its reading carries the Jobs as they were then (its snapshot). A strategy computes what that value
is worth against those Jobs, once: what was made since the question is taken off. So

    unfinished in the snapshot   → runs, even if it has ended since: its message may be in the value
    not in the snapshot          → made since, even if it has ended: it took a message of the value
    of a round at or after the
    reading, seen or not         → made since

A Job that ends in between can only make us start too few; the next reading makes up for it. Deciding
twice about one reading creates once.

Source: KEDA's documentation, "ScaledJob: scaling strategy" and "multipleScalersCalculation".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction

from tidegate.api.scaled import REPLICAS_MAX
from tidegate.api.scaledjob import JOBS_HISTORY, ScaledJobSpec, ScalingStrategy
from tidegate.base.errors import Failure
from tidegate.core.hpa.replicas import MILLI, milli
from tidegate.core.triggers.state import Summary
from tidegate.core.values import Created, JobView, TriggerView

_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What people write as a share is far shorter.
_EXACT_CHARS = 64
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Range:
    """How many Jobs may be unfinished: `minimum` always, `scaled` more by the queues, `maximum` in all."""

    minimum: int
    scaled: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric of an active trigger: its length, and the Jobs it is worth (not rounded)."""

    length: Fraction
    wanted: Fraction


@dataclass(frozen=True, slots=True)
class Queue:
    """What the triggers ask for together: the queue's length, and the Jobs it is worth."""

    is_active: bool
    length: int = 0
    wanted: int = 0


@dataclass(frozen=True, slots=True)
class Running:
    """Jobs that count: unfinished `now`; unfinished and pending when the readings were asked for; made
    `since`. `is_asked` is False where no reading has a snapshot: then they are as they are now.
    """

    now: int
    at_asking: int
    pending: int = 0
    since: int = 0
    is_asked: bool = True

    @property
    def counted(self) -> int:
        return self.at_asking + self.since


@dataclass(frozen=True, slots=True)
class Asked:
    """What was known when a reading's question was sent."""

    at: datetime
    jobs: tuple[JobView, ...]


def range_of(spec: ScaledJobSpec) -> Range:
    """The range of a ScaledJob. Without maxReplicaCount, 100 Jobs come on top of the minimum (KEDA)."""
    minimum = spec.min_replica_count or 0
    if spec.max_replica_count is None:
        return Range(minimum, REPLICAS_MAX, REPLICAS_MAX + minimum)
    maximum = spec.max_replica_count
    if minimum > maximum:
        return Range(maximum, maximum, maximum)
    return Range(minimum, maximum - minimum, maximum)


def mode_of(spec: ScaledJobSpec) -> str:
    """Its multipleScalersCalculation, `max` where it has none."""
    strategy = spec.scaling_strategy
    return (strategy.multiple_scalers_calculation if strategy is not None else None) or "max"


def queue_of(triggers: tuple[TriggerView, ...], summary: Summary, mode: str, room: Range) -> Queue:
    """The active triggers' values as one queue; `mode` is multipleScalersCalculation ("" is max).

    Worked: lengths 20, 10, 5 with targets 1, 2, 3: max 20 → 20 Jobs; min 5 → 2; avg 12 → 9 (the mean of
    20, 5 and 5/3, rounded up); sum 35 → 27.
    """
    active = summary.active
    entries = [entry for trigger in triggers if trigger.index in active for entry in _entries(trigger, room)]
    is_active, length, wanted = _combined(entries, mode)
    return Queue(
        is_active or room.minimum > 0,
        math.ceil(length),
        math.ceil(min(wanted, Fraction(room.scaled))),
    )


def asked_of(triggers: tuple[TriggerView, ...], summary: Summary) -> tuple[Asked, ...] | Failure:
    """What the used readings knew of the Jobs; a failure where one of them could not list them."""
    active = summary.active
    asked = []
    for trigger in triggers:
        reading = trigger.reading
        if trigger.index not in active or reading is None or reading.snapshot is None:
            continue
        if isinstance(reading.snapshot, Failure):
            return reading.snapshot
        asked.append(Asked(reading.at, reading.snapshot))
    return tuple(asked)


def running_of(jobs: tuple[JobView, ...], asked: tuple[Asked, ...], created: tuple[Created, ...]) -> Running:
    """The Jobs that count as running, by the rule at the top. A Job is known by its name."""
    unfinished = {one.name for one in jobs if not one.is_finished}
    if not asked:
        pending = sum(one.is_pending and not one.is_finished for one in jobs)
        return Running(len(unfinished), len(unfinished), pending, is_asked=False)
    then = [one for question in asked for one in question.jobs if not one.is_finished]
    at_asking = {one.name for one in then}
    since = set(unfinished)
    for question in asked:
        made = {name for one in created if one.at >= question.at for name in one.names}
        since |= ({one.name for one in jobs} | made) - {one.name for one in question.jobs}
    pending = len({one.name for one in then if one.is_pending})
    return Running(len(unfinished), len(at_asking), pending, len(since - at_asking))


def still_needed(
    created: tuple[Created, ...], triggers: tuple[TriggerView, ...], now: datetime
) -> tuple[Created, ...]:
    """The rounds that some usable reading cannot know of; the others are in its snapshot.

    Where the clock was set back since, a round is as of now, but not before every reading is of the new
    time: one that is still to come by the clock may be older than the round.

    A trigger that calls itself inactive is not counted by: a clock that is off until next year would
    keep every round until then, and says something else only with another reading.
    """
    moments = [
        trigger.reading.at
        for trigger in triggers
        if trigger.reading is not None
        and trigger.reading.failure is None
        and trigger.reading.snapshot is not None
        and trigger.reading.active is not False
    ]
    if not moments:
        return ()
    if max(moments) <= now:
        created = tuple(replace(one, at=min(one.at, now)) for one in created)
    oldest = min(moments)
    return tuple(one for one in created if one.at >= oldest)


def counts_pending(strategy: ScalingStrategy | None) -> bool:
    """Whether the strategy subtracts pending Jobs: only then their pods have to be looked at."""
    return strategy is not None and strategy.strategy in ("accurate", "eager")


def wanted_jobs(strategy: ScalingStrategy | None, queue: Queue, running: Running, room: Range) -> int:
    """Jobs to create by the strategy, before the bound; never negative.

    `default` takes the value to count the messages in work, `accurate` to count only those that no
    Job has taken, `eager` fills the free places. `custom` and `eager` ask anew with each reading, so
    where there is no moment of asking (a clock trigger) `default` serves them.
    """
    if not queue.is_active:
        return 0
    busy, pending, most = running.at_asking - room.minimum, running.pending, room.scaled
    name = strategy.strategy if strategy is not None else None
    steps, count = queue.length, queue.wanted - busy
    if name == "accurate":
        count = min(queue.wanted - pending, most - busy)
    elif name == "eager" and running.is_asked:
        steps, count = most, min(most - busy - pending, queue.wanted)
    elif name == "custom" and strategy is not None and running.is_asked:
        share = share_of(strategy.custom_scaling_running_job_percentage)
        if share is not None:
            deduction = strategy.custom_scaling_queue_length_deduction or 0
            count = min(queue.wanted - deduction - int(max(0, busy) * share), most)
    return max(0, min(steps, count) - running.since)


def expired(jobs: Iterable[JobView], limit: int | None) -> tuple[str, ...]:
    """The names of Jobs beyond the limit (None: 100): the oldest by completion, creation, name."""
    kept = JOBS_HISTORY if limit is None else limit
    ordered = sorted(jobs, key=lambda one: (one.completed_at or _NEVER, one.created_at or _NEVER, one.name))
    return tuple(one.name for one in ordered[: max(0, len(ordered) - kept)])


def history(jobs: tuple[JobView, ...], asked: tuple[Asked, ...], spec: ScaledJobSpec) -> tuple[str, ...]:
    """The finished Jobs to delete by the history limits: complete ones first, then failed ones.

    One that a used reading did not know as finished stays until the next reading: it still counts.
    """
    finished = [one for one in jobs if one.is_finished]
    names = (
        *expired((one for one in finished if not one.is_failed), spec.successful_jobs_history_limit),
        *expired((one for one in finished if one.is_failed), spec.failed_jobs_history_limit),
    )
    known = [{one.name for one in question.jobs if one.is_finished} for question in asked]
    return tuple(name for name in names if all(name in one for one in known))


def _entries(trigger: TriggerView, room: Range) -> list[Entry]:
    """One entry per metric. A Value target asks for no Job: there is nothing to divide by."""
    values = trigger.reading.values if trigger.reading is not None else ()
    entries = []
    for metric, value in zip(trigger.metrics, values, strict=False):
        length = Fraction(milli(value), MILLI)
        target = milli(metric.target) if metric.target_type == "AverageValue" else 0
        wanted = length * MILLI / target if target else Fraction(0)
        entries.append(Entry(length, min(wanted, Fraction(room.scaled))))
    return entries


def _combined(entries: list[Entry], mode: str) -> tuple[bool, Fraction, Fraction]:
    """(active, length, wanted). Of equal lengths the trigger listed first counts, as in KEDA."""
    if mode == "avg" and entries:
        count = len(entries)
        lengths, wanted = sum(one.length for one in entries), sum(one.wanted for one in entries)
        return True, Fraction(lengths) / count, Fraction(wanted) / count
    if mode == "sum" and entries:
        lengths, wanted = sum(one.length for one in entries), sum(one.wanted for one in entries)
        return True, Fraction(lengths), Fraction(wanted)
    if mode == "min" and entries:
        least = min(entries, key=lambda one: one.length)
        return True, least.length, least.wanted
    most = max(entries, key=lambda one: one.length, default=None)
    if most is None or most.length <= 0:
        return False, Fraction(0), Fraction(0)
    return True, most.length, most.wanted


def share_of(text: str | None) -> Fraction | None:
    """The share of running Jobs; None where it is no number (the default strategy is used then).

    Exact as far as people write numbers. What is longer, or has an exponent, is read as a float: the
    exact value of `1e10000000` has ten million digits. One that no float holds is no number, as in Go.
    """
    if text is None or _FLOAT.fullmatch(text) is None:
        return None
    if len(text) <= _EXACT_CHARS and "e" not in text.lower():
        return Fraction(text)
    value = float(text)
    return Fraction(value) if math.isfinite(value) else None
