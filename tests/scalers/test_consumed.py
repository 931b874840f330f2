"""Which triggers count what Jobs take away."""

from __future__ import annotations

import pytest

from tidegate import scalers
from tidegate.kit.scaler import Polled


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        ("redis", True),
        ("redis-cluster", True),
        ("redis-sentinel", True),
        ("kubernetes-workload", False),
        ("cron", False),
    ],
)
def test_workers_take_items_off_lists_and_nothing_off_pods_and_clocks(type: str, expected: bool) -> None:
    kind = scalers.find(type)
    assert kind is not None
    assert issubclass(kind, Polled)
    assert kind.is_consumed is expected
