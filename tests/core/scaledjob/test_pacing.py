"""When the next round may start, and which end of a Job does not wait for the poll."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.decisions import BROKEN, at, codes, job, jobs_after, scaled_job, trigger
from tidegate.api.scaledjob import ScalingStrategy
from tidegate.base.errors import Failure
from tidegate.core.memory import refused
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledjob.pacing import asks_anew, next_round
from tidegate.core.values import CreateJobs, Decision, JobView, LastRound, Memory, TriggerView

FULL = Memory(is_full=True)
FREE = Memory(is_full=False)
LIST = trigger(9.0, is_consumed=True)
IDLE_LIST = trigger(0.0, is_consumed=True)
PODS = trigger(9.0, 1)


@pytest.mark.parametrize(
    ("strategy", "ended", "memory", "triggers", "expected"),
    [
        (None, "Complete", FULL, (LIST,), True),
        ("default", "Complete", FULL, (LIST,), True),
        ("", "Complete", FULL, (LIST,), True),
        # the three others take a value for what no Job has taken: they decide at polls
        ("accurate", "Complete", FULL, (LIST,), False),
        ("eager", "Complete", FULL, (LIST,), False),
        ("custom", "Complete", FULL, (LIST,), False),
        # a Job that has failed, or was deleted, has taken nothing
        ("default", "Failed", FULL, (LIST,), False),
        ("default", "", FULL, (LIST,), False),
        # nobody waits for the place
        ("default", "Complete", FREE, (LIST,), False),
        # nothing is taken away from what is counted
        ("default", "Complete", FULL, (PODS,), False),
        ("default", "Complete", FULL, (IDLE_LIST, PODS), False),
        ("default", "Complete", FULL, (trigger(BROKEN, is_consumed=True), PODS), False),
        ("default", "Complete", FULL, (LIST, PODS), True),
        ("default", "Complete", FULL, (LIST, trigger(BROKEN, 1)), True),
    ],
)
def test_which_end_of_a_job_makes_its_object_measure_at_once(
    strategy: Any, ended: str, memory: Memory, triggers: tuple[TriggerView, ...], expected: bool
) -> None:
    written = ScalingStrategy(strategy=strategy) if strategy is not None else None
    assert asks_anew(written, ended, memory, triggers) is expected


@pytest.mark.parametrize(
    ("interval_s", "generation", "age_s", "rest_s"),
    [
        (30, 3, 0, 30),
        (30, 3, 28.5, 1.5),
        # polls are not exactly one interval apart
        (30, 3, 29.1, None),
        (30, 3, 300, None),
        (1, 3, 0.4, 0.6),
        (1, 3, 0.6, None),
        # an edit is a start
        (30, 2, 5, None),
    ],
)
def test_the_polling_interval_after_a_round(
    interval_s: int, generation: int, age_s: float, rest_s: float | None
) -> None:
    object = scaled_job(pollingInterval=interval_s)
    memory = Memory(last_round=LastRound(at(100), generation))
    due = next_round(object, memory, at(100 + age_s))
    assert due == (at(100 + age_s + rest_s) if rest_s is not None else None)
    assert next_round(object, Memory(), at(100)) is None


def created(decision: Decision) -> int:
    return sum(one.count for one in decision.actions if isinstance(one, CreateJobs))


def rounds(object: Any, memory: Memory, *polls: tuple[float, float]) -> list[int]:
    """The Jobs that readings of (second, value) start; those of before have ended by then, and are gone."""
    counts = []
    for second, value in polls:
        view = trigger(value, target=1, when=at(second), snapshot=())
        decision = decide_scaled_job(object, (), (view,), memory, at(second + 0.1))
        memory = decision.memory
        counts.append(created(decision))
    return counts


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({}, [2, 2, 2, 2]),
        ({"strategy": "accurate"}, [2, 0, 0, 2]),
        ({"strategy": "eager"}, [2, 0, 0, 2]),
        ({"strategy": "custom", "customScalingRunningJobPercentage": "0"}, [2, 0, 0, 2]),
    ],
)
def test_rounds_of_all_strategies_but_the_default_are_a_polling_interval_apart(
    strategy: dict[str, Any], expected: list[int]
) -> None:
    object = scaled_job(scalingStrategy=strategy, pollingInterval=30)
    assert rounds(object, Memory(), (0, 2), (1, 2), (20, 2), (30, 2)) == expected


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        # a message that has come back, told of at once
        ([{"round": 7, "failed": True}], [0, 0, 2]),
        ([{"round": 7, "failed": True}, {"round": 7, "failed": True}], [0, 0, 2]),
        # somebody else works on
        ([{"round": 7, "failed": True}, {"round": 6}], [1, 1, 1]),
        ([{"round": 7, "failed": True}, {"round": 7, "failed": False}], [2, 2, 2]),
        # what failed before does not count
        ([{"round": 6, "failed": True}, {"round": 7, "failed": False}], [2, 2, 2]),
        ([], [2, 2, 2]),
    ],
)
def test_a_round_that_has_failed_whole_is_followed_a_polling_interval_later(
    jobs: list[dict[str, Any]], expected: list[int]
) -> None:
    object = scaled_job(pollingInterval=30)
    views = tuple(
        JobView(
            f"crunch-{n}", round=one["round"], is_finished="failed" in one, is_failed=one.get("failed", False)
        )
        for n, one in enumerate(jobs)
    )
    found = []
    for second in (2, 20, 30):
        memory = Memory(round=7, last_round=LastRound(at(0), 3, at(0)))
        view = trigger(2, target=1, when=at(second), snapshot=views)
        decision = decide_scaled_job(object, views, (view,), memory, at(second))
        found.append(created(decision))
        if not created(decision) and all(one.is_finished for one in views):
            assert decision.due == at(30), "and is decided upon then"
    assert found == expected


def test_what_is_held_says_until_when_and_is_decided_upon_then() -> None:
    object = scaled_job(scalingStrategy={"strategy": "accurate"}, pollingInterval=30)
    memory = Memory(last_round=LastRound(at(0), 3))
    view = trigger(2, target=1, when=at(12), snapshot=())
    held = decide_scaled_job(object, (), (view,), memory, at(12))
    assert (created(held), codes(held)[-1], held.due) == (0, "JobsPaced", at(30))
    assert held.reasons[-1].text == (
        "2 Jobs not before 2026-03-02T08:00:30Z: one round per polling interval of 30 s"
    )
    assert created(decide_scaled_job(object, (), (view,), held.memory, at(30))) == 2


def test_jobs_towards_the_minimum_are_a_polling_interval_apart_whatever_is_read() -> None:
    object = scaled_job(minReplicaCount=5, pollingInterval=60)
    first = decide_scaled_job(object, (), (trigger(None),), Memory(), at(0))
    assert created(first) == 5
    again = decide_scaled_job(object, (), (trigger(0, when=at(1), snapshot=()),), first.memory, at(1))
    assert (created(again), codes(again)[-1], again.due) == (0, "JobsPaced", at(60))
    edited = replace_generation(object, 4)
    for one, second in ((object, 60), (edited, 2)):
        assert created(decide_scaled_job(one, (), (trigger(0),), again.memory, at(second))) == 5


def test_a_pause_ends_the_wait() -> None:
    paused = scaled_job({"autoscaling.keda.sh/paused": "true"})
    memory = Memory(last_round=LastRound(at(0), 3))
    assert decide_scaled_job(paused, (), (), memory, at(1)).memory.last_round is None


def test_a_queue_is_served_while_the_minimum_waits() -> None:
    """All five of five have ended well, and messages are left: nobody waits for the poll."""
    object = scaled_job(minReplicaCount=2, maxReplicaCount=5, pollingInterval=60)
    memory = Memory(last_round=LastRound(at(0), 3))
    assert rounds(object, memory, (10, 90)) == [5]
    assert rounds(object, memory, (10, 1)) == [1]


def test_an_edit_starts_no_jobs_for_a_reading_from_before_the_last_round() -> None:
    object = scaled_job(maxReplicaCount=2)
    view = trigger(9, target=1, when=at(0), snapshot=())
    first = decide_scaled_job(object, (), (view,), Memory(), at(1))
    jobs = jobs_after(object, (), first)
    wider = replace_generation(scaled_job(maxReplicaCount=5), 4)
    waits = decide_scaled_job(wider, jobs, (view,), first.memory, at(5))
    assert (created(first), created(waits), codes(waits)[-1]) == (2, 0, "JobsWait")
    assert waits.reasons[-1].text == "3 Jobs for a queue of 9 at the next reading: this one had its round"
    newer = trigger(9, target=1, when=at(6), snapshot=jobs)
    assert created(decide_scaled_job(wider, jobs, (newer,), waits.memory, at(6))) == 3


def test_refused_jobs_do_not_count_and_their_refusal_is_told_until_the_next_reading_tries_again() -> None:
    object, text = scaled_job(), "the API server refused {} of the last round: exceeded quota"
    view = trigger(3, target=1, when=at(0), snapshot=())
    first = decide_scaled_job(object, (), (view,), Memory(), at(1))
    names = [name for one in first.memory.created for name in one.names]
    all_refused = decide_scaled_job(
        object, (), (view,), refused(first.memory, names, "exceeded quota"), at(1)
    )
    assert (created(first), created(all_refused)) == (3, 0)
    assert codes(all_refused)[-2:] == ["JobsWait", "JobsRefused"]
    assert all_refused.reasons[-1].text == text.format("3 Jobs")
    some = refused(first.memory, names[1:], "exceeded quota")
    jobs = tuple(one for one in jobs_after(object, (), first) if one.name == names[0])
    two_refused = decide_scaled_job(object, jobs, (view,), some, at(1))
    assert two_refused.reasons[-2].text.startswith("2 Jobs for a queue of 3 at the next reading")
    assert two_refused.reasons[-1].text == text.format("2 Jobs")
    newer = trigger(3, target=1, when=at(6), snapshot=jobs)
    again = decide_scaled_job(object, jobs, (newer,), two_refused.memory, at(6))
    assert (created(again), codes(again)[-1]) == (2, "JobsCreated")


def test_a_refused_minimum_is_told_while_it_waits_for_the_next_round() -> None:
    object = scaled_job(minReplicaCount=2, pollingInterval=30)
    first = decide_scaled_job(object, (), (trigger(0),), Memory(), at(0))
    names = [name for one in first.memory.created for name in one.names]
    waits = decide_scaled_job(object, (), (trigger(0),), refused(first.memory, names, "no"), at(1))
    assert (created(waits), codes(waits)[-2:], waits.due) == (0, ["JobsPaced", "JobsRefused"], at(30))
    assert created(decide_scaled_job(object, (), (trigger(0),), waits.memory, at(30))) == 2


@pytest.mark.parametrize("mode", ["max", "min", "avg", "sum"])
def test_while_a_trigger_is_not_measured_yet_only_the_minimum_is_created(mode: str) -> None:
    strategy = {"multipleScalersCalculation": mode}
    both = (trigger(20, 0, target=1), trigger(None, 1))
    waits = decide_scaled_job(scaled_job(scalingStrategy=strategy), (), both, Memory(), at(0))
    assert (created(waits), codes(waits)[-1]) == (0, "NotMeasuredYet")
    object = scaled_job(scalingStrategy=strategy, minReplicaCount=2)
    assert created(decide_scaled_job(object, (), both, Memory(), at(0))) == 2
    # one that fails is measured: the others go on without it
    failing = (trigger(20, 0, target=1), trigger(BROKEN, 1))
    object = scaled_job(scalingStrategy=strategy)
    assert created(decide_scaled_job(object, (), failing, Memory(), at(0))) == 20


@pytest.mark.parametrize(
    ("jobs", "value", "spec", "expected"),
    [
        (0, 4, {"maxReplicaCount": 5}, False),
        (0, 5, {"maxReplicaCount": 5}, True),
        (0, 99, {"maxReplicaCount": 5}, True),
        (5, 5, {"maxReplicaCount": 5}, True),
        (4, 4, {"maxReplicaCount": 5}, False),
        (5, 0, {"minReplicaCount": 5, "maxReplicaCount": 5}, True),
        (0, 0, {"minReplicaCount": 5, "maxReplicaCount": 5}, True),
        (0, 0, {"minReplicaCount": 4, "maxReplicaCount": 5}, False),
    ],
)
def test_a_decision_remembers_whether_the_maximum_is_reached(
    jobs: int, value: float, spec: dict[str, Any], expected: bool
) -> None:
    there = tuple(job(f"run-{number}") for number in range(jobs))
    view = trigger(value, target=1, snapshot=there)
    assert decide_scaled_job(scaled_job(**spec), there, (view,), Memory(), at(0)).memory.is_full is expected
    unlisted = Failure("Unreachable", "cannot list Jobs")
    kept = replace(Memory(), is_full=expected)
    assert decide_scaled_job(scaled_job(**spec), unlisted, (view,), kept, at(0)).memory.is_full is expected


def test_a_reading_that_was_asked_for_while_a_round_was_created_makes_up_for_what_has_ended_since() -> None:
    """Two of five ended one after the other, and each end asked anew; nobody waits for the poll."""
    object = scaled_job(maxReplicaCount=5)
    memory, five = Memory(), tuple(job(f"run-{number}") for number in range(5))
    first = trigger(90, target=1, when=at(0), snapshot=five[1:])
    second = trigger(89, target=1, when=at(0.2), snapshot=five[2:])
    one = decide_scaled_job(object, five[2:], (first,), memory, at(0.3))
    jobs = jobs_after(object, five[2:], one)
    other = decide_scaled_job(object, jobs, (second,), one.memory, at(0.4))
    again = decide_scaled_job(object, jobs_after(object, jobs, other), (second,), other.memory, at(0.5))
    assert [created(decision) for decision in (one, other, again)] == [1, 1, 0]


def test_a_clock_that_is_set_back_holds_no_round() -> None:
    object = scaled_job(pollingInterval=30)
    ahead = Memory(last_round=LastRound(at(7_200), 3, at(7_200)))
    assert rounds(object, ahead, (0, 2), (30, 2)) == [0, 2]


def replace_generation(object: Any, generation: int) -> Any:
    metadata = msgspec.structs.replace(object.metadata, generation=generation)
    return msgspec.structs.replace(object, metadata=metadata)


STRATEGIES = st.sampled_from(
    [
        {"strategy": "accurate"},
        {"strategy": "eager"},
        {"strategy": "custom", "customScalingRunningJobPercentage": "0.5"},
        {"strategy": "default"},
    ]
)


@given(
    STRATEGIES,
    st.integers(1, 60),
    st.integers(0, 3),
    st.lists(
        st.tuples(st.floats(0.01, 40), st.integers(0, 9), st.booleans(), st.booleans(), st.integers(0, 9)),
        max_size=30,
    ),
)
def test_whatever_is_read_and_ends_rounds_keep_their_distance(
    strategy: dict[str, Any], interval_s: int, minimum: int, steps: list[tuple[float, int, bool, bool, int]]
) -> None:
    """Each step: seconds passed, the value, whether it is read anew, whether it is an edit, Jobs that end."""
    spec = {"minReplicaCount": minimum, "maxReplicaCount": 8, "pollingInterval": interval_s}
    object = scaled_job(scalingStrategy=strategy, **spec)
    memory, jobs, second = Memory(), tuple[JobView, ...](), 0.0
    view = trigger(None)
    last: tuple[float, int, Any] | None = None
    for passed_s, value, is_read, is_edited, ending in steps:
        second += passed_s
        unfinished = [one.name for one in jobs if not one.is_finished]
        ended = set(unfinished[:ending])
        jobs = tuple(replace(one, is_finished=one.is_finished or one.name in ended) for one in jobs)
        if is_edited:
            object = replace_generation(object, object.metadata.generation + 1)
        if is_read:
            view = trigger(value, target=1, when=at(second), snapshot=jobs)
        decision = decide_scaled_job(object, jobs, (view,), memory, at(second + 0.001))
        memory, jobs = decision.memory, jobs_after(object, jobs, decision)
        if not created(decision):
            continue
        is_paced = strategy["strategy"] != "default" or "MinimumJobs" in codes(decision)
        if last is not None and is_paced and last[1] == object.metadata.generation:
            assert second - last[0] >= interval_s - min(1.0, interval_s / 2)
        if last is not None and "MinimumJobs" not in codes(decision):
            assert view is not last[2], "one reading starts one round"
        last = second, object.metadata.generation, view
