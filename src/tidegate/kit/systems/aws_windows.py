"""CloudWatch's units, and the windows that its points lie in."""

from __future__ import annotations

from datetime import UTC, datetime

_SIZES = ("Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes")
_BITS = ("Bits", "Kilobits", "Megabits", "Gigabits", "Terabits")
_RATES = tuple(f"{one}/Second" for one in (*_SIZES, *_BITS, "Count"))
UNITS = ("Seconds", "Microseconds", "Milliseconds", *_SIZES, *_BITS, "Percent", "Count", *_RATES, "None")

_YEAR_1 = datetime(1, 1, 1, tzinfo=UTC)
_EPOCH_S = int((datetime(1970, 1, 1, tzinfo=UTC) - _YEAR_1).total_seconds())


def window_end_s(now: datetime, period_s: int, offset_s: int) -> int:
    """The last whole period's end, `offset_s` ago, in seconds since 1970.

    Periods are counted from year 1, as KEDA does: that differs for those that do not divide a day.
    """
    since_year_1_s = int((now.astimezone(UTC) - _YEAR_1).total_seconds()) - offset_s
    return since_year_1_s - since_year_1_s % period_s - _EPOCH_S
