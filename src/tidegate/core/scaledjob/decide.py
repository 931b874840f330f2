"""The decision about a ScaledJob: how many Jobs to start, which to delete, what to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from tidegate.api.conditions import Condition, find
from tidegate.api.scaledjob import ScaledJob, ScalingStrategy
from tidegate.base.errors import Failure
from tidegate.base.names import job_name
from tidegate.base.times import format_time
from tidegate.core import control_annotations, messages, reporting
from tidegate.core.memory import with_activity
from tidegate.core.reasons import Code, because
from tidegate.core.scaledjob import job_count, pacing, reason_chain
from tidegate.core.scaledjob.cleanup import cleanup
from tidegate.core.scaledjob.job_count import Asked, Queue, Running
from tidegate.core.scaledjob.reason_chain import Round, whole_round
from tidegate.core.triggers.reasons import unread_reason
from tidegate.core.triggers.state import Summary, interpret
from tidegate.core.values import (
    Action,
    Created,
    CreateJobs,
    Decision,
    EmitEvent,
    JobView,
    LastRound,
    Memory,
    NoTemplate,
    Reason,
    TriggerView,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """What the triggers say, and the queue it makes; `missing` keeps Jobs from being made at all."""

    triggers: tuple[TriggerView, ...]
    summary: Summary
    queue: Queue
    missing: NoTemplate | None = None

    @property
    def is_known(self) -> bool:
        """Whether activity can be told: not while a trigger that may be active is still to be measured."""
        return self.queue.is_active or not self.summary.unread

    @property
    def moments(self) -> tuple[datetime, ...]:
        """Of which moments the active triggers' readings are."""
        active = self.summary.active
        return tuple(one.reading.at for one in self.triggers if one.index in active and one.reading)


@dataclass(frozen=True, slots=True)
class Start:
    """How many Jobs start now, and why; `due` is when others may that want to.

    `is_full`: with them, the Jobs that count reach the maximum.
    """

    count: int
    reasons: tuple[Reason, ...]
    is_full: bool
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Steps:
    """What is done about Jobs, why, and the memory with it; `failure` is what could not be done, `due` as
    that of a decision.
    """

    memory: Memory
    actions: tuple[Action, ...]
    reasons: tuple[Reason, ...]
    failure: Failure | None = None
    due: datetime | None = None


def decide_scaled_job(
    object: ScaledJob,
    jobs: tuple[JobView, ...] | Failure,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
    check: Failure | None = None,
) -> Decision:
    """What becomes of a ScaledJob now.

    `jobs` are its Jobs, those included that were created here and are not in the cache yet. A
    reading's snapshot is the same as it was when the question was sent, or a Failure; a trigger that
    only follows the clock has none. `check` is what is wrong with the object itself; where that is its
    template no Job is created, and deletions go on.
    """
    if control_annotations.is_set(object.metadata.annotations, control_annotations.PAUSED):
        return _paused(object, memory, check)
    summary = interpret(triggers)
    strategy = object.spec.scaling_strategy
    mode = (strategy.multiple_scalers_calculation if strategy is not None else None) or "max"
    heard = Heard(
        triggers,
        summary,
        job_count.queue_of(triggers, summary, mode, job_count.range_of(object.spec)),
        check if isinstance(check, NoTemplate) else None,
    )
    kept = replace(
        with_activity(memory, object.status.last_active_time, heard.queue.is_active, now),
        is_active=heard.queue.is_active if heard.is_known else memory.is_active,
        round=_last_round(object, jobs, memory),
        failures=reporting.told_failures(summary),
        created=job_count.still_needed(memory.created, triggers, now),
        last_round=pacing.present(memory.last_round, now),
    )
    asked = job_count.asked_of(triggers, summary)
    if isinstance(jobs, Failure):
        steps, check = _unlisted(kept, jobs), check or jobs
    elif isinstance(asked, Failure):
        steps, check = _unlisted(kept, asked), check or asked
    else:
        steps = _steps(object, jobs, asked, heard, kept, now)
    saying: tuple[Action, ...] = (
        *_patches(object, heard, steps.memory, check or steps.failure, now),
        *reporting.failure_events(memory, summary),
    )
    reasons = (*reason_chain.said(triggers, summary), *steps.reasons)
    return Decision(steps.memory, (*steps.actions, *saying), reasons, steps.due)


