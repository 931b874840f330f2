"""What would change the number of replicas: the nearest values, moments and edits that decide otherwise.

Computed from what a decision is computed from, for people who ask "why did it not scale?". Each step
that stands in the way gives one prospect; other triggers are taken to stay as they are.

    paused                    the annotation to remove
    a trigger inactive        the value above which it is active, and how far that is
    active, at 1..N           the next value up with its replicas, the values that allow one fewer
    cooling down              the moment, and the count then
    failing                   what is held, and after how many more polls the fallback counts

Values are in the metric's unit; where it was read as a whole number, the next whole number is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from tidegate.api.hpa import Behavior
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.sentences import Sentence, sentences
from tidegate.base.times import format_time
from tidegate.core import annotated, behavior, fallback
from tidegate.core.decide import decide_scaled_object
from tidegate.core.interpret import COMPOSITE_METRIC, Picture
from tidegate.core.modifiers import Composite, modifiers_of
from tidegate.core.picture import net_of, picture_of
from tidegate.core.reasons import Code
from tidegate.core.replicas import MILLI, milli
from tidegate.core.values import ExternalMetric, Memory, Seen, TriggerView


class Turn(StrEnum):
    """Each way in which something may turn; `SENTENCES` has its words."""

    UNPAUSE = "Unpause"
    UNPAUSE_IN = "UnpauseScaleIn"
    UNPAUSE_OUT = "UnpauseScaleOut"
    UNFORCE = "StopForcing"
    ACTIVATES = "Activates"
    DEACTIVATES = "Deactivates"
    MORE = "MoreReplicas"
    RAISING = "Raising"
    MOST = "AtMaximum"
    FEWER = "FewerReplicas"
    LEAST = "AtMinimum"
    COOLED = "CooledDown"
    READABLE = "Readable"
    MEASURED = "Measured"
    FALLS_BACK = "FallsBack"
    RECOVERS = "Recovers"
    CORRECTED = "Corrected"
    # of a ScaledJob
    JOBS_READABLE = "JobsReadable"
    JOBS_ACTIVATE = "JobsActivate"
    LISTED = "Listed"
    ROOM = "Room"
    BEGUN = "Begun"
    MORE_JOBS = "MoreJobs"


SENTENCES: dict[Turn, Sentence] = sentences(
    {
        Turn.UNPAUSE: "nothing changes until the annotation {annotation} is removed",
        Turn.UNPAUSE_IN: "nothing is lowered until the annotation {annotation} is removed",
        Turn.UNPAUSE_OUT: "nothing is raised until the annotation {annotation} is removed",
        Turn.UNFORCE: "it counts as active until the annotation {annotation} is removed",
        Turn.ACTIVATES: "{metric} activates above {activation} ({value} now): {replicas:replica} at least",
        Turn.DEACTIVATES: "{metric} becomes inactive at {activation} or below ({value} now)",
        Turn.MORE: "{metric} at {at} ({value} now): {replicas:replica}",
        Turn.RAISING: "{metric} asks for {replicas:replica} now ({value}): raised at the HPA's next looks, "
        "as fast as its policies allow",
        Turn.MOST: "{metric} raises no further: the maximum is {replicas:replica}",
        Turn.FEWER: "{conditions}: {replicas:replica}, {window_s} s after the last higher recommendation",
        Turn.LEAST: "the HPA lowers no further: the minimum is {replicas:replica}",
        Turn.COOLED: "at {when}: {replicas:replica}, if nothing becomes active before",
        Turn.READABLE: "{metric} must be readable again before anything is lowered: {failure}",
        Turn.MEASURED: "{metric} is to be measured for the first time",
        Turn.FALLS_BACK: "after {polls:more failed poll} of {metric}, at about {when}: the fallback counts",
        Turn.RECOVERS: "{metric} is in fallback until it can be read again: {failure}",
        Turn.CORRECTED: "the object must be corrected: {failure}",
        Turn.JOBS_READABLE: "{metric} must be readable again before it starts Jobs: {failure}",
        Turn.JOBS_ACTIVATE: "{metric} starts Jobs above {activation} ({value} now)",
        Turn.LISTED: "the Jobs must be listed again before any is created: {failure}",
        Turn.ROOM: "a Job that ends makes room: {running} of {maximum} are unfinished",
        Turn.BEGUN: "pods of the pending Jobs begin: {pending} of the unfinished wait for theirs",
        Turn.MORE_JOBS: "{metric} above {at} ({value} now): another Job",
    }
)


@dataclass(frozen=True, slots=True)
class Prospect:
    """One thing that would change the number: a code, one sentence, its numbers, and when, if known."""

    code: str
    text: str
    numbers: tuple[tuple[str, float | int | str], ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric that the HPA reads from us, with its value now."""

    metric: ExternalMetric
    value: float


