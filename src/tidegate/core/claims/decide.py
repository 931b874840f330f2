"""The decision about claimed work: what to ask of the broker, which Jobs to start, which to let go.

Laws, held by random worlds in virtual time:

- never two Jobs at a time for one message while its lease is held;
- never a message lost: whoever knows less than broker and Jobs do asks them first;
- the number of a Job is one more than the Jobs of its message that have ended;
- never more than `maximum` messages held.

Every action may be repeated, and every answer may be lost: a Job stays guarded until its broker has answered,
a message stays held until its Job has ended. So nothing here depends on how often it is decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.base.errors import Failure
from tidegate.base.times import format_time
from tidegate.core.claims import breaker, outcomes
from tidegate.core.claims.answers import LONGEST_WAIT
from tidegate.core.claims.values import (
    Acknowledge,
    Act,
    ClaimDecision,
    ClaimMemory,
    DeadLetter,
    GiveBack,
    Message,
    Policy,
    Queue,
    Release,
    Renew,
    StartTask,
    Take,
    Trouble,
    Unguard,
)
from tidegate.core.reasons import Code, because
from tidegate.core.values import JobView, Reason

_FIRST_DELAY_S, _LONGEST_DELAY_S = 5.0, 300.0
# Messages that others have claimed and not renewed are looked for at least this often.
LOOK_EVERY = timedelta(seconds=60)
# How long a broker that does not answer may keep what somebody wants to be gone.
BROKER_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class World:
    """What a decision is made on."""

    policy: Policy
    memory: ClaimMemory
    jobs: tuple[JobView, ...]
    queue: Queue
    now: datetime

    @property
    def is_answering(self) -> bool:
        """Whether the broker may be asked; a wait that is longer than any was made by a clock that was set
        back since.
        """
        return not _is_left_alone(self.memory.trouble, self.now)

    @property
    def is_given_up(self) -> bool:
        """Whether the broker has been silent for longer than anybody has to wait for it."""
        trouble = self.memory.trouble
        return trouble is not None and self.now - trouble.since >= BROKER_WAIT

    def of(self, message: Message) -> list[JobView]:
        """The Jobs that were made for a message."""
        return [one for one in self.jobs if one.task is not None and one.task.id == message.id]

    def unstarted(self) -> list[Message]:
        """Messages that are held and whose next Job there is not yet."""

        def waits(message: Message) -> bool:
            jobs = self.of(message)
            is_running = any(not one.is_finished for one in jobs)
            return not is_running and not any(_is_outcome(one, message) for one in jobs)

        return [one for one in self.memory.held if waits(one)]


def _is_left_alone(trouble: Trouble | None, now: datetime) -> bool:
    return trouble is not None and now < trouble.until <= now + LONGEST_WAIT


@dataclass(frozen=True, slots=True)
class _Part:
    """What one step of the decision comes to."""

    actions: tuple[Act, ...] = ()
    reasons: tuple[Reason, ...] = ()
    dates: tuple[datetime, ...] = ()


def decide_claims(
    policy: Policy, memory: ClaimMemory, jobs: tuple[JobView, ...] | Failure, queue: Queue, now: datetime
) -> ClaimDecision:
    """What becomes of an object's claims now. `jobs` are its Jobs, those included that were asked for and are
    not in the cache yet; where they cannot be listed, leases are renewed and nothing else.
    """
    if isinstance(jobs, Failure):
        world = World(policy, memory, (), queue, now)
        renewal = _renewal(world)
        reason = because(Code.JOBS_UNREADABLE, failure=jobs.message)
        return ClaimDecision(memory, renewal.actions, (reason,), min(renewal.dates, default=None))
    memory = _present(memory, jobs, now)
    world = World(policy, memory, jobs, queue, now)
    freed = _freed(world)
    if not world.is_answering:
        return _unanswered(world, freed)
    renewal = _renewal(world)
    if not memory.is_resumed:
        # What is known to be held is held on, whatever else the broker does not tell.
        actions = (*freed, *renewal.actions, Take(0))
        return ClaimDecision(memory, actions, (because(Code.CLAIMS_UNKNOWN),))
    parts = (renewal, _settled(world), *(_ending(world) if policy.is_ending else _open(world)))
    dates = [date for part in parts for date in part.dates if date > now]
    is_over = policy.is_ending and not memory.held and memory.is_drained and not _guarded(jobs)
    return ClaimDecision(
        memory,
        (*freed, *(action for part in parts for action in part.actions)),
        tuple(reason for part in parts for reason in part.reasons),
        min(dates, default=None),
        is_full=len(memory.held) + _others(world) >= policy.maximum,
        is_over=is_over,
    )


def delay_s(finished: int) -> float:
    """How long a message rests after its Job number `finished` has failed."""
    return float(min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(finished - 1, 20)))


def _present(memory: ClaimMemory, jobs: tuple[JobView, ...], now: datetime) -> ClaimMemory:
    """The memory without Jobs that are gone, and moments that are over."""
    guarded = {one.name for one in jobs if one.is_guarded}
    tallies = tuple(one for one in memory.tallies if one.job in guarded)
    return replace(
        memory,
        held=outcomes.counted(memory.held, jobs, tallies),
        settled=memory.settled & guarded,
        freed=memory.freed & guarded,
        tallies=tallies,
        waiting=tuple(one for one in memory.waiting if one.job in guarded),
        started=breaker.of_this_hour(memory.started, now),
    )


def _guarded(jobs: Iterable[JobView]) -> list[JobView]:
    return [one for one in jobs if one.is_guarded]


def _is_outcome(job: JobView, message: Message) -> bool:
    """Whether the Job's end is still to be told to the broker: it has ended, or is being deleted."""
    assert job.task is not None
    return job.task.attempt >= message.attempt and (job.is_finished or job.is_ending)


