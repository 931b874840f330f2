"""What the memory of claims is once the broker, or the cluster, has answered an action."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from tidegate.base.errors import Failure
from tidegate.core.claims import breaker
from tidegate.core.claims.values import (
    Acknowledge,
    Answer,
    Ask,
    Awaited,
    ClaimMemory,
    DeadLetter,
    GiveBack,
    Release,
    Renew,
    Renewed,
    Settled,
    Started,
    Take,
    Taken,
    Tally,
    Trouble,
    Waiting,
)

_FIRST_WAIT_S = 1.0
LONGEST_WAIT = timedelta(seconds=30)
"""A broker that does not answer is left alone no longer."""

# A Job that the API server refuses is tried again after this.
REFUSED_FOR = timedelta(seconds=30)
# An outcome that waits for its message is told again after this: it may be gone meanwhile.
TOLD_AGAIN = timedelta(seconds=60)


def answered(
    memory: ClaimMemory, ask: Ask, answer: Answer, read: datetime | None, now: datetime
) -> ClaimMemory:
    """The memory after one answer. `read` is the moment of the reading that was claimed on."""
    if isinstance(answer, Failure):
        # Messages may have been handed out to nobody: they are asked for first.
        is_lost = isinstance(ask, Take)
        if isinstance(ask, Take) and ask.maximum:
            # What is told of those we hold ends the trouble, and not the refusal of others.
            memory = replace(memory, unasked=_trouble(memory.unasked, answer, now))
        return troubled(replace(memory, is_resumed=memory.is_resumed and not is_lost), answer, now)
    memory = replace(memory, trouble=None)
    if isinstance(ask, Take) and isinstance(answer, Taken):
        return _taken(memory, ask, answer, read, now)
    if isinstance(ask, Renew) and isinstance(answer, Renewed):
        lost, asked = set(answer.lost), set(ask.ids) - set(answer.late)
        held = (
            replace(one, until=answer.until) if one.id in asked else one
            for one in memory.held
            if one.id not in lost
        )
        return replace(memory, held=tuple(held))
    if isinstance(ask, GiveBack):
        return replace(_without(memory, ask.ids), is_drained=True)
    assert isinstance(ask, Acknowledge | Release | DeadLetter)
    if isinstance(answer, Awaited):
        return _awaiting(_without(memory, (ask.id,)), ask.job, now)
    assert isinstance(answer, Settled)
    memory = _settled(memory, ask, now)
    if isinstance(ask, Release) and answer.is_uncounted and ask.job in memory.settled:
        return replace(memory, tallies=(*memory.tallies, Tally(ask.id, ask.job, now)))
    if not isinstance(ask, Release):
        return replace(memory, tallies=tuple(one for one in memory.tallies if one.id != ask.id))
    return memory


def troubled(memory: ClaimMemory, failure: Failure, now: datetime) -> ClaimMemory:
    """The memory once the broker did not answer: it is left alone for a while, longer each time."""
    return replace(memory, trouble=_trouble(memory.trouble, failure, now))


def _trouble(before: Trouble | None, failure: Failure, now: datetime) -> Trouble:
    strikes = before.strikes + 1 if before is not None else 1
    since = before.since if before is not None else now
    wait_s = min(LONGEST_WAIT.total_seconds(), _FIRST_WAIT_S * 2.0 ** min(strikes - 1, 10))
    return Trouble(failure, since, now + timedelta(seconds=wait_s), strikes)


def started(memory: ClaimMemory, job: str, now: datetime) -> ClaimMemory:
    """The memory once a Job was created."""
    return replace(memory, started=(*memory.started, Started(job, now)), refused=None)


def refused(memory: ClaimMemory, now: datetime) -> ClaimMemory:
    """The memory once a Job was refused: its message stays held."""
    return replace(memory, refused=now + REFUSED_FOR)


def forgotten(memory: ClaimMemory, id: str) -> ClaimMemory:
    """The memory once a message cannot go on, since nobody has its body: it comes again when its lease is
    over."""
    return _without(memory, (id,))


def freed(memory: ClaimMemory, job: str) -> ClaimMemory:
    """The memory once our finalizer was taken off a Job."""
    return replace(memory, freed=memory.freed | {job}, settled=memory.settled - {job})


def _taken(
    memory: ClaimMemory, ask: Take, answer: Taken, read: datetime | None, now: datetime
) -> ClaimMemory:
    known = {one.id for one in answer.messages} | set(answer.gone)
    held = (*(one for one in memory.held if one.id not in known), *answer.messages)
    if not memory.is_resumed:
        # All that is ours comes first, as often as it does not fit.
        return replace(memory, held=held, is_resumed=not answer.has_more, retry=answer.retry)
    is_short = not answer.has_more and len(held) < ask.maximum
    retry = answer.retry
    if retry is None and memory.retry is not None and memory.retry > now:
        # Some brokers do not say when what was released is due: we know of ours.
        retry = memory.retry
    return replace(
        memory,
        held=held,
        looked=now,
        unasked=None,
        short=(read or now) if is_short else memory.short,
        retry=retry,
        is_drained=False,
    )


def _settled(memory: ClaimMemory, ask: Acknowledge | Release | DeadLetter, now: datetime) -> ClaimMemory:
    message = memory.message(ask.id)
    if isinstance(ask, Release) and message is not None and message.finished >= ask.finished:
        # Counted before: the message is held for its next Job.
        return replace(memory, settled=memory.settled | {ask.job})
    memory = _without(memory, (ask.id,))
    if ask.job:
        is_quick = not isinstance(ask, Acknowledge) and ask.is_quick
        memory = replace(
            memory,
            settled=memory.settled | {ask.job},
            breaker=breaker.after(memory.breaker, now, is_quick=is_quick),
        )
    if isinstance(ask, Release):
        due = now + timedelta(seconds=ask.delay_s)
        retry = min(memory.retry, due) if memory.retry is not None else due
        memory = replace(memory, retry=retry, is_drained=False)
    return memory


def _awaiting(memory: ClaimMemory, job: str, now: datetime) -> ClaimMemory:
    if not job:
        return memory
    since = next((one.since for one in memory.waiting if one.job == job), now)
    others = (one for one in memory.waiting if one.job != job)
    return replace(memory, waiting=(*others, Waiting(job, since, now + TOLD_AGAIN)))


def _without(memory: ClaimMemory, ids: Iterable[str]) -> ClaimMemory:
    gone = set(ids)
    return replace(memory, held=tuple(one for one in memory.held if one.id not in gone))
