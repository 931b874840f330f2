"""Cron expressions in KEDA's dialect (five fields, Go's robfig/cron), evaluated in a time zone.

Ordinary cron libraries differ from it in `7` for Sunday, in how day of month and day of week
combine, and around changes of summer time. "Local" means UTC here, as it does in a container.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from tidegate.base.duration import parse_duration

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
_HORIZON_YEARS = 5
_NEVER = timedelta.max
_EVERY = "@every "
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


@dataclass(frozen=True, slots=True)
class _Range:
    word: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_RANGES = (
    _Range("minute", 0, 59),
    _Range("hour", 0, 23),
    _Range("day of month", 1, 31),
    _Range("month", 1, 12, _MONTHS),
    _Range("day of week", 0, 6, _DAYS),
)


def find_zone(name: str) -> ZoneInfo:
    """The IANA zone of that name (empty and `Local`: UTC). ValueError when there is none."""
    try:
        return ZoneInfo("UTC" if name in ("", "Local") else name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'unknown time zone "{name}"') from error


def wall(moment: datetime, zone: str) -> str:
    """The moment on a clock of that zone: `18:00 Europe/Berlin`; "" where that shows UTC.

    With its date where that is not the one in UTC.
    """
    there, utc = moment.astimezone(find_zone(zone)), moment.astimezone(UTC)
    if there.utcoffset() == timedelta():
        return ""
    day = "" if there.date() == utc.date() else f"{there:%Y-%m-%d} "
    return f"{day}{there:%H:%M} {zone}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Local wall-clock minutes. `zone` is the expression's own (`TZ=…` prefix), else empty."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    must_match_both_days: bool
    zone: str = ""

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """The schedule of `minute hour day-of-month month day-of-week`. ValueError names the field."""
        zone, fields = "", text.split()
        if fields and fields[0].startswith(("TZ=", "CRON_TZ=")):
            zone = fields.pop(0).partition("=")[2]
            find_zone(zone)
        if len(fields) != len(_RANGES):
            raise ValueError(
                f'expected 5 fields (minute hour day month weekday), found {len(fields)}: "{text}"'
            )
        parsed = [_parse_field(field, allowed) for field, allowed in zip(fields, _RANGES, strict=True)]
        minutes, hours, days, months, weekdays = (numbers for numbers, _ in parsed)
        return cls(minutes, hours, days, months, weekdays, parsed[2][1] or parsed[4][1], zone)

    def next(self, after: datetime, zone: str) -> datetime | None:
        """The first moment strictly after `after` at which it fires (UTC), None within five years.

        Local times that a clock change skips do not fire; those that it repeats fire twice.
        """
        place = find_zone(self.zone or zone)
        moment = after.astimezone(UTC).replace(microsecond=0) + _SECOND
        last_year = moment.astimezone(place).year + _HORIZON_YEARS
        while True:
            local = _local(moment, place)
            wall = self._next_wall(local, last_year)
            ahead = _NEVER if wall is None else wall - local
            # While the offset stays the same, local time runs evenly and the wall time is found
            # by adding. A clock set back can only bring back a wall time of the last day, so two
            # days are looked at closely and the rest is skipped.
            if (change := _first_change(moment, min(ahead, 2 * _DAY), place)) is not None:
                moment = change
            elif ahead <= 2 * _DAY:
                return moment + ahead
            elif ahead == _NEVER:
                return None
            else:
                moment += ahead - 2 * _DAY

    def _next_wall(self, local: datetime, last_year: int) -> datetime | None:
        """The first matching wall-clock minute at or after `local`, as if no clock ever changed."""
        start = local.replace(second=0) + (_MINUTE if local.second else timedelta())
        if not self.minutes or not self.hours:
            return None
        if self._is_day(start.date()):
            for hour in sorted(self.hours):
                for minute in sorted(self.minutes):
                    if (hour, minute) >= (start.hour, start.minute):
                        return start.replace(hour=hour, minute=minute)
        day = start.date() + _DAY
        while day.year <= last_year:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            elif self._is_day(day):
                return datetime(day.year, day.month, day.day, min(self.hours), min(self.minutes))
            else:
                day += _DAY
        return None

    def _is_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (by_month and by_week) if self.must_match_both_days else (by_month or by_week)


def _local(moment: datetime, place: ZoneInfo) -> datetime:
    return moment.astimezone(place).replace(tzinfo=None, fold=0)


def _first_change(moment: datetime, span: timedelta, place: ZoneInfo) -> datetime | None:
    """The first second within (moment, moment + span] whose UTC offset differs from `moment`'s."""
    offset, end = moment.astimezone(place).utcoffset(), moment + span
    low = moment
    while low < end:
        high = min(low + _DAY, end)
        if high.astimezone(place).utcoffset() != offset:
            while high - low > _SECOND:
                middle = low + (high - low) // _SECOND // 2 * _SECOND
                is_same = middle.astimezone(place).utcoffset() == offset
                low, high = (middle, high) if is_same else (low, middle)
            return high
        low = high
    return None