def _freed(world: World) -> tuple[Unguard, ...]:
    """Jobs whose outcome the broker knows, or a later Job tells; those that somebody wants to be gone, where
    it never answers.
    """
    found, latest = [], outcomes.latest(world.jobs)
    for job in _guarded(world.jobs):
        if job.name in world.memory.freed:
            continue
        is_kept = not world.policy.is_ending and outcomes.is_tally(job, world.memory, world.now)
        is_over = (job.is_finished or job.is_ending) and outcomes.is_superseded(job, latest)
        if is_over or (job.name in world.memory.settled and not is_kept):
            found.append(Unguard(job.name))
        elif not (job.is_ending or world.policy.is_ending):
            continue
        elif outcomes.has_waited(job, world.memory, world.now, BROKER_WAIT):
            found.append(Unguard(job.name, "its lease was lost, and it has not come again yet"))
        elif world.is_given_up:
            trouble = world.memory.trouble
            assert trouble is not None
            found.append(Unguard(job.name, trouble.failure.message))
    return tuple(found)


def _unanswered(world: World, freed: tuple[Unguard, ...]) -> ClaimDecision:
    trouble = world.memory.trouble
    assert trouble is not None
    reason = because(Code.CLAIMS_UNANSWERED, failure=trouble.failure.message)
    is_over = world.policy.is_ending and world.is_given_up and not _unfreed(world, freed)
    due = trouble.until
    if not world.is_given_up:
        due = min(due, trouble.since + BROKER_WAIT)
    return ClaimDecision(world.memory, freed, (reason,), due, is_full=True, is_over=is_over)


def _unfreed(world: World, freed: tuple[Unguard, ...]) -> list[JobView]:
    going = world.memory.freed | {one.job for one in freed}
    return [one for one in _guarded(world.jobs) if one.name not in going]


# --- how Jobs have ended


def _settled(world: World) -> _Part:
    """The outcome of each Job that has ended and whose broker has not heard of it."""
    actions: list[Act] = []
    dates: list[datetime] = []
    latest = outcomes.latest(world.jobs)
    for job in world.jobs:
        if job.task is None or job.name in world.memory.settled | world.memory.freed:
            continue
        message = world.memory.message(job.task.id)
        if message is None and not job.is_guarded:
            continue
        if (not job.is_finished and not job.is_ending) or outcomes.is_superseded(job, latest):
            continue
        until = outcomes.waits_until(job, world.memory)
        if message is None and until is not None and until > world.now:
            dates.append(until)
        elif message is None or job.task.attempt >= message.attempt:
            actions.append(_outcome(world, job))
        elif job.is_guarded:
            # It was counted, by us before a crash or by the broker.
            actions.append(Release(job.task.id, job.task.attempt, 0.0, job.name))
    return _Part(tuple(actions), dates=tuple(dates))


def _outcome(world: World, job: JobView) -> Act:
    """Acknowledged, released, or dead. A Job that was deleted while it ran has failed; its pods may take a
    while to stop, and the next Job does not begin before.
    """
    assert job.task is not None
    id, finished = job.task.id, job.task.attempt
    if job.is_finished and not job.is_failed:
        return Acknowledge(id, job.name)
    is_quick = breaker.is_quick(job, world.now)
    if finished >= world.policy.attempts:
        why = f"{finished} Jobs have failed"
        return DeadLetter(id, finished, job.name, why, is_quick)
    rest_s = delay_s(finished)
    if not job.is_finished:
        rest_s = max(rest_s, world.policy.grace_s)
    return Release(id, finished, rest_s, job.name, is_quick)


# --- leases


def _renewal(world: World) -> _Part:
    """All leases in one request, once a third of the one that ends first is over. It comes before whatever
    else is asked: nothing that fails there may cost a lease.
    """
    held = world.memory.held
    if not held or not world.is_answering:
        return _Part()
    rest = timedelta(seconds=world.policy.lease_s * 2 / 3)
    due = min(one.until for one in held) - rest
    # A clock that was set back since shows leases longer than any is.
    is_unlikely = max(one.until for one in held) > world.now + timedelta(seconds=world.policy.lease_s)
    if due <= world.now or is_unlikely:
        ids = tuple(one.id for one in held)
        return _Part((Renew(ids),), dates=(world.now + timedelta(seconds=world.policy.lease_s) - rest,))
    return _Part(dates=(due,))


