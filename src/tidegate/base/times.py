"""Moments as the Kubernetes API writes them, and ages as kubectl prints them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)


def parse_time(text: str) -> datetime:
    """The moment an RFC 3339 text names, in UTC; fractions finer than a microsecond are cut.

    ValueError when it is not RFC 3339 or names no moment (13th month, 25:00).
    """
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is not an RFC 3339 time such as 2026-01-31T08:00:00Z')
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    fraction, sign, offset_h, offset_m = found.groups()[6:]
    micros = int(fraction[1:7].ljust(6, "0")) if fraction else 0
    offset = timedelta(hours=int(offset_h), minutes=int(offset_m)) if sign else timedelta()
    try:
        wall = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
        return wall + offset if sign == "-" else wall - offset
    except (ValueError, OverflowError) as error:
        raise ValueError(f'"{text}" names no moment: {error}') from error


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds and `Z`; fractions are cut. `moment` must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be written")
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def format_micro_time(moment: datetime) -> str:
    """As `format_time`, with six digits of the second: what Kubernetes takes for a MicroTime."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone cannot be written")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def age(seconds: float) -> str:
    """A duration as kubectl prints ages: `5s`, `3m20s`, `47h`, `2d4h`, `3y12d`.

    A clock that is up to two seconds behind counts as now, more is `<invalid>`.
    Source: Kubernetes `apimachinery/pkg/util/duration`, HumanDuration.
    """
    whole = int(seconds)
    if whole < 0:
        return "0s" if whole >= -1 else "<invalid>"
    minutes, hours = whole // 60, whole // 3600
    days = hours // 24
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    if days < 2920:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def distance(seconds: float) -> str:
    """How far a moment is, for people: `in 4 min`, `12 s ago`, `now`. Negative: it has passed."""
    whole = round(abs(seconds))
    if whole == 0:
        return "now"
    text = f"{round(whole / 86400)} days"
    if whole < 120:
        text = f"{whole} s"
    elif whole < 7200:
        text = f"{round(whole / 60)} min"
    elif whole < 172800:
        text = f"{round(whole / 3600)} h"
    return f"in {text}" if seconds > 0 else f"{text} ago"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
