"""What would make a ScaledJob start Jobs, or more of them: values, ends of Jobs, corrections.

paused             the annotation to remove
a trigger inactive the value above which it is active
failing, unread    what is waited for
at the maximum     a Job that ends
enough Jobs        with the default strategy, the value above which there is one more
pending Jobs       with accurate and eager, a pod of theirs that begins
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.core import annotated
from tidegate.core import jobs as counting
from tidegate.core.interpret import Picture, interpret
from tidegate.core.outlook import Prospect, Turn, called, short, turn
from tidegate.core.replicas import MILLI, milli
from tidegate.core.values import ExternalMetric, JobView, TriggerView


def outlook_jobs(
    object: ScaledJob,
    jobs: tuple[JobView, ...] | Failure,
    triggers: tuple[TriggerView, ...],
    check: Failure | None = None,
) -> tuple[Prospect, ...]:
    """What would change the number of Jobs, in the order of the decision's steps."""
    if annotated.is_set(object.metadata.annotations, annotated.PAUSED):
        return (turn(Turn.UNPAUSE, annotation=annotated.PAUSED),)
    picture = interpret(triggers)
    found: list[Prospect] = []
    if check is not None:
        found.append(turn(Turn.CORRECTED, failure=check.message))
    found += _unknown(triggers, picture)
    if isinstance(jobs, Failure):
        return (*found, turn(Turn.LISTED, failure=jobs.message))
    return (*found, *_activation(triggers, picture), *_more(object, jobs, triggers, picture))


def _unknown(triggers: tuple[TriggerView, ...], picture: Picture) -> Iterator[Prospect]:
    for trigger, state in zip(triggers, picture.states, strict=True):
        if state.failure is not None:
            yield turn(Turn.JOBS_READABLE, metric=called(trigger), failure=state.failure.message)
        elif state.is_unread:
            yield turn(Turn.MEASURED, metric=called(trigger))


def _activation(triggers: tuple[TriggerView, ...], picture: Picture) -> Iterator[Prospect]:
    """How far each inactive metric is from its activation target."""
    for trigger, state in zip(triggers, picture.states, strict=True):
        reading = trigger.reading
        if state.state != "inactive" or reading is None or reading.active is not None:
            continue
        for metric, value in zip(trigger.metrics, reading.values, strict=False):
            numbers = {"value": short(value), "activation": short(trigger.activation)}
            yield turn(Turn.JOBS_ACTIVATE, metric=metric.name, **numbers)


def _more(
    object: ScaledJob, jobs: tuple[JobView, ...], triggers: tuple[TriggerView, ...], picture: Picture
) -> Iterator[Prospect]:
    """What stands in the way of one more Job."""
    room, strategy = counting.range_of(object.spec), object.spec.scaling_strategy
    unfinished = [one for one in jobs if not one.is_finished]
    if len(unfinished) >= room.maximum:
        yield turn(Turn.ROOM, running=len(unfinished), maximum=room.maximum)
        return
    pending = sum(one.is_pending for one in unfinished)
    if counting.counts_pending(strategy):
        if pending:
            yield turn(Turn.BEGUN, pending=pending)
        return
    mode = (strategy.multiple_scalers_calculation if strategy is not None else None) or "max"
    if mode != "max" or (strategy is not None and strategy.strategy == "custom"):
        return
    busy = len(unfinished) - room.minimum
    longest = max(_active(triggers, picture), key=lambda one: one[1], default=None)
    if longest is None or busy < 0:
        return
    metric, value = longest
    at = float(Fraction(milli(metric.target) * busy, MILLI))
    if metric.target_type == "AverageValue" and value <= at:
        yield turn(Turn.MORE_JOBS, metric=metric.name, value=short(value), at=short(at))


def _active(triggers: tuple[TriggerView, ...], picture: Picture) -> Iterator[tuple[ExternalMetric, float]]:
    """The metrics of active triggers with their values; with `max` the longest alone counts."""
    for trigger, state in zip(triggers, picture.states, strict=True):
        if state.state == "active" and trigger.reading is not None:
            yield from zip(trigger.metrics, trigger.reading.values, strict=False)
