"""When a ScaledJob may start its next round, and which end of a Job does not wait for the next poll.

    at a start, after an edit or a pause    at once
    towards the minimum                     a polling interval after the last round
    accurate, eager, custom                 the same, on a reading that is newer than the last round's
    default                                 on a reading that is newer than the last round's
    default, where the last round failed    the same, a polling interval after it

`default` alone counts the unfinished Jobs against the value, so with it a newer reading never asks twice
for one message. The three others take a value for what nobody has taken yet: asked more often than their
user has said, they start a Job for each time. A message that comes back from a Job that has failed is told
of at once where the source tells of changes: without a pace its Jobs would follow each other as fast as they
fail.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidegate.api.scaledjob import ScaledJob, ScalingStrategy
from tidegate.core.triggers.state import interpret
from tidegate.core.values import JobView, LastRound, Memory, TriggerView

# Polls are never exactly one interval apart.
_SLACK_S = 1.0


def next_round(object: ScaledJob, memory: Memory, now: datetime) -> datetime | None:
    """When the polling interval after the last round is over; None where it is, or does not matter."""
    last = memory.last_round
    if last is None or last.generation != object.metadata.generation:
        return None
    interval_s = object.spec.polling_s
    slack = timedelta(seconds=min(_SLACK_S, interval_s / 2))
    due = last.at + timedelta(seconds=interval_s)
    return due if now < due - slack else None


def is_paced(strategy: ScalingStrategy | None) -> bool:
    """Whether rounds of this strategy keep a polling interval apart."""
    return strategy is not None and strategy.strategy in ("accurate", "custom", "eager")


def is_futile(jobs: tuple[JobView, ...], memory: Memory) -> bool:
    """Whether every Job of the last round has failed, and no other is under way."""
    last = [one for one in jobs if one.round == memory.round]
    return bool(last) and all(one.is_failed for one in last) and all(one.is_finished for one in jobs)


def is_spent(memory: Memory, moments: tuple[datetime, ...]) -> bool:
    """Whether no reading (of these moments) is newer than those that the last round was created on.

    One that was asked for while that round was being created is: it knows of Jobs that have ended since.
    """
    read = memory.last_round.read if memory.last_round is not None else None
    return read is not None and all(one <= read for one in moments)


def present(last: LastRound | None, now: datetime) -> LastRound | None:
    """The last round; where the clock was set back since, as of now."""
    if last is None:
        return None
    return replace(last, at=min(last.at, now), read=min(last.read, now) if last.read is not None else None)


def asks_anew(
    strategy: ScalingStrategy | None, ended: str, memory: Memory, triggers: tuple[TriggerView, ...]
) -> bool:
    """Whether the end of a Job makes its ScaledJob measure at once instead of at the next poll.

    It does where a place is what a queue waits for: the Job is Complete (`ended`; Failed or "" where it
    failed or was deleted), the last decision left no place below the maximum, and an active trigger
    counts what Jobs take away. Everything else would start the next Job at the end of each, without pause.
    """
    if is_paced(strategy) or ended != "Complete" or not memory.is_full:
        return False
    active = interpret(triggers).active
    return any(one.is_consumed for one in triggers if one.index in active)
