"""Due times: aligned, spread, the same in every process; phases that never hold more than 1,000."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parts.fakeservers import Shop, Stock
from tidegate.measure.backoff import hold_s
from tidegate.measure.counters import Lateness
from tidegate.measure.schedule import (
    PHASE_QUESTIONS,
    Lane,
    next_aligned,
    origin_s,
    phase_share,
)

TESTS = str(Path(__file__).parents[1])


@given(after=st.floats(0, 1e6), origin=st.floats(0, 3_600), step=st.floats(0.25, 3_600))
def test_the_next_aligned_moment_is_never_past_and_never_a_whole_step_away(after, origin, step):
    moment = next_aligned(after, origin, step)
    assert after - 1e-5 <= moment < after + step + 1e-5


def test_rounds_of_different_intervals_meet():
    ten = {round(next_aligned(t, 7.3, 10), 6) for t in range(0, 300, 10)}
    thirty = {round(next_aligned(t, 7.3, 30), 6) for t in range(0, 300, 30)}
    assert thirty < ten


def test_an_origin_is_the_same_in_every_process():
    code = (
        "from parts.fakeservers import Shop;"
        "from tidegate.measure.schedule import origin_s; print(origin_s(Shop('a')))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": TESTS},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {str(origin_s(Shop("a")))}


def test_a_password_does_not_move_the_origin():
    assert origin_s(Shop("a", "old")) == origin_s(Shop("a", "new"))


def test_phases_halve_the_gaps_and_none_moves():
    assert [phase_share(n) for n in range(6)] == [0, 1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8]


def seated(count: int, interval_s: float = 10.0) -> tuple[Lane[str], dict[str, object]]:
    lane: Lane[str] = Lane(0.0, interval_s)
    seats = {str(n): lane.place(str(n), (Stock(Shop(), str(n)),))[0] for n in range(count)}
    return lane, seats


@pytest.mark.parametrize(("count", "phases"), [(1, 1), (1_000, 1), (1_001, 2), (10_000, 10)])
def test_a_lane_has_no_more_phases_than_thousands(count, phases):
    lane, _ = seated(count)
    assert len(lane.phases) == phases
    assert sum(phase.weight for phase in lane.phases.values()) == count
    assert max(phase.weight for phase in lane.phases.values()) <= PHASE_QUESTIONS


def test_equal_questions_share_a_seat_and_a_phase():
    lane: Lane[int] = Lane(0.0, 10.0)
    for n in range(5_000):
        lane.place(n, (Stock(Shop(), "same"),))
    assert len(lane.phases) == 1
    assert len(lane.phases[0].members()) == 5_000


@settings(max_examples=20)
@given(st.lists(st.integers(0, 2_499), max_size=2_500, unique=True))
def test_after_any_departures_dissolving_leaves_no_phase_too_many(leaving):
    lane, seats = seated(2_500)
    for n in leaving:
        lane.leave(str(n), seats[str(n)])
    while any(lane.dissolve(phase) for phase in list(lane.phases.values())):
        pass
    left = 2_500 - len(leaving)
    members = [member for phase in lane.phases.values() for member in phase.members()]
    assert sorted(members) == sorted(set(map(str, range(2_500))) - set(map(str, leaving)))
    assert len(lane.phases) <= -(-left // PHASE_QUESTIONS)
    assert all(seat.phase in lane.phases.values() for seat in lane.seats.values())


def test_the_due_moment_of_a_phase_is_later_than_the_one_just_served():
    lane, _ = seated(1)
    phase = lane.phases[0]
    due = lane.due_after(phase, 0.0)
    assert due == 10.0
    assert lane.due_after(phase, due) == 20.0
    assert lane.due_after(phase, 47.5) == 50.0


@pytest.mark.parametrize(
    ("kind", "strikes", "interval_s", "gap_s", "expected"),
    [
        ("Unreachable", 1, 30, 0, 1),
        ("Unreachable", 4, 30, 0, 8),
        ("Unreachable", 6, 30, 0, 30),  # never rarer than the interval
        ("Unreachable", 99, 300, 0, 60),  # and never rarer than a minute
        ("Unreachable", 99, 0.25, 0, 1),
        ("Malformed", 2, 30, 0, 2),
        ("Denied", 1, 5, 0, 10),
        ("Denied", 3, 5, 0, 40),
        ("Denied", 99, 5, 0, 60),
        ("Misconfigured", 1, 5, 0, 10),
        ("Unreachable", 1, 30, 20, 20),  # a metered server is not asked faster than its gap
    ],
)
def test_how_long_a_server_is_left_alone(kind, strikes, interval_s, gap_s, expected):
    assert hold_s(kind, strikes, interval_s, gap_s) == expected


def test_lateness_knows_its_quantiles():
    lateness = Lateness()
    for milliseconds in [1] * 98 + [40, 5_000]:
        lateness.add(milliseconds / 1_000)
    assert lateness.quantile_s(0.5) == pytest.approx(0.002)
    assert lateness.quantile_s(0.99) == pytest.approx(0.041, abs=0.002)
    assert lateness.quantile_s(1.0) == lateness.max_s == 5.0
    assert Lateness().quantile_s(0.99) == 0.0
