"""How fast a count may move: stabilisation windows, then rate policies.

Source: Kubernetes documentation, "Configurable scaling behavior", and its defaults: down, a window
of 300 s and 100 % per 15 s; up, no window and the larger of 4 pods and 100 % per 15 s. An HPA
without `behavior` gets these defaults.

Recommendations are kept only while they can still be the highest or the lowest of some window: one
that a later one equals, or that later ones enclose, is dropped. So memory stays small although every
recommendation counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from tidegate.api.hpa import Behavior, ScalingRules
from tidegate.base.quantity import parse_quantity
from tidegate.core.hpa.replicas import Tolerance

DOWN_WINDOW_S = 300
UP_WINDOW_S = 0
_DEFAULT_UP = (("Pods", 4, 15), ("Percent", 100, 15))
_DEFAULT_DOWN = (("Percent", 100, 15),)


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the metrics asked for at a moment, before stabilisation."""

    replicas: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """A count that was written: `by` replicas more (negative: fewer)."""

    by: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction's rules with every default filled in. A policy is (type, value, period in s)."""

    window_s: int
    select: str
    policies: tuple[tuple[str, int, int], ...]

    @property
    def longest_s(self) -> int:
        return max((period_s for _, _, period_s in self.policies), default=0)


@dataclass(frozen=True, slots=True)
class HpaMemory:
    """Everything an HPA keeps between two reconciles.

    `changes_unknown_until`: changes up to this moment may have happened and are not among `changes`
    (the process was restarted); policies that reach back so far do not lower. `reported` is the
    failure that was told last.
    """

    recommendations: tuple[Recommendation, ...] = ()
    changes: tuple[Change, ...] = ()
    changes_unknown_until: datetime | None = None
    reported: str = ""


@dataclass(frozen=True, slots=True)
class Stable:
    """A stabilised count, and the first moment at which it may differ by itself."""

    replicas: int
    due: datetime | None = None


def rules_of(behavior: Behavior | None) -> tuple[Rules, Rules]:
    """The (up, down) rules of an HPA."""
    up = _filled(behavior.scale_up if behavior else None, UP_WINDOW_S, _DEFAULT_UP)
    down = _filled(behavior.scale_down if behavior else None, DOWN_WINDOW_S, _DEFAULT_DOWN)
    return up, down


def tolerance_of(behavior: Behavior | None) -> Tolerance:
    """The tolerances of an HPA: 10 % where its behaviour says nothing else."""
    default = Tolerance()
    up = behavior.scale_up if behavior else None
    down = behavior.scale_down if behavior else None
    return Tolerance(_tolerance(up, default.up), _tolerance(down, default.down))


def stabilize(
    wanted: int, current: int, rules: tuple[Rules, Rules], memory: HpaMemory, now: datetime
) -> Stable:
    """`current`, moved only as far as all recommendations of the windows (and `wanted`) agree.

    Raised to the lowest recommendation of the up window, lowered to the highest of the down window.
    """
    up, down = rules
    lowest, highest = wanted, wanted
    expiries = []
    for one in memory.recommendations:
        up_end, down_end = one.at + _seconds(up.window_s), one.at + _seconds(down.window_s)
        if up_end > now and one.replicas < wanted:
            lowest = min(lowest, one.replicas)
            expiries.append(up_end)
        if down_end > now and one.replicas > wanted:
            highest = max(highest, one.replicas)
            expiries.append(down_end)
    replicas = min(max(current, lowest), highest)
    return Stable(replicas, min(expiries, default=None) if replicas != wanted else None)


def limit_up(current: int, rules: Rules, memory: HpaMemory, now: datetime) -> int:
    """The highest count that the scale-up policies allow now; never below `current`."""
    if rules.select == "Disabled":
        return current
    allowed = []
    for kind, value, period_s in rules.policies:
        start = current - _changed(memory.changes, period_s, now)
        allowed.append(start + value if kind == "Pods" else math.ceil(Fraction(start * (100 + value), 100)))
    chosen = _choose(allowed, current, max if rules.select != "Min" else min)
    return max(current, chosen)


