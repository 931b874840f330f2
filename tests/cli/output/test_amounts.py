"""Values of metrics as people write them."""

from __future__ import annotations

import pytest

from tidegate.cli.output.amounts import usage
from tidegate.cli.output.live_view import worth


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cpu", 0.25, "250m"),
        ("cpu", 1.5, "1.5"),
        ("memory", 512, "512"),
        ("memory", 3.2 * 1024**2, "3.2Mi"),
        ("memory", 2 * 1024**3, "2Gi"),
    ],
)
def test_cores_and_bytes_are_short(name: str, value: float, text: str) -> None:
    assert usage(name, value) == text
    assert worth(name, value) == text


def test_other_metrics_are_plain_numbers() -> None:
    assert worth("s0-redis-jobs", 3.0) == "3"
    assert worth("cpu %", 794.0) == "794"
    assert worth("memory", None) == "?"
