"""A breaker and a budget: when the next claims may be made, though there are messages and places.

Jobs that fail in their first seconds, several in a row, fail for what they have in common: a bad image, a
missing Secret. Each would cost a message one of its attempts. Claiming rests then, longer each time, and is
tried with one Job; a Job that succeeds, or fails later, ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.core.claims.values import Breaker, Started
from tidegate.core.values import JobView

QUICK = timedelta(seconds=10)
"""Who fails within it has failed in its first seconds."""

SEVERAL = 5
_FIRST_S, _LONGEST_S = 30.0, 900.0
_HOUR = timedelta(hours=1)
_ENDLESS = 2**31


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many Jobs may start now, and when that changes (None: only with news)."""

    count: int
    until: datetime | None = None


def after(breaker: Breaker, now: datetime, *, is_quick: bool) -> Breaker:
    """The breaker once another Job has ended."""
    if not is_quick:
        return Breaker()
    quick = breaker.quick + 1
    if quick < SEVERAL:
        return Breaker(quick)
    if breaker.until is not None and now < breaker.until:
        # Started before it opened.
        return Breaker(quick, breaker.trips, breaker.until)
    rest_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(breaker.trips, 10))
    return Breaker(quick, breaker.trips + 1, now + timedelta(seconds=rest_s))


def allowed(breaker: Breaker, jobs: tuple[JobView, ...], now: datetime) -> Allowance:
    """What the breaker lets start: everything, nothing, or one at a time while it is tried."""
    if breaker.until is None:
        return Allowance(_ENDLESS)
    if now < breaker.until:
        return Allowance(0, breaker.until)
    young = [
        one.created_at + QUICK
        for one in jobs
        if one.task is not None and not one.is_finished and one.created_at is not None
        if one.created_at + QUICK > now
    ]
    unseen = any(one.task is not None and not one.is_finished and one.created_at is None for one in jobs)
    if young or unseen:
        return Allowance(0, max(young, default=now + QUICK))
    return Allowance(1)


def in_budget(
    hourly: int | None, started: tuple[Started, ...], jobs: tuple[JobView, ...], now: datetime
) -> Allowance:
    """What the budget of an hour leaves. Jobs tell when they were made, also those of a process before."""
    if hourly is None:
        return Allowance(_ENDLESS)
    seen = {one.name: one.created_at for one in jobs if one.task is not None and one.created_at is not None}
    moments = sorted(
        moment for moment in ({one.job: one.at for one in started} | seen).values() if now - moment < _HOUR
    )
    left = hourly - len(moments)
    return Allowance(left) if left > 0 else Allowance(0, moments[-hourly] + _HOUR)


def of_this_hour(started: tuple[Started, ...], now: datetime) -> tuple[Started, ...]:
    return tuple(one for one in started if now - one.at < _HOUR)


def is_quick(job: JobView, now: datetime) -> bool:
    """Whether a Job that failed did so in its first seconds."""
    if job.created_at is None or not job.is_failed:
        return False
    return (job.ended_at or now) - job.created_at < QUICK