def _parse_field(text: str, allowed: _Range) -> tuple[frozenset[int], bool]:
    """The numbers of a field, and whether the field is a star (`*` or `?` with step 1 in it)."""
    numbers: set[int] = set()
    is_star = False
    for element in text.split(","):
        if not element:
            continue
        span, slash, step_text = element.partition("/")
        step = _number(step_text, allowed, "step") if slash else 1
        if step < 1:
            raise ValueError(f'the step of {allowed.word} "{element}" must be at least 1')
        if span in ("*", "?"):
            low, high = allowed.low, allowed.high
            is_star = is_star or step == 1
        else:
            first, dash, last = span.partition("-")
            low = _number(first, allowed)
            high = _number(last, allowed) if dash else (allowed.high if slash else low)
        if low > high or low < allowed.low or high > allowed.high:
            raise ValueError(
                f'{allowed.word} "{element}" must rise and stay within {allowed.low}-{allowed.high}'
            )
        numbers.update(range(low, high + 1, step))
    return frozenset(numbers), is_star


def _number(text: str, allowed: _Range, part: str = "") -> int:
    if not part and text.lower() in allowed.names:
        return allowed.names.index(text.lower()) + allowed.low
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError(
            f'{part or allowed.word} "{text}" is not a number{" or name" if allowed.names else ""}'
        )
    return int(text)


class Times(Protocol):
    """When something is due."""

    def next(self, after: datetime, zone: str) -> datetime | None:
        """The first moment strictly after `after`, None within five years."""


@dataclass(frozen=True, slots=True)
class Every:
    """At a distance from the time before, wherever the clock stands."""

    seconds: int

    def next(self, after: datetime, zone: str) -> datetime | None:
        return after.replace(microsecond=0) + timedelta(seconds=self.seconds)


def parse_schedule(text: str) -> Times:
    """A schedule as Kubernetes' CronJobs write it: an expression, `@hourly` and the like, `@every 1h30m`.

    ValueError says what cannot be read. A zone may stand before a shorthand, as before an expression.
    Source: Go's robfig/cron, `parseDescriptor`.
    """
    prefix, _, rest = text.strip().partition(" ")
    has_zone = prefix.startswith(("TZ=", "CRON_TZ="))
    word = rest.strip() if has_zone else text.strip()
    if not word.startswith("@"):
        return Schedule.parse(text)
    if word.startswith(_EVERY):
        return Every(max(int(_duration_s(word.removeprefix(_EVERY))), 1))
    if word not in _NAMED:
        raise ValueError(f"unrecognized descriptor: {word}")
    return Schedule.parse(f"{prefix} {_NAMED[word]}" if has_zone else _NAMED[word])


def _duration_s(text: str) -> float:
    if text.isdecimal():
        raise ValueError(f"{_EVERY}{text}: a unit is missing, such as {text}m")
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{_EVERY}{text}: the duration {error}") from error
