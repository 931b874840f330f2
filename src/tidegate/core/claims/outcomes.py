"""What Jobs tell of messages whose broker keeps nothing: how many have ended, which outcome has to wait.

Where a broker does not keep how many Jobs of a message have ended, the last of them does: it stays guarded
until the next one is made, which has its number. Where a receipt was lost, an outcome waits for the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate.core.claims.values import ClaimMemory, Message, Tally
from tidegate.core.values import JobView

# A message that has not come again by then was taken by somebody else: its count is of no use.
TALLY_FOR = timedelta(hours=6)


def latest(jobs: tuple[JobView, ...]) -> dict[str, int]:
    """The highest number of a Job, by message."""
    found: dict[str, int] = {}
    for one in jobs:
        if one.task is not None:
            found[one.task.id] = max(found.get(one.task.id, 0), one.task.attempt)
    return found


def is_superseded(job: JobView, latest: Mapping[str, int]) -> bool:
    """Whether there is a later Job of its message: how this one ended was counted before that was made."""
    return job.task is not None and job.task.attempt < latest[job.task.id]


def counted(
    held: tuple[Message, ...], jobs: tuple[JobView, ...], tallies: tuple[Tally, ...]
) -> tuple[Message, ...]:
    """The messages, with as many ended Jobs as their broker or their Jobs know of."""
    kept, known = {one.job for one in tallies}, dict[str, int]()
    for job in jobs:
        if job.task is not None:
            before = job.task.attempt if job.name in kept else job.task.attempt - 1
            known[job.task.id] = max(known.get(job.task.id, 0), before)
    return tuple(
        replace(one, finished=known[one.id]) if known.get(one.id, 0) > one.finished else one for one in held
    )


def is_tally(job: JobView, memory: ClaimMemory, now: datetime) -> bool:
    """Whether nobody else would know that this Job has ended. One that runs while it is deleted has to go:
    its pods stay as long as it does.
    """
    at = next((one.at for one in memory.tallies if one.job == job.name), None)
    return at is not None and job.is_finished and now - at < TALLY_FOR


def waits_until(job: JobView, memory: ClaimMemory) -> datetime | None:
    """When the broker is told again how the Job has ended, unless its message comes first."""
    return next((one.until for one in memory.waiting if one.job == job.name), None)


def has_waited(job: JobView, memory: ClaimMemory, now: datetime, longest: timedelta) -> bool:
    """Whether its outcome has waited for the message for as long."""
    return any(one.job == job.name and now - one.since >= longest for one in memory.waiting)