def _start(
    object: ScaledJob,
    heard: Heard,
    running: Running,
    memory: Memory,
    now: datetime,
    is_futile: bool,
) -> Start:
    """How many Jobs to create. The minimum comes first: it does not depend on any reading."""
    if heard.missing is not None:
        return Start(0, (because(Code.TEMPLATE_MISSING, failure=heard.missing.message),), is_full=False)
    room, queue, strategy = job_count.range_of(object.spec), heard.queue, object.spec.scaling_strategy
    due = pacing.next_round(object, memory, now)
    lacking = max(0, room.minimum - running.now)
    if lacking and due is None:
        numbers = {"minimum": room.minimum, "running": running.now}
        reason = because(Code.MINIMUM_JOBS, count=lacking, **numbers)
        return Start(lacking, (reason,), running.now + lacking >= room.maximum)
    wanted = job_count.wanted_jobs(strategy, queue, running, room)
    count = max(0, min(wanted, room.maximum - running.counted))
    is_full = count < wanted or running.counted + count >= room.maximum
    round = whole_round(object.spec, heard.triggers, heard.summary, queue, running)
    before = (*reason_chain.counting_reasons(round), *_pending(strategy, running))
    is_paced = pacing.is_paced(strategy) or is_futile
    held = _held(object, heard, memory, count, due if is_paced else None)
    told = (held,) if held is not None else _outcome(round, count, wanted)
    if held is not None:
        count = 0
    if lacking and due is not None:
        told = (*told, _paced(object, lacking, due))
    is_paced = told[-1].code == Code.JOBS_PACED
    if is_paced or held is not None:
        told = (*told, *_refused(memory))
    return Start(count, (*before, *told), is_full, due if is_paced else None)


def _outcome(round: Round, count: int, wanted: int) -> tuple[Reason, ...]:
    """That `count` Jobs of those `wanted` are created, and what limits them."""
    told, limits = round.numbers(), tuple(reason_chain.limited(round, count))
    code = because(Code.ENOUGH_JOBS, **told)
    if count:
        code = because(Code.JOBS_CREATED, count=count, **told)
    elif round.is_unknown:
        code = because(Code.JOBS_HELD, running=round.running.counted)
    return (code, *limits) if count < wanted else (*limits, code)


def _held(object: ScaledJob, heard: Heard, memory: Memory, count: int, due: datetime | None) -> Reason | None:
    """Why `count` Jobs for the queue are not created yet, those of a pace before `due`; None where nothing
    stands against them."""
    if not count:
        return None
    if heard.summary.unread:
        return unread_reason(heard.summary, reason_chain.BEFORE)
    if pacing.is_spent(memory, heard.moments):
        return because(Code.JOBS_WAIT, count=count, queue=heard.queue.length)
    if any(one.is_awaited for one in heard.triggers):
        return because(Code.JOBS_AWAIT_TURN, count=count, queue=heard.queue.length)
    if due is not None:
        return _paced(object, count, due)
    return None


def _paced(object: ScaledJob, count: int, due: datetime) -> Reason:
    return because(Code.JOBS_PACED, count=count, at=format_time(due), interval_s=object.spec.polling_s)


def _refused(memory: Memory) -> Iterator[Reason]:
    """Why Jobs of the last round are not there, while others wait for the next one."""
    last = memory.last_round
    if last is not None and last.refused:
        yield because(Code.JOBS_REFUSED, refused=last.refused, refusal=last.refusal)


def _pending(strategy: ScalingStrategy | None, running: Running) -> tuple[Reason, ...]:
    """Said where it counts: a Job that does not begin keeps others from being started."""
    if strategy is None or not job_count.counts_pending(strategy) or not running.pending:
        return ()
    return (because(Code.JOBS_PENDING, pending=running.pending, strategy=strategy.strategy or ""),)


def _steps(
    object: ScaledJob,
    views: tuple[JobView, ...],
    asked: tuple[Asked, ...],
    heard: Heard,
    memory: Memory,
    now: datetime,
) -> Steps:
    """The round to create and the Jobs to delete."""
    running = job_count.running_of(views, asked, memory.created)
    start = _start(object, heard, running, memory, now, pacing.is_futile(views, memory))
    memory = replace(memory, is_full=start.is_full)
    reasons = (*reason_chain.failing(views), *start.reasons)
    actions: tuple[Action, ...] = ()
    if start.count:
        memory = _with_round(object, memory, start.count, now)
        read = max(heard.moments, default=None)
        memory = replace(memory, last_round=LastRound(now, object.metadata.generation, read))
        actions = (CreateJobs(memory.round, start.count),)
    done = cleanup(object, views, asked, now)
    dates = [date for date in (start.due, done.due) if date is not None]
    return Steps(
        memory,
        (*actions, *done.deletions),
        (*reasons, *done.reasons),
        done.failure,
        min(dates, default=None),
    )