def outlook(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
    composite: Composite | None = None,
) -> tuple[Prospect, ...]:
    """What would change the number of a ScaledObject's replicas, in the order of the decision's steps."""
    pause = annotated.pause_of(object.metadata.annotations)
    if pause.is_full:
        names = (annotated.PAUSED_REPLICAS, annotated.PAUSED)
        written = [name for name in names if name in object.metadata.annotations]
        return (turn(Turn.UNPAUSE, annotation=" and ".join(written)),)
    picture = picture_of(object, seen, triggers, memory, composite)
    found: list[Prospect] = []
    if seen.check is not None:
        found.append(turn(Turn.CORRECTED, failure=seen.check.message))
    if pause.is_scale_in_paused:
        found.append(turn(Turn.UNPAUSE_IN, annotation=annotated.PAUSED_SCALE_IN))
    if pause.is_scale_out_paused:
        found.append(turn(Turn.UNPAUSE_OUT, annotation=annotated.PAUSED_SCALE_OUT))
    if annotated.is_set(object.metadata.annotations, annotated.FORCE_ACTIVATION):
        found.append(turn(Turn.UNFORCE, annotation=annotated.FORCE_ACTIVATION))
    found += _failing(object, triggers, picture, memory, now)
    found += _activation(object, triggers, picture, composite)
    found += _between(object, seen, _measures(object, seen, triggers, picture, composite, memory), picture)
    found += _cooling(object, seen, triggers, memory, now, composite)
    return tuple(found)


def _failing(
    object: ScaledObject, triggers: tuple[TriggerView, ...], picture: Picture, memory: Memory, now: datetime
) -> Iterator[Prospect]:
    """Triggers that cannot be read, each with its way into the fallback or out of it."""
    net = net_of(object, memory)
    for trigger, state in zip(triggers, picture.states, strict=True):
        name = called(trigger)
        if state.is_unread:
            yield turn(Turn.MEASURED, metric=name)
        if state.failure is None:
            continue
        if state.is_fallen:
            yield turn(Turn.RECOVERS, metric=name, failure=state.failure.message)
            continue
        yield turn(Turn.READABLE, metric=name, failure=state.failure.message)
        if net is not None and state.failed and trigger.reading is not None:
            polls = net.threshold + 1 - state.failed
            when = fallback.poll_after(trigger.reading.at, polls, object.spec.polling_s, now)
            yield _dated(Turn.FALLS_BACK, when, metric=name, polls=polls)
    composed = picture.composed
    if composed is not None and composed.is_own and composed.failure is not None:
        yield turn(Turn.READABLE, metric=COMPOSITE_METRIC, failure=composed.failure.message)


def _activation(
    object: ScaledObject,
    triggers: tuple[TriggerView, ...],
    picture: Picture,
    composite: Composite | None,
) -> Iterator[Prospect]:
    """How far each metric is from its activation target."""
    replicas = max(1, object.spec.replicas_min)
    for name, value, activation in _thresholds(object, triggers, picture, composite):
        numbers: dict[str, float | int | str] = {
            "metric": name,
            "value": short(value),
            "activation": short(activation),
        }
        if value > activation:
            yield turn(Turn.DEACTIVATES, **numbers)
        elif not picture.is_active:
            yield turn(Turn.ACTIVATES, **numbers, replicas=replicas)


def _thresholds(
    object: ScaledObject,
    triggers: tuple[TriggerView, ...],
    picture: Picture,
    composite: Composite | None,
) -> Iterator[tuple[str, float, float]]:
    """Name, value and activation target of each metric that decides about activity by its value."""
    if modifiers_of(object.spec) is not None:
        composed = picture.composed
        if composite is not None and composed is not None and composed.value is not None:
            yield COMPOSITE_METRIC, composed.value, composite.activation
        return
    for trigger, state in zip(triggers, picture.states, strict=True):
        reading = trigger.reading
        if state.failure is not None or reading is None or reading.active is not None:
            continue
        for metric, value in zip(trigger.metrics, reading.values, strict=False):
            yield metric.name, value, trigger.activation


def _measures(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    picture: Picture,
    composite: Composite | None,
    memory: Memory,
) -> tuple[list[Measure], bool]:
    """The metrics of the HPA that are known now, and whether these are all that it reads from us."""
    if modifiers_of(object.spec) is not None:
        value = picture.composed.value if picture.composed is not None else None
        if composite is None or value is None:
            return [], False
        return [Measure(composite.metric, value)], True
    net, found, is_whole = net_of(object, memory), [], True
    for trigger, state in zip(triggers, picture.states, strict=True):
        values = trigger.reading.values if trigger.reading is not None and state.failure is None else ()
        for place, metric in enumerate(trigger.metrics):
            worth: float | Failure | None = values[place] if place < len(values) else None
            if state.is_fallen and net is not None:
                worth = fallback.value_of(net, metric, seen)
            if worth is None or isinstance(worth, Failure):
                is_whole = False
            else:
                found.append(Measure(metric, worth))
        is_whole = is_whole and (state.failure is None or state.is_fallen)
    return found, is_whole


