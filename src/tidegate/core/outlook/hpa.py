"""Where the HPA goes next between its bounds, and the values at which it would go elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from tidegate.api.hpa import Behavior
from tidegate.base.sentences import written
from tidegate.core.hpa import behavior
from tidegate.core.hpa.behavior import Rules
from tidegate.core.hpa.replicas import MILLI, milli
from tidegate.core.outlook.messages import Prospect, Turn, turn
from tidegate.core.outlook.subject import Subject
from tidegate.core.reasons import Code
from tidegate.core.scaledobject.hpa_demand import (
    MetricValue,
    Request,
    behavior_of,
    has_no_hpa,
    ready_of,
    requests,
)
from tidegate.core.values import ExternalMetric, HpaView


def between(subject: Subject) -> Iterator[Prospect]:
    """Where the HPA would go next, both ways; it lowers only when every metric says so."""
    is_leaving = subject.outcome in (Code.DEACTIVATED, Code.RAISED_TO_MIN)
    if subject.current == 0 or subject.current < subject.least or is_leaving or has_no_hpa(subject.seen):
        return
    blind = _blindness(subject)
    if blind is not None:
        yield turn(Turn.BLIND, reason=blind)
        return
    asked = requests(subject.sources, subject.metric_values)
    reach = Reach(subject.current, ready_of(subject.seen), behavior_of(subject.object))
    up, down = behavior.rules_of(reach.rules)
    if subject.current > subject.object.spec.replicas_max:
        numbers = {"current": subject.current, "maximum": subject.object.spec.replicas_max}
        yield turn(Turn.ABOVE_MOST, **numbers)
        return
    if not subject.pause.is_scale_out_paused:
        yield from _up(subject, reach, asked, up)
    if not subject.pause.is_scale_in_paused:
        yield from _down(subject, reach, asked, down)


def _blindness(subject: Subject) -> str | None:
    """Why the HPA can compute nothing, in its own word; at 0 replicas it does not try."""
    hpa = subject.seen.hpa
    active = hpa.scaling_active if isinstance(hpa, HpaView) else None
    if active is None or active.status != "False" or active.reason == "ScalingDisabled":
        return None
    return active.reason or "ScalingActive is False"


def _up(subject: Subject, reach: Reach, asked: tuple[Request, ...], rules: Rules) -> Iterator[Prospect]:
    """What it is about to raise to, or the next value up of each metric."""
    most = subject.object.spec.replicas_max
    if rules.select == "Disabled":
        yield turn(Turn.NEVER_RAISED)
        return
    top = max(asked, key=lambda one: one.replicas, default=None)
    if subject.current == most:
        if top is None or top.replicas >= most:
            yield turn(Turn.MOST, replicas=most)
        return
    if top is not None and top.replicas > subject.current:
        name, value = (top.name, f" ({written(top.value)})")
        if top.is_fallen:
            name, value = "the fallback", ""
        yield turn(Turn.RAISING, metric=name, value=value, replicas=min(most, top.replicas))
        return
    for one in subject.metric_values.entries:
        if one.is_fixed or milli(one.metric.target) <= 0:
            continue
        at = reach.more_at(one)
        replicas = min(most, reach.wanted(one.metric, at))
        yield turn(Turn.MORE, metric=one.metric.name, value=one.value, at=at, replicas=replicas)


def _down(subject: Subject, reach: Reach, asked: tuple[Request, ...], rules: Rules) -> Iterator[Prospect]:
    """What it is about to lower to, or the values at which it would."""
    if rules.select == "Disabled":
        yield turn(Turn.NEVER_LOWERED)
        return
    if subject.current == subject.least:
        yield turn(Turn.LEAST, replicas=subject.current, beyond=_beyond(subject))
        return
    hpa = subject.seen.hpa
    natives = sum(one.state == "native" for one in subject.summary.states)
    shown = len(hpa.resources) if isinstance(hpa, HpaView) else 0
    if not subject.metric_values.is_whole or natives > shown or not asked:
        return
    top = max(one.replicas for one in asked)
    if top < subject.current:
        replicas, told = max(subject.least, top), " and ".join(_now(one) for one in asked)
        verb = "now asks" if len(asked) == 1 else "now ask"
        yield turn(Turn.LOWERING, asked=f"{told} {verb}", replicas=replicas, window_s=rules.window_s)
    elif not natives:
        yield from _fewer(subject, reach, rules)


def _now(one: Request) -> str:
    return "the fallback" if one.is_fallen else f"{one.name}: {written(one.value)}"


def _fewer(subject: Subject, reach: Reach, rules: Rules) -> Iterator[Prospect]:
    """The values that allow fewer; those that are low enough already are not named."""
    conditions, highest = [], subject.least
    for one in subject.metric_values.entries:
        if milli(one.metric.target) <= 0:
            continue
        at = reach.fewer_at(one)
        if one.value <= at:
            highest = max(highest, reach.wanted(one.metric, one.value))
            continue
        if one.is_fixed:
            return
        conditions.append(f"{one.metric.name} at most {written(at)} ({written(one.value)} now)")
        highest = max(highest, reach.wanted(one.metric, at))
    if conditions and highest < subject.current:
        told = " and ".join(conditions)
        yield turn(Turn.FEWER, conditions=told, replicas=highest, window_s=rules.window_s)


def _beyond(subject: Subject) -> str:
    """What lies below the HPA's minimum."""
    if subject.floor is None or subject.current <= subject.floor:
        return ""
    field = "" if subject.object.spec.idle_replica_count is None else "idleReplicaCount "
    return f"; {field}{subject.floor} comes when nothing is active and the cooldown is over"


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

    def more_at(self, one: MetricValue) -> float:
        """The least value at which the HPA raises."""
        tolerance = behavior.tolerance_of(self.rules)
        target, step = milli(one.metric.target), _step(one.value)
        by_tolerance = self._base(one.metric) * (1 + tolerance.up)
        by_count = Fraction(target * self.current, self._divisor(one.metric))
        return (math.floor(max(by_tolerance, by_count) / step) + 1) * step / MILLI

    def fewer_at(self, one: MetricValue) -> float:
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
