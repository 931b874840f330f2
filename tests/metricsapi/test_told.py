"""What is kept, and how moments of another clock are understood."""

from __future__ import annotations

import math

from tidegate.api.metric_stream import Metric
from tidegate.metricsapi import told
from tidegate.metricsapi.offset import WINDOW_S, Offset
from tidegate.metricsapi.told import Memory, Told


def metric(number: int) -> Metric:
    return Metric("shop", f"web{number}", "s0-redis")


def test_a_message_that_took_long_makes_nothing_look_younger() -> None:
    offset = Offset()
    offset.heard(sent_s=100.0, now_s=1100.1)
    offset.heard(sent_s=101.0, now_s=1109.0)
    # Measured when it was sent, eight seconds before it came.
    assert math.isclose(offset.here(101.0), 1101.1)


def test_a_clock_that_runs_faster_or_slower_is_followed() -> None:
    offset = Offset()
    for minutes in range(120):
        now_s = minutes * 60.0
        offset.heard(sent_s=now_s * 0.999, now_s=now_s)
        offset.heard(sent_s=now_s * 0.999 + 30, now_s=now_s + 30.03)
    assert abs(offset.here(now_s * 0.999) - now_s) < 2 * WINDOW_S * 0.001 + 0.05


def test_before_the_first_message_nothing_is_of_now() -> None:
    assert Offset().here(7.0) == -math.inf


def test_a_value_is_good_until_it_is_too_old() -> None:
    one = Told((7.0,), measured_s=100.0, max_age_s=15.0, asked_s=0.0)
    assert one.is_good(115.0)
    assert not one.is_good(115.1)


def test_the_oldest_is_forgotten_first_and_its_number_with_it() -> None:
    memory = Memory()
    forgotten = []
    for number in range(told.MOST_TOLD + 2):
        memory.name(number, metric(number))
        forgotten += memory.keep(metric(number), Told((1.0,), 0.0, 1.0, 0.0, number))
    assert forgotten == [0, 1]
    assert memory.named(0) is None
    assert len(memory) == told.MOST_TOLD


def test_after_a_stream_values_stay_and_numbers_do_not() -> None:
    memory = Memory()
    memory.name(1, metric(1))
    memory.keep(metric(1), Told((1.0,), 0.0, 1.0, 0.0, 1))
    memory.forget_numbers()
    kept = memory.get(metric(1))
    assert kept is not None
    assert kept.number is None
    assert memory.named(1) is None
