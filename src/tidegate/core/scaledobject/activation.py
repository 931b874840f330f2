"""0 ↔ 1 ↔ idle: whether a target is raised from nothing, or lowered to nothing after its cooldown.

What lies between the minimum and the maximum belongs to the HPA. First match decides:

    active    below the minimum with an idle count, or at 0   → raise to max(1, minimum)
              otherwise                                        → left to the HPA
    unknown   (a trigger fails or is not measured yet)         → held
              (in fallback it counts as active)
    inactive  above the idle count, or above 0 with minimum 0  → idle or 0, after the cooldown
              below the minimum, no idle count                 → raise to the minimum at once
              otherwise                                        → held

Source: KEDA's behaviour; ours is that a failing trigger never lets the target go to zero, whatever
`fallback.replicas` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.api.scaledobject import COOLDOWN_S, ScaledObjectSpec
from tidegate.base.sentences import counted
from tidegate.base.times import format_time
from tidegate.core.control_annotations import Pause
from tidegate.core.reasons import Code, because
from tidegate.core.triggers.reasons import some_of, unread_reason
from tidegate.core.triggers.state import Summary
from tidegate.core.values import Reason

# A cooldown is over when more than its time has passed; this much more is looked at first.
_MOMENT = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of a ScaledObject with their defaults. `idle` None: no idle count."""

    minimum: int = 0
    idle: int | None = None
    cooldown_s: int = COOLDOWN_S
    initial_cooldown_s: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a target stands: its replicas, since when nothing was active, when the object was made; whether
    triggers are to be asked again before it is lowered."""

    current: int
    is_forced: bool
    pause: Pause
    last_active: datetime | None
    created_at: datetime | None
    is_awaited: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The count to set (None: leave it), why, and when the cooldown in its way ends."""

    replicas: int | None
    reason: Reason
    due: datetime | None = None

    @property
    def is_cooling(self) -> bool:
        return self.due is not None


def limits_of(spec: ScaledObjectSpec) -> Limits:
    """The limits of a ScaledObject with KEDA's defaults filled in."""
    return Limits(
        spec.replicas_min, spec.idle_replica_count, spec.cooldown_s, spec.initial_cooldown_period or 0
    )


def activate(limits: Limits, situation: Situation, summary: Summary, now: datetime) -> Outcome:
    """What becomes of a target in this situation."""
    current = situation.current
    if summary.is_active or situation.is_forced:
        if current == 0 or (limits.idle is not None and current < limits.minimum):
            return _raise_from_idle(limits, situation)
        return Outcome(None, because(Code.LEFT_TO_HPA, current=current))
    if summary.is_unread:
        return Outcome(None, unread_reason(summary, f"{counted(current, 'replica')} kept"))
    if summary.is_unknown and summary.composed is not None:
        return Outcome(None, because(Code.COMPOSITE_HELD, current=current))
    if summary.is_unknown:
        return Outcome(None, _unknown(summary, current))
    floor = 0 if limits.idle is None else limits.idle
    if current > floor and (limits.idle is not None or limits.minimum == 0):
        return _lower_to(floor, limits, situation, now)
    if limits.idle is None and current < limits.minimum:
        reason = because(Code.RAISED_TO_MIN, current=current, replicas=limits.minimum)
        return Outcome(limits.minimum, reason)
    return Outcome(None, because(Code.RESTING, current=current, rule=_resting(limits, current)))


def _unknown(summary: Summary, current: int) -> Reason:
    """What is held because triggers fail and none is active; the HPA may raise by those that are read."""
    failed, triggers = len(summary.failures), len(summary.states)
    rule = "nothing is raised or lowered" if current == 0 or failed == triggers else "nothing is lowered"
    who = some_of(failed, triggers)
    return because(Code.UNKNOWN, who=who, current=current, rule=rule, failed=failed, triggers=triggers)


def _resting(limits: Limits, current: int) -> str:
    """Which field the count comes from while nothing is active."""
    if limits.idle is not None:
        at = "" if current == limits.idle else f" is {limits.idle}"
        return f"idleReplicaCount{at}"
    if current > limits.minimum:
        return f"the HPA lowers them to minReplicaCount {limits.minimum} as its metrics allow"
    return f"minReplicaCount is {limits.minimum}"


def _raise_from_idle(limits: Limits, situation: Situation) -> Outcome:
    current = situation.current
    if situation.pause.is_scale_out_paused:
        return Outcome(None, because(Code.SCALE_OUT_PAUSED, current=current))
    replicas = max(1, limits.minimum)
    return Outcome(replicas, because(Code.ACTIVATED, current=current, replicas=replicas))


def _lower_to(floor: int, limits: Limits, situation: Situation, now: datetime) -> Outcome:
    """`floor` once the cooldown (before any activity: the initial cooldown) is over."""
    current = situation.current
    if situation.pause.is_scale_in_paused:
        return Outcome(None, because(Code.SCALE_IN_PAUSED, current=current))
    if situation.last_active is not None:
        since, cooldown_s = situation.last_active, limits.cooldown_s
        code, elapsed, told = Code.COOLDOWN, "idle_s", f"last active at {format_time(since)}"
        period = "cooldownPeriod"
    else:
        since, cooldown_s = situation.created_at or now, limits.initial_cooldown_s
        code, elapsed, told = Code.INITIAL_COOLDOWN, "age_s", "never active since it was made"
        told += f" at {format_time(since)}" if situation.created_at else ""
        period = "initialCooldownPeriod"
    end = since + timedelta(seconds=cooldown_s)
    numbers: dict[str, int | str] = {
        "current": current,
        "since": told,
        "period": period,
        "cooldown_s": cooldown_s,
        elapsed: int((now - since).total_seconds()),
    }
    if (now > end or cooldown_s == 0) and situation.is_awaited:
        return Outcome(None, because(Code.TURN_AWAITED, current=current))
    if now > end or cooldown_s == 0:
        source = "" if limits.idle is None else " (idleReplicaCount)"
        return Outcome(floor, because(Code.DEACTIVATED, replicas=floor, floor=source, **numbers))
    return Outcome(None, because(code, until=format_time(end), **numbers), end + _MOMENT)