def _between(
    object: ScaledObject, seen: Seen, known: tuple[list[Measure], bool], picture: Picture
) -> Iterator[Prospect]:
    """Where the HPA would go next, both ways; it lowers only when every metric says so."""
    current, (measures, is_whole) = seen.replicas, known
    if isinstance(current, Failure) or current == 0:
        return
    ready = seen.ready if isinstance(seen.ready, int) and seen.ready else current
    reach = Reach(current, ready, _behavior(object))
    least, most = max(1, object.spec.replicas_min), object.spec.replicas_max
    for one in measures:
        if current >= most:
            yield turn(Turn.MOST, metric=one.metric.name, replicas=current)
        elif milli(one.metric.target) > 0:
            at = reach.more_at(one)
            name, value = one.metric.name, short(one.value)
            replicas = min(most, reach.wanted(one.metric, one.value))
            if replicas > current and one.value > at:
                yield turn(Turn.RAISING, metric=name, value=value, replicas=replicas)
                continue
            replicas = min(most, reach.wanted(one.metric, at))
            yield turn(Turn.MORE, metric=name, value=value, at=short(at), replicas=replicas)
    if current <= least:
        yield turn(Turn.LEAST, replicas=current)
    elif is_whole and not any(one.state == "native" for one in picture.states):
        bounds = [(one, reach.fewer_at(one)) for one in measures if milli(one.metric.target) > 0]
        conditions = " and ".join(f"{one.metric.name} at most {short(at)}" for one, at in bounds)
        _, down = behavior.rules_of(_behavior(object))
        replicas = max(least, max((reach.wanted(one.metric, at) for one, at in bounds), default=current))
        if conditions and replicas < current:
            yield turn(Turn.FEWER, conditions=conditions, replicas=replicas, window_s=down.window_s)


def _cooling(
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    now: datetime,
    composite: Composite | None,
) -> Iterator[Prospect]:
    """When a cooldown ends, and the count then."""
    decision = decide_scaled_object(object, seen, triggers, memory, now, composite)
    last = decision.reasons[-1].code if decision.reasons else ""
    if decision.due is not None and last in (Code.COOLDOWN, Code.INITIAL_COOLDOWN):
        floor = object.spec.idle_replica_count or 0
        yield _dated(Turn.COOLED, decision.due, replicas=floor)


@dataclass(frozen=True, slots=True)
class Reach:
    """The HPA's arithmetic, turned around: from a count to the values that lead away from it."""

    current: int
    ready: int
    rules: Behavior | None

    def wanted(self, metric: ExternalMetric, value: float) -> int:
        """Replicas that the value asks for, its tolerance aside."""
        if metric.target_type == "Value":
            return math.ceil(Fraction(milli(value) * self.ready, milli(metric.target)))
        return math.ceil(Fraction(milli(value), milli(metric.target)))

    def more_at(self, one: Measure) -> float:
        """The least value at which the HPA raises."""
        tolerance = behavior.tolerance_of(self.rules)
        target, step = milli(one.metric.target), _step(one.value)
        by_tolerance = self._base(one.metric) * (1 + tolerance.up)
        by_count = Fraction(target * self.current, self._divisor(one.metric))
        return (math.floor(max(by_tolerance, by_count) / step) + 1) * step / MILLI

    def fewer_at(self, one: Measure) -> float:
        """The greatest value at which the HPA lowers."""
        tolerance = behavior.tolerance_of(self.rules)
        target, step = milli(one.metric.target), _step(one.value)
        by_tolerance = self._base(one.metric) * (1 - tolerance.down)
        by_count = Fraction(target * (self.current - 1), self._divisor(one.metric))
        below = math.ceil(by_tolerance / step) - 1
        return max(0, min(below, math.floor(by_count / step))) * step / MILLI

    def _base(self, metric: ExternalMetric) -> Fraction:
        """The value, in thousandths, that is exactly on target now."""
        target = milli(metric.target)
        return Fraction(target if metric.target_type == "Value" else target * self.current)

    def _divisor(self, metric: ExternalMetric) -> int:
        return self.ready if metric.target_type == "Value" else 1


def _step(value: float) -> int:
    """The grain of a value in thousandths: whole numbers stay whole."""
    return MILLI if value == int(value) else 1


def _behavior(object: ScaledObject) -> Behavior | None:
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    return config.behavior if config is not None else None


def called(trigger: TriggerView) -> str:
    """What people call a trigger: its metrics, or its name, or its place."""
    names = ";".join(metric.name for metric in trigger.metrics)
    return names or trigger.name or f"triggers[{trigger.index}] ({trigger.type})"


def short(value: float) -> float | int:
    """A whole number without its point."""
    return int(value) if value == int(value) else value


def turn(code: Turn, **numbers: float | int | str) -> Prospect:
    """The prospect with this code; `numbers` are those its sentence names."""
    return Prospect(code.value, SENTENCES[code].told(**numbers), tuple(numbers.items()))


def _dated(code: Turn, moment: datetime, **numbers: float | int | str) -> Prospect:
    return replace(turn(code, when=format_time(moment), **numbers), at=moment)