# --- new claims and their Jobs


def _open(world: World) -> tuple[_Part, ...]:
    """What is held is started; then more is claimed, as far as it could start now."""
    if not world.policy.is_open:
        return (_Part(reasons=(because(Code.CLAIMS_PAUSED, held=len(world.memory.held)),)),)
    started = _started(world)
    if world.unstarted():
        return (started,)
    return (started, _taken(world))


def _started(world: World) -> _Part:
    policy, memory, now = world.policy, world.memory, world.now
    dead: list[Act] = []
    ready: list[Message] = []
    for message in world.unstarted():
        why = _unwanted(policy, message)
        if why:
            dead.append(DeadLetter(message.id, message.finished, "", why))
        elif message.until > now:
            ready.append(message)
    if not ready:
        return _Part(tuple(dead))
    # They are claimed, and count for the budget whenever they start; only the breaker holds them back.
    allowance = breaker.allowed(memory.breaker, world.jobs, now)
    count = allowance.count
    if memory.refused is not None and now < memory.refused:
        why = f"the API server refused it; tried again at {format_time(memory.refused)}"
        reason = because(Code.CLAIMS_UNSTARTED, count=len(ready), why=why)
        return _Part(tuple(dead), (reason,), (memory.refused,))
    starts = tuple(StartTask(one.id, one.attempt) for one in ready[:count])
    reasons: tuple[Reason, ...] = ()
    if starts:
        reasons = (because(Code.CLAIMS_STARTED, count=len(starts), held=len(memory.held)),)
    if len(starts) < len(ready):
        reasons = (*reasons, _rests(world, allowance))
    dates = (allowance.until,) if allowance.until is not None else ()
    return _Part((*dead, *starts), reasons, dates)


def _unwanted(policy: Policy, message: Message) -> str:
    """Why no Job is made for it any more; "" where one is."""
    if message.finished >= policy.attempts:
        return f"{message.finished} Jobs have failed"
    if message.size > policy.largest and policy.too_large == "dead-letter":
        return f"it has {message.size} bytes, more than {policy.largest}"
    return ""


def _taken(world: World) -> _Part:
    """Asks for messages where there are any, and places for them."""
    policy, memory, now = world.policy, world.memory, world.now
    held, others = len(memory.held), _others(world)
    places = policy.maximum - held - others
    if places <= 0:
        numbers = {"held": held, "running": others, "maximum": policy.maximum}
        return _Part(reasons=(because(Code.CLAIMS_FULL, **numbers),))
    for allowance, told in (
        (breaker.allowed(memory.breaker, world.jobs, now), _rests),
        (breaker.in_budget(policy.hourly, memory.started, world.jobs, now), _spent),
    ):
        places = min(places, allowance.count)
        if not allowance.count:
            dates = (allowance.until,) if allowance.until is not None else ()
            return _Part(reasons=(told(world, allowance),), dates=dates)
    if memory.unasked is not None and _is_left_alone(memory.unasked, now):
        reason = because(Code.CLAIMS_UNANSWERED, failure=memory.unasked.failure.message)
        return _Part(reasons=(reason,), dates=(memory.unasked.until,))
    look = memory.looked + LOOK_EVERY if memory.looked is not None else now
    dates = (look, *((memory.retry,) if memory.retry is not None else ()))
    is_news = memory.short is None or (world.queue.read is not None and world.queue.read > memory.short)
    if (world.queue.is_active and is_news) or any(date <= now for date in dates):
        reason = because(Code.CLAIMS_ASKED, held=held, maximum=policy.maximum)
        return _Part((Take(held + places),), (reason,), dates)
    return _Part(reasons=(because(Code.CLAIMS_NONE, held=held),), dates=dates)


def _others(world: World) -> int:
    """Unfinished Jobs that are not those of held messages: they take places all the same."""
    ids = {one.id for one in world.memory.held}
    return sum(not one.is_finished and (one.task is None or one.task.id not in ids) for one in world.jobs)


def _rests(world: World, allowance: breaker.Allowance) -> Reason:
    until = allowance.until or world.now
    quick_s = int(breaker.QUICK.total_seconds())
    failed = world.memory.breaker.quick
    return because(Code.CLAIMS_REST, until=format_time(until), failed=failed, quick_s=quick_s)


def _spent(world: World, allowance: breaker.Allowance) -> Reason:
    until, hourly = allowance.until or world.now, world.policy.hourly or 0
    return because(Code.CLAIMS_SPENT, until=format_time(until), hourly=hourly)


# --- the end


def _ending(world: World) -> tuple[_Part, ...]:
    """Jobs that run end as they would; what has not started goes back, with what was released."""
    unstarted = tuple(one.id for one in world.unstarted())
    running = sum(one.task is not None and not one.is_finished for one in world.jobs)
    actions = (GiveBack(unstarted),) if unstarted or not world.memory.is_drained else ()
    reason = because(Code.CLAIMS_ENDING, held=len(world.memory.held), running=running)
    return (_Part(actions, (reason,)),)