def _last_round(object: ScaledJob, jobs: tuple[JobView, ...] | Failure, memory: Memory) -> int:
    """The last round that anything tells of: whoever replaces the object may lose its annotation, and a
    number that comes again finds its Jobs made already.
    """
    claimed = control_annotations.round_of(object.metadata.annotations)
    seen = () if isinstance(jobs, Failure) else jobs
    return max((memory.round, claimed, *(one.round for one in seen)))


def _unlisted(memory: Memory, failure: Failure) -> Steps:
    """Who cannot list creates nothing and deletes nothing."""
    return Steps(memory, (), (because(Code.JOBS_UNREADABLE, failure=failure.message),))


def _with_round(object: ScaledJob, memory: Memory, count: int, now: datetime) -> Memory:
    """The memory with the next round in it; its Jobs' names are known before they exist."""
    number = memory.round + 1
    name, uid = object.metadata.name, object.metadata.uid
    names = tuple(job_name(name, uid, number, ordinal) for ordinal in range(count))
    return replace(memory, round=number, created=(*memory.created, Created(now, names)))


def _patches(
    object: ScaledJob, heard: Heard, memory: Memory, check: Failure | None, now: datetime
) -> tuple[Action, ...]:
    """The status patch and the events of its changes."""
    is_active = heard.queue.is_active
    conditions = (*_ready(object, heard, check), *_active(heard, check), *_unpaused(object))
    fields = {
        **reporting.trigger_fields(object.spec.triggers),
        "lastActiveTime": reporting.last_active_time(
            object.status, is_active if heard.is_known else None, memory.last_active, now
        ),
        "externalMetricNames": reporting.metric_names(heard.triggers),
        "triggersActivity": reporting.activity(
            heard.triggers, heard.summary, object.status.triggers_activity
        ),
    }
    return (
        *reporting.patches(object.status, reporting.Report(conditions, fields)),
        *reporting.events("ScaledJob", object.status.conditions, conditions),
        *_activity_events(object, heard, check),
    )


def _ready(object: ScaledJob, heard: Heard, check: Failure | None) -> tuple[Condition, ...]:
    if check is not None:
        return (messages.check_failed("ScaledJob", check),)
    if reporting.is_awaited(object.status, heard.summary):
        return ()
    if heard.summary.failures:
        failures = (failure for _, failure in heard.summary.failures)
        return (messages.triggers_failed("ScaledJob", failures, is_active=heard.queue.is_active),)
    return (messages.ready("ScaledJob"),)


def _active(heard: Heard, check: Failure | None) -> tuple[Condition, ...]:
    if heard.missing is not None or _is_unknown(heard, check):
        return (messages.activity_unknown("ScaledJob"),)
    if heard.queue.is_active:
        return (messages.active(messages.ACTIVE_TEXT),)
    return (messages.inactive(),) if heard.is_known else ()


def _is_unknown(heard: Heard, check: Failure | None) -> bool:
    """Of an object that is wrong nobody knows whether it is active, where a trigger of it is."""
    return check is not None and not heard.queue.is_active and heard.summary.is_guess


def _activity_events(object: ScaledJob, heard: Heard, check: Failure | None) -> tuple[EmitEvent, ...]:
    """Told when the stored condition changes."""
    before = find(object.status.conditions, "Active")
    status = "True" if heard.queue.is_active else "False"
    if heard.missing is not None or _is_unknown(heard, check):
        return ()
    if not heard.is_known or (before is not None and before.status == status):
        return ()
    return (messages.job_activity(is_active=heard.queue.is_active),)


def _unpaused(object: ScaledJob) -> tuple[Condition, ...]:
    before = find(object.status.conditions, "Paused")
    return (messages.unpaused("ScaledJob"),) if before is not None and before.status == "True" else ()


def _paused(object: ScaledJob, memory: Memory, check: Failure | None) -> Decision:
    """Paused: running Jobs finish, nothing is created, cleaned up or rolled out."""
    ready = messages.ready_while_paused("ScaledJob")
    if check is not None:
        ready = messages.check_failed("ScaledJob", check)
    conditions = (ready, messages.paused("ScaledJob"))
    fields = reporting.trigger_fields(object.spec.triggers)
    actions: tuple[Action, ...] = (
        *reporting.patches(object.status, reporting.Report(conditions, fields)),
        *reporting.events("ScaledJob", object.status.conditions, conditions),
    )
    return Decision(replace(memory, last_round=None), actions, (because(Code.PAUSED),))