def limit_down(current: int, rules: Rules, memory: HpaMemory, now: datetime) -> int:
    """The lowest count that the scale-down policies allow now; never above `current`."""
    if rules.select == "Disabled":
        return current
    allowed = []
    for kind, value, period_s in rules.policies:
        if _is_unknown(memory, period_s, now):
            allowed.append(current)
            continue
        start = current - _changed(memory.changes, period_s, now)
        allowed.append(start - value if kind == "Pods" else start * (100 - value) // 100)
    chosen = _choose(allowed, current, min if rules.select != "Min" else max)
    return max(0, min(current, chosen))


def allowance_grows(rules: Rules, memory: HpaMemory, now: datetime) -> datetime | None:
    """When the first change leaves a policy's period, and so frees what it took; None: never."""
    if rules.select == "Disabled":
        return None
    moments = [one.at for one in memory.changes]
    if memory.changes_unknown_until is not None:
        moments.append(memory.changes_unknown_until)
    ends = [at + _seconds(period_s) for at in moments for _, _, period_s in rules.policies]
    return min((end for end in ends if end > now), default=None)


def recommended(memory: HpaMemory, wanted: int, now: datetime) -> tuple[Recommendation, ...]:
    """The recommendations with `wanted` added, those that can no longer matter left out."""
    kept: list[Recommendation] = [Recommendation(wanted, now)]
    highest = lowest = wanted
    for one in reversed(memory.recommendations):
        if one.replicas > highest or one.replicas < lowest:
            kept.append(one)
            highest, lowest = max(highest, one.replicas), min(lowest, one.replicas)
    return tuple(reversed(kept))


def none_ahead(memory: HpaMemory, now: datetime) -> HpaMemory:
    """The memory where nothing is still to come: after the clock was set back, a window lasts no longer."""
    moments = [one.at for one in memory.recommendations] + [one.at for one in memory.changes]
    if max(moments, default=now) <= now:
        return memory
    return replace(
        memory,
        recommendations=tuple(replace(one, at=min(one.at, now)) for one in memory.recommendations),
        changes=tuple(replace(one, at=min(one.at, now)) for one in memory.changes),
    )


def forget(memory: HpaMemory, rules: tuple[Rules, Rules], now: datetime) -> HpaMemory:
    """The memory without what lies behind every window and period.

    The latest recommendation stays: an empty memory is one that has to be seeded.
    """
    window = _seconds(max(one.window_s for one in rules))
    period = _seconds(max(one.longest_s for one in rules))
    unknown = memory.changes_unknown_until
    return HpaMemory(
        tuple(one for one in memory.recommendations[:-1] if one.at + window > now)
        + memory.recommendations[-1:],
        tuple(one for one in memory.changes if one.at + period > now),
        unknown if unknown is not None and unknown + period > now else None,
        memory.reported,
    )


def _filled(rules: ScalingRules | None, window_s: int, policies: tuple[tuple[str, int, int], ...]) -> Rules:
    if rules is None:
        return Rules(window_s, "Max", policies)
    given = rules.stabilization_window_seconds
    named = tuple((one.type, one.value, one.period_seconds) for one in rules.policies or ())
    return Rules(window_s if given is None else given, rules.select_policy or "Max", named or policies)


def _tolerance(rules: ScalingRules | None, default: Fraction) -> Fraction:
    if rules is None or rules.tolerance is None:
        return default
    return max(Fraction(0), Fraction(parse_quantity(str(rules.tolerance))))


def _changed(changes: tuple[Change, ...], period_s: int, now: datetime) -> int:
    return sum(one.by for one in changes if one.at + _seconds(period_s) > now)


def _is_unknown(memory: HpaMemory, period_s: int, now: datetime) -> bool:
    until = memory.changes_unknown_until
    return until is not None and until + _seconds(period_s) > now


def _choose(allowed: list[int], otherwise: int, select: Callable[[list[int]], int]) -> int:
    return select(allowed) if allowed else otherwise


def _seconds(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)
