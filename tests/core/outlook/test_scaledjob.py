"""What would start a Job, or one more: the values named are the ones at which it truly does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parts.decisions import BROKEN, at, job, scaled_job, trigger
from tidegate.base.errors import Failure
from tidegate.core.outlook.messages import Prospect, Turn
from tidegate.core.outlook.scaledjob import outlook_jobs
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.values import CreateJobs, JobView, Memory, NextReading, TriggerView

PAUSE = {"autoscaling.keda.sh/paused": "true"}


def busy(count: int, *, pending: int = 0) -> tuple[JobView, ...]:
    return tuple(job(f"job-{number}", is_pending=number < pending) for number in range(count))


def texts(found: tuple[Prospect, ...]) -> list[str]:
    return [one.text for one in found]


@pytest.mark.parametrize(
    ("jobs", "values", "spec", "expected"),
    [
        (0, [0.0], {}, ["s0-redis starts Jobs above 0 (0 now)"]),
        (2, [6.0], {}, ["s0-redis above 10 (6 now): another Job"]),
        (2, [6.0, 9.0], {}, ["s1-redis above 10 (9 now): another Job"]),
        (2, [6.0], {"minReplicaCount": 1}, ["the next reading starts 1 Job if it says the same"]),
        (3, [6.0], {"minReplicaCount": 1}, ["s0-redis above 10 (6 now): another Job"]),
        (
            2,
            [60.0],
            {"maxReplicaCount": 2},
            ["a Job that ends makes room at the next poll: 2 of 2 are unfinished"],
        ),
        (
            3,
            [60.0],
            {"maxReplicaCount": 1},
            ["3 Jobs must end before another begins: 3 are unfinished, at most 1 may be"],
        ),
        # two have ended since the last reading
        (1, [60.0], {"maxReplicaCount": 3}, ["the next reading starts 2 Jobs if it says the same"]),
        (
            4,
            [60.0],
            {"scalingStrategy": {"strategy": "accurate"}, "maxReplicaCount": 6},
            ["the next reading starts 2 Jobs if it says the same"],
        ),
        # room is not what is lacking
        (2, [0.0], {"maxReplicaCount": 2}, ["s0-redis starts Jobs above 0 (0 now)"]),
        (2, [BROKEN], {"maxReplicaCount": 2}, ["s0-redis must be readable again before it starts Jobs"]),
        (2, [6.0], {"scalingStrategy": {"multipleScalersCalculation": "sum"}}, []),
        (0, [None], {}, ["s0-redis is to be measured for the first time"]),
    ],
)
def test_what_stands_in_the_way_of_a_job(
    jobs: int, values: list[Any], spec: dict[str, Any], expected: list[str]
) -> None:
    views = tuple(trigger(value, index) for index, value in enumerate(values))
    assert texts(outlook_jobs(scaled_job(**spec), busy(jobs), views)) == expected


@pytest.mark.parametrize(("pending", "expected"), [(0, "NextReading"), (2, "Begun")])
def test_pending_jobs_are_named_where_they_hold_others_back(pending: int, expected: str) -> None:
    object = scaled_job(scalingStrategy={"strategy": "accurate"})
    found = outlook_jobs(object, busy(3, pending=pending), (trigger(1.0),))
    assert [one.code for one in found] == [expected]


@pytest.mark.parametrize(
    ("now", "next", "expected"),
    [
        (0.0, 12.0, "s0-redis: the window opens at 2026-03-02T11:00:00Z: 12 asked, 3 Jobs wanted"),
        (12.0, 0.0, "s0-redis: the window closes at 2026-03-02T11:00:00Z: it starts no more Jobs"),
    ],
)
def test_a_clock_tells_its_next_moment(now: float, next: float, expected: str) -> None:
    next_reading = NextReading(at(10_800), (next,), next > 0)
    view = replace(trigger(now, active=now > 0), next_reading=next_reading)
    [own] = outlook_jobs(scaled_job(), busy(3), (view,))
    assert (own.text, own.at) == (expected, at(10_800))


def test_a_problem_of_the_object_is_not_told_again_as_one_of_its_trigger() -> None:
    check = Failure("Misconfigured", f"triggers: {BROKEN.message}")
    assert texts(outlook_jobs(scaled_job(), (), (trigger(BROKEN),), check)) == [
        "s0-redis must be corrected before it starts Jobs"
    ]


def test_a_pause_silences_everything_else_and_a_correction_comes_first() -> None:
    (paused,) = outlook_jobs(scaled_job(PAUSE), busy(1), (trigger(0.0),))
    assert paused.code == Turn.UNPAUSE
    wrong, unlisted = Failure("Misconfigured", "address is missing"), Failure("Unreachable", "no answer")
    found = outlook_jobs(scaled_job(), unlisted, (trigger(0.0),), wrong)
    assert [one.code for one in found] == [Turn.CORRECTED, Turn.LISTED]


def created(value: float, jobs: tuple[JobView, ...], target: float, spec: dict[str, Any]) -> int:
    view: TriggerView = trigger(value, target=target, when=at(1), snapshot=jobs)
    decision = decide_scaled_job(scaled_job(**spec), jobs, (view,), Memory(), at(2))
    return sum(one.count for one in decision.actions if isinstance(one, CreateJobs))


@given(st.integers(0, 12), st.integers(0, 40), st.sampled_from([0.5, 1.0, 3.0, 10.0]), st.integers(0, 3))
def test_at_the_named_value_there_is_no_other_job_and_above_it_there_is(
    count: int, value: int, target: float, minimum: int
) -> None:
    spec = {"minReplicaCount": minimum, "maxReplicaCount": 20}
    found = outlook_jobs(scaled_job(**spec), busy(count), (trigger(float(value), target=target),))
    named = {one.code: dict(one.numbers) for one in found}
    assume(Turn.MORE_JOBS in named)
    at_value = float(named[Turn.MORE_JOBS]["at"])
    assert created(at_value, busy(count), target, spec) == 0
    assert created(at_value + 1, busy(count), target, spec) >= 1
