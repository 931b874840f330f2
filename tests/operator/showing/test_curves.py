"""How numbers went, in little memory."""

from __future__ import annotations

import pytest

from tidegate.operator.showing.curves import KEPT_S, MOST_POINTS, Curves

KEY = "web"


def taken(*values: float | None, step_s: float = 2.0) -> Curves:
    curves = Curves()
    for number, value in enumerate(values):
        curves.take(KEY, number * step_s, {"replicas": value})
    return curves


def test_what_stays_the_same_is_one_point() -> None:
    assert taken(3, 3, 3).of(KEY) == {"replicas": [[0, 3]]}
    assert taken(3, 3, 4, 4, 3).of(KEY) == {"replicas": [[0, 3], [4, 4], [8, 3]]}


def test_what_nobody_knew_is_no_zero() -> None:
    assert taken(3, None, None, 0).of(KEY) == {"replicas": [[0, 3], [2, None], [6, 0]]}


def test_what_is_too_old_goes_but_for_the_value_that_held_then() -> None:
    curves = Curves()
    for moment, value in ((0, 1.0), (100, 2.0), (200, 3.0)):
        curves.take(KEY, moment, {"replicas": value})
    curves.take(KEY, KEPT_S + 150, {"replicas": 3.0})
    assert curves.of(KEY) == {"replicas": [[100, 2], [200, 3]]}


@pytest.mark.parametrize("odd", [1000.0, None])
def test_what_changes_all_the_time_stays_bounded_and_keeps_a_spike_and_a_gap(odd: float | None) -> None:
    values: list[float | None] = [float(number % 2) for number in range(4 * MOST_POINTS)]
    values[300] = odd
    points = taken(*values, step_s=1.0).of(KEY)["replicas"]
    assert len(points) <= MOST_POINTS
    assert [value for _, value in points if value is None or value > 1] == [odd]
    moments = [moment for moment, _ in points]
    assert moments == sorted(moments)
    # The newest half is as it was.
    assert points[-100:] == [[float(one), values[one]] for one in range(len(values) - 100, len(values))]


def test_a_metric_that_is_gone_ends_and_is_forgotten_in_the_end() -> None:
    curves = Curves()
    curves.take(KEY, 0, {"replicas": 1, "metric:a": 5})
    curves.take(KEY, 10, {"replicas": 1})
    assert curves.of(KEY)["metric:a"] == [[0, 5], [10, None]]
    curves.take(KEY, 20 + KEPT_S, {"replicas": 1})
    assert curves.of(KEY) == {"replicas": [[0, 1]]}


def test_objects_that_are_gone_cost_nothing() -> None:
    curves = taken(1)
    curves.keep_only({"another"})
    assert (curves.of(KEY), curves.last(KEY, "replicas", 5)) == ({}, [])


def test_the_newest_points_of_one_curve() -> None:
    assert taken(1, 2, 3).last(KEY, "replicas", 2) == [[2, 2], [4, 3]]
