"""What would make a ScaledJob start Jobs, or more of them: values, moments, ends of Jobs, corrections.

paused              the annotation to remove
a trigger inactive  the value above which it is active
failing, unread     what is waited for
at the maximum      a Job that ends
enough Jobs         with the default strategy, the value above which there is one more
pending Jobs        with accurate and eager, a pod of theirs that begins
following the clock the moment, and what is asked then
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.base.sentences import counted, written
from tidegate.core import control_annotations
from tidegate.core.hpa.replicas import MILLI, milli
from tidegate.core.outlook.messages import Prospect, Turn, called, corrected, edge, is_wrong, removed, turn
from tidegate.core.scaledjob import job_count, pacing
from tidegate.core.scaledjob.job_count import Running
from tidegate.core.triggers.reasons import below_activation
from tidegate.core.triggers.state import Summary, interpret
from tidegate.core.values import ExternalMetric, JobView, Memory, NextReading, TriggerView


def outlook_jobs(
    object: ScaledJob,
    jobs: tuple[JobView, ...] | Failure,
    triggers: tuple[TriggerView, ...],
    check: Failure | None = None,
) -> tuple[Prospect, ...]:
    """What would change the number of Jobs, in the order of the decision's steps.

    Clock triggers tell their next moment where their views carry what is `coming`.
    """
    if control_annotations.is_set(object.metadata.annotations, control_annotations.PAUSED):
        return (turn(Turn.UNPAUSE, annotations=removed([control_annotations.PAUSED])),)
    summary = interpret(triggers)
    metric_values = (jobs,) if isinstance(jobs, Failure) else ()
    failures = (one.failure for one in summary.states if one.failure is not None)
    found = list(corrected(check, (*failures, *metric_values)))
    found += _unknown(triggers, summary, check)
    if isinstance(jobs, Failure):
        return (*found, turn(Turn.LISTED, failure=jobs.message))
    found += _activation(triggers, summary)
    if summary.is_active:
        found += _more(object, jobs, triggers, summary)
    return (*found, *_coming(triggers))


def _unknown(
    triggers: tuple[TriggerView, ...], summary: Summary, check: Failure | None
) -> Iterator[Prospect]:
    for trigger, state in zip(triggers, summary.states, strict=True):
        if state.failure is not None:
            code = Turn.JOBS_MENDED if is_wrong(state.failure, check) else Turn.JOBS_READABLE
            yield turn(code, metric=called(trigger), failure=state.failure.message)
        elif state.is_unread:
            yield turn(Turn.MEASURED, metric=called(trigger))


def _activation(triggers: tuple[TriggerView, ...], summary: Summary) -> Iterator[Prospect]:
    """How far each inactive metric is from its activation target."""
    for metric, value, activation in below_activation(triggers, summary):
        yield turn(Turn.JOBS_ACTIVATE, metric=metric.name, value=value, activation=activation)


def _more(
    object: ScaledJob, jobs: tuple[JobView, ...], triggers: tuple[TriggerView, ...], summary: Summary
) -> Iterator[Prospect]:
    """What stands in the way of one more Job while something is queued."""
    room, strategy = job_count.range_of(object.spec), object.spec.scaling_strategy
    unfinished = [one for one in jobs if not one.is_finished]
    running = len(unfinished)
    if running > room.maximum:
        ends = running + 1 - room.maximum
        yield turn(Turn.CROWDED, ends=ends, running=running, maximum=room.maximum)
        return
    if running == room.maximum:
        is_soon = pacing.asks_anew(strategy, "Complete", Memory(is_full=True), triggers)
        when = ", at once if it succeeds" if is_soon else " at the next poll"
        yield turn(Turn.ROOM, when=when, running=running, maximum=room.maximum)
        return
    pending = sum(one.is_pending for one in unfinished)
    count = _next(object, triggers, summary, Running(running, running, pending))
    if count:
        yield turn(Turn.NEXT_JOBS, count=count)
        return
    if job_count.counts_pending(strategy):
        if pending:
            yield turn(Turn.BEGUN, pending=pending)
        return
    if job_count.mode_of(object.spec) != "max" or (strategy is not None and strategy.strategy == "custom"):
        return
    busy = running - room.minimum
    longest = max(_active(triggers, summary), key=lambda one: one[1], default=None)
    if longest is None or busy < 0:
        return
    metric, value, is_clock = longest
    at = float(Fraction(milli(metric.target) * busy, MILLI))
    if metric.target_type == "AverageValue" and value <= at and not is_clock:
        yield turn(Turn.MORE_JOBS, metric=metric.name, value=value, at=at)


def _next(object: ScaledJob, triggers: tuple[TriggerView, ...], summary: Summary, running: Running) -> int:
    """The Jobs that a reading of now would start: some have ended since the last one was asked for."""
    room, strategy = job_count.range_of(object.spec), object.spec.scaling_strategy
    is_asked = any(one.reading is not None and one.reading.snapshot is not None for one in triggers)
    queue = job_count.queue_of(triggers, summary, job_count.mode_of(object.spec), room)
    wanted = job_count.wanted_jobs(strategy, queue, replace(running, is_asked=is_asked), room)
    return max(0, min(wanted, room.maximum - running.now))


def _active(
    triggers: tuple[TriggerView, ...], summary: Summary
) -> Iterator[tuple[ExternalMetric, float, bool]]:
    """The metrics of active triggers with their values; with `max` the longest alone counts."""
    for trigger, state in zip(triggers, summary.states, strict=True):
        if state.state == "active" and trigger.reading is not None:
            for metric, value in zip(trigger.metrics, trigger.reading.values, strict=False):
                yield metric, value, trigger.next_reading is not None


def _coming(triggers: tuple[TriggerView, ...]) -> Iterator[Prospect]:
    """The next moment of each clock trigger."""
    for trigger in triggers:
        if trigger.next_reading is not None:
            yield edge(trigger, called(trigger), trigger.next_reading, _worth(trigger, trigger.next_reading))


def _worth(trigger: TriggerView, next: NextReading) -> str:
    """What is asked then, in Jobs."""
    if not next.active:
        return "it starts no more Jobs"
    value, metric = max(zip(next.values, trigger.metrics, strict=False), key=lambda one: one[0])
    target = milli(metric.target)
    jobs = min(-(-milli(value) // target) if target else 0, -(-milli(value) // MILLI))
    return f"{written(value)} asked, {counted(jobs, 'Job')} wanted"
