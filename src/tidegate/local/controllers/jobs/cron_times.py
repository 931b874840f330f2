"""When a CronJob is due, from its schedule and what ran already. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.base.cron import Every, Times, parse_schedule
from tidegate.base.times import parse_time
from tidegate.local.objects import Object

_SECOND = timedelta(seconds=1)
MANY_MISSED = 100


@dataclass(frozen=True, slots=True)
class Due:
    """`time` is the last moment that came and was not served, `missed` about how many came, this one among
    them; `is_late`: its starting deadline is over.
    """

    time: datetime
    missed: int
    is_late: bool


def schedule_of(cron: Object) -> Times:
    """ValueError where it cannot be read."""
    return parse_schedule(cron["spec"]["schedule"])


def zone_of(cron: Object) -> str:
    """Without one, UTC."""
    return str(cron["spec"].get("timeZone") or "")


def due(cron: Object, since: datetime | None, now: datetime) -> Due | None:
    """What should have started by now, after `since` (or its own beginning)."""
    times, zone = schedule_of(cron), zone_of(cron)
    first = times.next(since or _created(cron), zone)
    if first is None or first > now:
        return None
    newest = _newest(times, zone, first, now)
    second = times.next(first, zone)
    gap_s = max((second - first).total_seconds(), 1.0) if second else 1.0
    missed = int((now - first).total_seconds() / gap_s) + 1
    deadline_s = cron["spec"].get("startingDeadlineSeconds")
    is_late = deadline_s is not None and newest + timedelta(seconds=int(deadline_s)) < now
    return Due(newest, missed, is_late)


def next_time(cron: Object, since: datetime | None, now: datetime) -> datetime | None:
    """The first moment after now at which it is due."""
    times, zone = schedule_of(cron), zone_of(cron)
    if not isinstance(times, Every):
        return times.next(now, zone)
    first = times.next(since or _created(cron), zone)
    return times.next(_newest(times, zone, first, now), zone) if first and first <= now else first


def _newest(times: Times, zone: str, first: datetime, now: datetime) -> datetime:
    """The last moment that is not after `now`; `first` is one."""
    if isinstance(times, Every):
        return first + (now - first) // (step := timedelta(seconds=times.seconds)) * step
    newest, low, high = first, first, now
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        found = times.next(middle, zone)
        if found is not None and found <= now:
            newest = low = found
        else:
            high = middle
    return newest


def _created(cron: Object) -> datetime:
    return parse_time(cron["metadata"]["creationTimestamp"])
