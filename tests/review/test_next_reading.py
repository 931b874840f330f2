"""What a window says next: computed from its expressions, on the clock it follows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.core.values import NextReading
from tidegate.kit.scaler import Scope
from tidegate.review.next_reading import next_reading
from tidegate.scalers.cron import Cron


def window(start: str, end: str, zone: str = "Europe/Berlin") -> Cron:
    scope = Scope("shop")
    return Cron(type="cron", scope=scope, timezone=zone, start=start, end=end, desired_replicas=3)


@pytest.mark.parametrize(
    ("scaler", "expected"),
    [
        (
            window("0 8 * * *", "0 18 * * *"),
            NextReading(datetime(2026, 11, 24, 17, tzinfo=UTC), (0.0,), False, "18:00 Europe/Berlin"),
        ),
        (
            window("0 20 * * *", "0 8 * * *"),
            NextReading(datetime(2026, 11, 24, 19, tzinfo=UTC), (3.0,), True, "20:00 Europe/Berlin"),
        ),
        # the date, where that is another one than in UTC
        (
            window("30 8 * * *", "0 18 * * *", "Asia/Tokyo"),
            NextReading(
                datetime(2026, 11, 24, 23, 30, tzinfo=UTC), (3.0,), True, "2026-11-25 08:30 Asia/Tokyo"
            ),
        ),
        (
            window("0 8 * * *", "0 18 * * *", "UTC"),
            NextReading(datetime(2026, 11, 24, 18, tzinfo=UTC), (0.0,), False),
        ),
        (window("0 0 30 2 *", "0 0 31 2 *"), NextReading()),
    ],
)
def test_the_next_edge_is_told_with_what_is_asked_from_then_on(scaler: Cron, expected: NextReading) -> None:
    assert next_reading(scaler, datetime(2026, 11, 24, 12, 30, tzinfo=UTC)) == expected
