"""What becomes of a ScaledJob: how many Jobs, which are deleted, what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from parts.decisions import (
    BROKEN,
    at,
    codes,
    condition,
    cpu,
    events,
    finished,
    job,
    jobs_after,
    scaled_job,
    status_after,
    trigger,
)
from tidegate.api.scaledjob import ScalingStrategy
from tidegate.base.errors import Failure
from tidegate.core.memory import memory_from
from tidegate.core.messages import ACTIVE_TEXT, INACTIVE_TEXT
from tidegate.core.scaledjob.cleanup import cleanup
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledjob.job_count import (
    Queue,
    Range,
    Running,
    queue_of,
    range_of,
    running_of,
    wanted_jobs,
)
from tidegate.core.triggers.state import interpret
from tidegate.core.values import (
    CreateJobs,
    Decision,
    DeleteJobs,
    EmitEvent,
    JobView,
    Memory,
    NoTemplate,
    Refusal,
    TriggerView,
)

NEVER = Memory()
CANNOT_LIST = Failure("Unreachable", "cannot list Jobs: connection refused")


def decide(
    jobs: tuple[JobView, ...] | Failure,
    *triggers: TriggerView,
    memory: Memory = NEVER,
    annotations: dict[str, str] | None = None,
    **spec: Any,
) -> Decision:
    return decide_scaled_job(scaled_job(annotations, **spec), jobs, triggers, memory, at(0))


def created(decision: Decision) -> int:
    rounds = [one for one in decision.actions if isinstance(one, CreateJobs)]
    assert len(rounds) <= 1
    return rounds[0].count if rounds else 0


def deleted(decision: Decision) -> tuple[str, ...]:
    return tuple(name for one in decision.actions if isinstance(one, DeleteJobs) for name in one.names)


def running(count: int) -> tuple[JobView, ...]:
    return tuple(job(f"run-{number}") for number in range(count))


@pytest.mark.parametrize(
    ("maximum", "minimum", "expected"),
    [
        (10, 0, Range(0, 10, 10)),
        (10, None, Range(0, 10, 10)),
        (10, 1, Range(1, 9, 10)),
        (None, 1, Range(1, 100, 101)),
        (None, None, Range(0, 100, 100)),
        # KEDA would let 1 + 1 Jobs run; more than maxReplicaCount never are
        (1, 10, Range(1, 1, 1)),
    ],
)
def test_the_range_of_a_scaled_job(maximum: int | None, minimum: int | None, expected: Range) -> None:
    spec = {"maxReplicaCount": maximum, "minReplicaCount": minimum}
    given = {key: value for key, value in spec.items() if value is not None}
    assert range_of(scaled_job(**given).spec) == expected


FOUR = (
    trigger(20, 0, target=1),
    trigger(10, 1, target=2),
    trigger(5, 2, target=3),
    trigger(7, 3, target=4, activation=7),
)


@pytest.mark.parametrize(
    ("triggers", "mode", "room", "expected"),
    [
        # the active ones are 20/1, 10/2 and 5/3; 7/4 is not above its activation
        (FOUR, "max", Range(0, 100, 100), Queue(True, 20, 20)),
        (FOUR, "min", Range(0, 100, 100), Queue(True, 5, 2)),
        # (20 + 10 + 5) / 3 = 11.7 → 12; (20 + 5 + 1.67) / 3 = 8.9 → 9
        (FOUR, "avg", Range(0, 100, 100), Queue(True, 12, 9)),
        # 35; 26.67 → 27
        (FOUR, "sum", Range(0, 100, 100), Queue(True, 35, 27)),
        (FOUR, "sum", Range(0, 25, 25), Queue(True, 35, 25)),
        ((trigger(20, target=2),), "max", Range(1, 99, 100), Queue(True, 20, 10)),
        ((trigger(0, target=2),), "max", Range(1, 99, 100), Queue(True, 0, 0)),
        ((trigger(0), trigger(0, 1)), "sum", Range(0, 100, 100), Queue(False, 0, 0)),
        ((trigger(0, active=True),), "max", Range(0, 100, 100), Queue(False, 0, 0)),
        ((trigger(0, active=True), trigger(4, 1)), "min", Range(0, 100, 100), Queue(True, 0, 0)),
        ((trigger(3, target_type="Value"),), "max", Range(0, 100, 100), Queue(True, 3, 0)),
        ((cpu(), trigger(BROKEN, 1)), "max", Range(0, 100, 100), Queue(False, 0, 0)),
        ((trigger(BROKEN), trigger(3, 1, target=1)), "max", Range(0, 100, 100), Queue(True, 3, 3)),
        # 0.9 / 0.3 is 3, although it is 3.0000000000000004 in floats
        ((trigger(0.9, target=0.3),), "max", Range(0, 100, 100), Queue(True, 1, 3)),
    ],
)
def test_several_triggers_become_one_queue(
    triggers: tuple[TriggerView, ...], mode: str, room: Range, expected: Queue
) -> None:
    assert queue_of(triggers, interpret(triggers), mode, room) == expected
    backwards = tuple(reversed(triggers))
    assert queue_of(backwards, interpret(backwards), mode, room) == expected


@pytest.mark.parametrize("mode", ["min", "max"])
def test_of_equal_queues_the_first_listed_counts(mode: str) -> None:
    first, second = trigger(250, 0, target=10), trigger(250, 1, target=3)
    for triggers, jobs in (((first, second), 25), ((second, first), 84)):
        found = queue_of(triggers, interpret(triggers), mode, Range(0, 100, 100))
        assert found == Queue(True, 250, jobs)
    strategy = {"strategy": "eager", "multipleScalersCalculation": mode}
    seen = (trigger(250, 0, target=10, snapshot=()), trigger(250, 1, target=3, snapshot=()))
    assert created(decide((), *seen, scalingStrategy=strategy)) == 25


@pytest.mark.parametrize(
    ("name", "more", "wanted", "busy", "pending", "most", "expected"),
    [
        (None, {}, 3, 2, 0, 5, 1),
        ("default", {}, 3, 2, 0, 5, 1),
        ("default", {}, 2, 0, 0, 5, 2),
        ("default", {}, 3, 5, 0, 5, 0),
        # custom: wanted - deduction - share × running, at most the room
        ("custom", {"deduction": 1, "share": "0.5"}, 3, 2, 0, 5, 1),
        ("custom", {"deduction": 1, "share": "0.5"}, 10, 0, 0, 10, 9),
        ("custom", {"deduction": 2, "share": "0"}, 3, 2, 0, 5, 1),
        ("custom", {"share": "0.5"}, 10, 2, 0, 100, 9),
        ("custom", {"share": "0.5"}, 10, 0, 0, 100, 10),
        ("custom", {"deduction": -2, "share": "0"}, 3, 2, 0, 4, 4),
        ("custom", {"deduction": 1, "share": "half"}, 3, 2, 0, 5, 1),
        ("custom", {"deduction": 1}, 3, 2, 0, 5, 1),
        # exact: in floats 100 times 0.29 is less than 29
        ("custom", {"share": "0.29"}, 30, 100, 0, 200, 1),
        ("custom", {"share": "5e-1"}, 10, 2, 0, 100, 9),
        ("custom", {"share": "-1e300"}, 3, 2, 0, 5, 5),
        # no float holds it, so it is no number and the default strategy counts; and it costs nothing
        ("custom", {"share": "1e10000000"}, 3, 2, 0, 5, 1),
        ("custom", {"share": "9" * 100_000}, 3, 2, 0, 5, 1),
        ("custom", {"share": "1e-10000000"}, 3, 2, 0, 5, 3),
        ("custom", {"share": "0." + "5" * 100_000}, 10, 2, 0, 100, 9),
        # accurate: wanted - pending, at most the free places
        ("accurate", {}, 3, 2, 0, 5, 3),
        ("accurate", {}, 5, 2, 0, 5, 3),
        ("accurate", {}, 3, 4, 2, 10, 1),
        ("accurate", {}, 5, 4, 2, 5, 1),
        ("accurate", {}, 3, 3, 3, 5, 0),
        ("accurate", {}, 15, 15, 15, 20, 0),
        ("accurate", {}, 20, 15, 10, 20, 5),
        # eager: the places that are neither running nor pending, at most what is wanted
        ("eager", {}, 4, 3, 0, 10, 4),
        ("eager", {}, 4, 0, 3, 10, 4),
        ("eager", {}, 4, 7, 0, 10, 3),
        ("eager", {}, 4, 1, 6, 10, 3),
        ("eager", {}, 15, 0, 0, 10, 10),
    ],
)
def test_strategies(
    name: Any, more: dict[str, Any], wanted: int, busy: int, pending: int, most: int, expected: int
) -> None:
    strategy = ScalingStrategy(
        strategy=name,
        custom_scaling_queue_length_deduction=more.get("deduction"),
        custom_scaling_running_job_percentage=more.get("share"),
    )
    queue, count = Queue(True, 1000, wanted), Running(busy, busy, pending)
    assert wanted_jobs(strategy, queue, count, Range(0, most, most)) == expected


def test_no_more_jobs_than_the_queue_is_long() -> None:
    # a target of 0.5 asks for 8 Jobs, but there are 4 messages
    assert created(decide((), trigger(4, target=0.5))) == 4
    eager = {"strategy": "eager"}
    assert created(decide((), trigger(4, target=0.5, snapshot=()), scalingStrategy=eager)) == 8
    # a clock trigger has no moment of asking: each decision would ask for eight more
    assert created(decide((), trigger(4, target=0.5), scalingStrategy=eager)) == 4


@pytest.mark.parametrize(
    ("spec", "jobs", "value", "expected", "code"),
    [
        ({"maxReplicaCount": 5}, 0, 181, 5, "JobsCreated"),
        ({"maxReplicaCount": 5}, 3, 181, 2, "JobsCreated"),
        ({"maxReplicaCount": 5}, 5, 181, 0, "EnoughJobs"),
        ({"maxReplicaCount": 5}, 7, 181, 0, "EnoughJobs"),
        ({}, 0, 0, 0, "EnoughJobs"),
        ({"minReplicaCount": 2}, 0, 0, 2, "MinimumJobs"),
        ({"minReplicaCount": 2}, 1, 9, 1, "MinimumJobs"),
        ({"minReplicaCount": 2}, 2, 0, 0, "EnoughJobs"),
        ({"minReplicaCount": 2, "maxReplicaCount": 1}, 0, 0, 1, "MinimumJobs"),
        # one Job of two is the minimum's, so one is left for the events: 2 in all
        ({"minReplicaCount": 1, "maxReplicaCount": 10}, 1, 1, 1, "JobsCreated"),
        # 4 - 2 = 2 places for 3 events
        ({"minReplicaCount": 2, "maxReplicaCount": 4}, 2, 3, 2, "JobsCreated"),
        # custom would create 4 beside 2 of at most 4
        (
            {
                "maxReplicaCount": 4,
                "scalingStrategy": {
                    "strategy": "custom",
                    "customScalingQueueLengthDeduction": -2,
                    "customScalingRunningJobPercentage": "0",
                },
            },
            2,
            9,
            2,
            "JobsCapped",
        ),
    ],
)
def test_how_many_jobs_are_created(
    spec: dict[str, Any], jobs: int, value: float, expected: int, code: str
) -> None:
    there = running(jobs)
    decision = decide(there, trigger(value, target=1, snapshot=there), **spec)
    assert created(decision) == expected
    assert codes(decision)[-1] == code


def test_the_minimum_does_not_wait_for_a_reading() -> None:
    for reading in (BROKEN, None):
        assert created(decide(running(1), trigger(reading), minReplicaCount=2)) == 1


@pytest.mark.parametrize("snapshot", [(), CANNOT_LIST])
def test_who_cannot_list_creates_and_deletes_nothing(snapshot: Any) -> None:
    jobs = CANNOT_LIST if snapshot == () else ()
    decision = decide(
        jobs, trigger(9, target=1, snapshot=snapshot), minReplicaCount=2, failedJobsHistoryLimit=0
    )
    assert created(decision) == 0
    assert deleted(decision) == ()
    assert codes(decision)[-1] == "JobsUnreadable"
    after = status_after(scaled_job(), decision)
    assert condition(after, "Ready") == ("False", "ScaledJobCheckFailed", CANNOT_LIST.message)


@pytest.mark.parametrize(
    ("snapshot", "jobs", "expected"),
    [
        # nothing happened since the question: 2 run
        (("a", "b"), ("a", "b"), 2),
        # a has ended since: its message may be in the value
        (("a", "b"), ("A", "b"), 2),
        # and it may have been deleted
        (("a", "b"), ("b",), 2),
        # a had ended before: its message is gone
        (("A", "b"), ("A", "b"), 1),
        (("A", "b"), ("b",), 1),
        # c was made since: it takes a message that is in the value
        (("a",), ("a", "c"), 2),
        # even if it has ended already
        (("a",), ("a", "C"), 2),
        ((), ("C",), 1),
    ],
)
def test_a_job_counts_by_what_the_reading_can_know(
    snapshot: tuple[str, ...], jobs: tuple[str, ...], expected: int
) -> None:
    """A capital letter is a finished Job."""
    view = trigger(9, target=1, snapshot=_views(snapshot))
    decision = decide(_views(jobs), view, maxReplicaCount=9)
    assert created(decision) == 9 - expected


def test_a_round_is_remembered_until_every_reading_is_newer() -> None:
    object = scaled_job(maxReplicaCount=5)
    old = trigger(3, target=1, when=at(0), snapshot=())
    first = decide_scaled_job(object, (), (old,), NEVER, at(1))
    assert created(first) == 3
    # the three have ended and are gone before anybody saw them: the same reading asks for nothing more
    again = decide_scaled_job(object, (), (old,), first.memory, at(5))
    assert created(again) == 0
    # an equal value asked for afterwards does
    new = trigger(3, target=1, when=at(6), snapshot=())
    later = decide_scaled_job(object, (), (new,), again.memory, at(7))
    assert created(later) == 3
    assert [one.at for one in later.memory.created] == [at(7)]
    (action,) = [one for one in later.actions if isinstance(one, CreateJobs)]
    assert action.round == 2


def test_a_clock_that_is_set_back_keeps_a_round_until_the_next_reading_and_no_longer() -> None:
    """The Jobs have ended and are gone: nothing but the memory tells of them."""
    object, hour_s = scaled_job(maxReplicaCount=5), 3_600
    old = trigger(3, target=1, when=at(hour_s), snapshot=())
    decision = decide_scaled_job(object, (), (old,), NEVER, at(hour_s))
    counts = [created(decision)]
    for moment, view in [(0, old), (10, old), (20, 20), (30, 20), (40, 40)]:
        if isinstance(view, int):
            view = trigger(3, target=1, when=at(view), snapshot=())
        decision = decide_scaled_job(object, (), (view,), decision.memory, at(moment))
        counts.append(created(decision))
    assert counts == [3, 0, 0, 0, 0, 3]


def test_a_clock_that_is_off_keeps_no_round_in_memory() -> None:
    object = scaled_job(maxReplicaCount=5)
    off = trigger(0, 1, active=False, when=at(0), snapshot=())
    first = decide_scaled_job(object, (), (trigger(1, target=1, when=at(1), snapshot=()), off), NEVER, at(1))
    assert len(first.memory.created) == 1
    later = trigger(0, target=1, when=at(31), snapshot=jobs_after(object, (), first))
    second = decide_scaled_job(object, (), (later, off), first.memory, at(31))
    assert second.memory.created == ()


def test_a_second_trigger_cannot_ask_again_for_what_the_first_was_given() -> None:
    object = scaled_job(maxReplicaCount=10)
    first = decide_scaled_job(object, (), (trigger(3, target=1, when=at(0), snapshot=()),), NEVER, at(1))
    both = (trigger(3, target=1, when=at(0), snapshot=()), trigger(4, 1, target=1, when=at(2), snapshot=()))
    second = decide_scaled_job(object, (), both, first.memory, at(3))
    assert created(second) == 1


def test_a_round_goes_on_from_the_claimed_one() -> None:
    annotated = {"tidegate.dev/round": "41"}
    decision = decide((), trigger(3, target=1), annotations=annotated)
    assert CreateJobs(42, 3) in decision.actions
    ahead = decide((), trigger(3, target=1), annotations=annotated, memory=Memory(round=50))
    assert CreateJobs(51, 3) in ahead.actions
    # the annotation was lost: the Jobs know
    seen = (job("a", round=70, is_finished=True), job("b", round=69))
    assert CreateJobs(71, 2) in decide(seen, trigger(3, target=1)).actions
    assert memory_from(scaled_job(annotated), at(0)).round == 41
    assert memory_from(scaled_job({"tidegate.dev/round": "x"}), at(0)).round == 0


def test_an_accurate_queue_gives_messages_to_pending_jobs_and_to_those_made_since() -> None:
    asked = (job("a"), job("b", is_pending=True))
    jobs = (job("a"), job("b"), job("c"), job("D", is_finished=True))
    # a had taken its message; b had not; c and D were made since: 3 messages of the 9 are theirs
    view = trigger(9, target=1, snapshot=asked)
    decision = decide(jobs, view, maxReplicaCount=20, scalingStrategy={"strategy": "accurate"})
    assert created(decision) == 6


@pytest.mark.parametrize(
    "strategy",
    [
        {"strategy": "eager"},
        {"strategy": "custom", "customScalingRunningJobPercentage": "0"},
        {"strategy": "accurate"},
        {"strategy": "default"},
    ],
)
def test_one_reading_asks_once_whatever_the_strategy(strategy: dict[str, Any]) -> None:
    object = scaled_job(maxReplicaCount=20, scalingStrategy=strategy)
    view = trigger(4, target=1, snapshot=())
    first = decide_scaled_job(object, (), (view,), NEVER, at(1))
    jobs = jobs_after(object, (), first)
    second = decide_scaled_job(object, jobs, (view,), first.memory, at(2))
    assert (created(first), created(second)) == (4, 0)


def test_a_clock_trigger_has_no_snapshot_and_counts_jobs_as_they_are() -> None:
    assert running_of(_views(("a", "B")), (), ()) == Running(1, 1, is_asked=False)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"successfulJobsHistoryLimit": 2}, ["c1"]),
        ({"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 2}, ["c1", "c2", "f1"]),
        (
            {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0},
            ["c1", "c2", "c3", "f1", "f2", "f3"],
        ),
        ({}, []),
    ],
)
def test_history_deletes_the_oldest_of_each_kind(limits: dict[str, int], expected: list[str]) -> None:
    complete = tuple(finished(job(f"c{number}"), at(10 * number)) for number in (3, 1, 2))
    # failed Jobs have no completion time: the creation decides, then the name
    failed = tuple(
        job(f"f{number}", is_finished=True, is_failed=True, created_at=at(number > 2)) for number in (2, 3, 1)
    )
    jobs = (*failed, *complete, job("running"))
    decision = decide(jobs, trigger(0), **limits)
    assert list(deleted(decision)) == expected
    assert sorted(deleted(decide(tuple(reversed(jobs)), trigger(0), **limits))) == sorted(expected)


def test_without_limits_a_hundred_of_each_kind_are_kept() -> None:
    jobs = tuple(
        finished(job(f"{kind}{number:03}"), at(number), is_failed=kind == "f")
        for kind in "cf"
        for number in range(101)
    )
    assert deleted(decide(jobs, trigger(0))) == ("c000", "f000")


class Name(str):
    """A name that counts how often it is compared and looked up."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        Name.looks += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        Name.looks += 1
        return str.__hash__(self)


@pytest.mark.parametrize("spec", [{"successfulJobsHistoryLimit": 0}, {"rollout": {"strategy": "immediate"}}])
def test_what_is_deleted_is_found_in_a_few_looks_at_each_job(spec: dict[str, Any]) -> None:
    names = [Name(f"job-{number:03}") for number in range(400)]
    jobs = tuple(
        finished(job(name, generation="3" if number % 2 else "2"), at(number))
        for number, name in enumerate(names)
    )
    Name.looks = 0
    assert cleanup(scaled_job(**spec), jobs, (), at(400)).deletions
    assert Name.looks < 20 * len(jobs)


def test_a_job_that_a_used_reading_still_counts_is_not_deleted_yet() -> None:
    jobs = (finished(job("a"), at(1)), finished(job("b"), at(2)))
    view = trigger(1, target=1, snapshot=(job("a", is_finished=True), job("b")))
    assert deleted(decide(jobs, view, successfulJobsHistoryLimit=0)) == ("a",)


@pytest.mark.parametrize(
    ("spec", "expected", "propagation"),
    [
        ({}, (), None),
        ({"rollout": {"strategy": "gradual"}}, (), None),
        ({"rollout": {"strategy": "immediate"}}, ("old", "older", "nameless"), "Background"),
        ({"rolloutStrategy": "immediate"}, ("old", "older", "nameless"), "Background"),
        ({"rolloutStrategy": "gradual", "rollout": {"strategy": "immediate"}}, (), None),
        (
            {"rollout": {"strategy": "immediate", "propagationPolicy": "foreground"}},
            ("old", "older", "nameless"),
            "Foreground",
        ),
    ],
)
def test_old_generations_run_to_their_end_unless_the_manifest_says_immediate(
    spec: dict[str, Any], expected: tuple[str, ...], propagation: str | None
) -> None:
    jobs = (
        job("current"),
        job("old", generation="2"),
        job("older", generation="1", is_finished=True),
        job("nameless", generation=""),
    )
    decision = decide(jobs, trigger(4, target=1), maxReplicaCount=4, **spec)
    assert deleted(decision) == expected
    # old ones count as running: one place is left
    assert created(decision) == 1
    if propagation is not None:
        (deletion,) = [one for one in decision.actions if isinstance(one, DeleteJobs)]
        assert deletion.propagation == propagation
        assert deletion.then is not None
        assert deletion.then.message == "Deleted 3 jobs owned by the previous version of the scaledJob"
        assert deletion.before == EmitEvent(
            "Normal",
            "ScaledJobRolloutCleanupStarted",
            "Deleting 3 jobs owned by the previous version of the scaledJob",
        )


def test_a_job_on_its_way_out_counts_until_it_is_gone_and_is_not_deleted_again() -> None:
    immediate = {"rollout": {"strategy": "immediate"}, "successfulJobsHistoryLimit": 1}
    old = job("old", generation="2", is_ending=True)
    done = job("a", is_finished=True, is_ending=True)
    assert created(decide((old, done), trigger(3, target=1), maxReplicaCount=3, **immediate)) == 2
    assert deleted(decide((old, done), trigger(3, target=1), **immediate)) == ()
    # those that go leave their place in the history to the others
    kept = (job("b", is_finished=True), job("c", is_finished=True))
    assert deleted(decide((done, *kept), trigger(0), **immediate)) == ("b",)


def test_a_job_from_a_template_that_was_replaced_is_of_the_previous_version() -> None:
    jobs = (job("a", is_replaced=True), job("b"))
    assert deleted(decide(jobs, trigger(0), rollout={"strategy": "immediate"})) == ("a",)
    assert deleted(decide(jobs, trigger(0))) == ()


def test_without_a_template_no_job_is_created_and_deletions_go_on() -> None:
    missing = NoTemplate("Misconfigured", "jobTargetRef names the Job shop/model, which does not exist")
    object = scaled_job(minReplicaCount=2, successfulJobsHistoryLimit=0, rollout={"strategy": "immediate"})
    jobs = (job("old", generation="2"), job("done", is_finished=True))
    decision = decide_scaled_job(object, jobs, (trigger(9, target=1),), NEVER, at(0), missing)
    assert created(decision) == 0
    assert deleted(decision) == ("old", "done")
    after = status_after(object, decision)
    assert condition(after, "Ready") == ("False", "ScaledJobCheckFailed", missing.message)
    assert condition(after, "Active") == ("Unknown", "UnknownState", "ScaledJob check failed")
    assert [one for _, one, _ in events(decision)] == ["ScaledJobCheckFailed"]
    assert codes(decision) == ["Active", "TemplateMissing", "RolledOut", "HistoryTrimmed"]
    assert decide_scaled_job(after, (), (trigger(9, target=1),), NEVER, at(1), missing).actions == ()


def test_a_job_that_could_not_be_deleted_is_told_of_and_tried_again_later() -> None:
    immediate = {"rollout": {"strategy": "immediate"}, "failedJobsHistoryLimit": 0}

    def refused(name: str, until: float, **more: Any) -> JobView:
        cause = f'jobs.batch "{name}" is forbidden'
        return job(name, refused=Refusal(cause, at(until - 30)), **more)

    jobs = (
        refused("crunch-a", 30, generation="2"),
        refused("crunch-b", 20, generation="2"),
        job("c", generation="2"),
        refused("f", 10, is_finished=True, is_failed=True),
        job("g", is_finished=True, is_failed=True),
    )
    object = scaled_job(**immediate)
    early = decide_scaled_job(object, jobs, (trigger(0),), NEVER, at(5))
    assert deleted(early) == ("c", "g")
    assert early.due == at(10)
    message = 'Not able to delete job: crunch-a (and 1 more): jobs.batch "crunch-a" is forbidden'
    assert condition(status_after(object, early), "Ready") == ("False", "ScaledJobCheckFailed", message)
    late = decide_scaled_job(object, jobs, (trigger(0),), NEVER, at(25))
    rolled, trimmed = (one for one in late.actions if isinstance(one, DeleteJobs))
    assert (rolled.names, trimmed.names) == (("crunch-b", "c"), ("f", "g"))
    assert rolled.before is not None
    assert rolled.before.message.startswith("Deleting 1 jobs"), "the other was told as started before"
    assert late.due == at(30)
    # the clock was set back an hour
    assert deleted(decide_scaled_job(object, jobs[:1], (trigger(0),), NEVER, at(-3600))) == ("crunch-a",)
    # what the history limits are to delete is no reason not to be ready
    alone = decide_scaled_job(object, jobs[3:], (trigger(0),), NEVER, at(5))
    assert condition(status_after(object, alone), "Ready")[0] == "True"


def test_a_paused_scaled_job_does_nothing() -> None:
    object = scaled_job({"autoscaling.keda.sh/paused": "true"}, minReplicaCount=2, failedJobsHistoryLimit=0)
    jobs = (job("f", is_finished=True, is_failed=True),)
    decision = decide_scaled_job(object, jobs, (trigger(9, target=1),), NEVER, at(0))
    assert created(decision) == 0
    assert deleted(decision) == ()
    assert ("Normal", "ScaledJobPaused", "ScaledJob is paused") in events(decision)
    after = status_after(object, decision)
    assert condition(after, "Paused") == ("True", "ScaledJobPaused", "ScaledJob is paused")
    assert condition(after, "Ready")[2] == "ScaledJob is paused, skipping reconcile loop"
    back = replace_annotations(after)
    resumed = decide_scaled_job(back, (), (trigger(0),), NEVER, at(1))
    assert ("Normal", "ScaledJobUnpaused", "ScaledJob is unpaused") in events(resumed)


@pytest.mark.parametrize(
    ("triggers", "ready", "active"),
    [
        ((trigger(3),), ("True", "ScaledJobReady"), ("True", "ScalerActive")),
        ((trigger(0),), ("True", "ScaledJobReady"), ("False", "ScalerNotActive")),
        ((trigger(BROKEN),), ("False", "TriggerError"), ("False", "ScalerNotActive")),
        ((trigger(BROKEN), trigger(2, 1)), ("Unknown", "PartialTriggerError"), ("True", "ScalerActive")),
        ((trigger(None),), ("True", "ScaledJobReady"), ("Unknown", None)),
        ((trigger(BROKEN), trigger(None, 1)), ("False", "TriggerError"), ("Unknown", None)),
    ],
)
def test_conditions(triggers: tuple[TriggerView, ...], ready: Any, active: Any) -> None:
    object = scaled_job()
    after = status_after(object, decide_scaled_job(object, (), triggers, NEVER, at(0)))
    assert condition(after, "Ready")[:2] == ready
    assert condition(after, "Active")[:2] == active
    assert condition(after, "Fallback") == ("Unknown", None, None)


@pytest.mark.parametrize(
    ("triggers", "active"),
    [
        ((trigger(BROKEN),), ("Unknown", "UnknownState", "ScaledJob check failed")),
        ((trigger(BROKEN), trigger(0, 1)), ("Unknown", "UnknownState", "ScaledJob check failed")),
        ((trigger(BROKEN), trigger(3, 1)), ("True", "ScalerActive", ACTIVE_TEXT)),
        ((trigger(0),), ("False", "ScalerNotActive", INACTIVE_TEXT)),
    ],
)
def test_of_a_wrong_trigger_nobody_knows_whether_it_is_active(
    triggers: tuple[TriggerView, ...], active: Any
) -> None:
    object, check = scaled_job(), Failure("Misconfigured", "no scaler found for type: mood")
    decision = decide_scaled_job(object, (), triggers, NEVER, at(0), check)
    after = status_after(object, decision)
    assert condition(after, "Ready")[:2] == ("False", "ScaledJobCheckFailed")
    assert condition(after, "Active") == active
    told = [one[1] for one in events(decision) if "ctive" in one[1]]
    assert told == {"True": ["ScaledJobActive"], "False": ["ScaledJobInactive"]}.get(active[0], [])


@pytest.mark.parametrize("first", [BROKEN, 0, 3, None])
def test_a_failure_that_was_told_stays_until_all_triggers_are_measured(first: Any) -> None:
    object = scaled_job(triggers=[{"type": "redis", "metadata": {}}] * 2)
    failing = decide_scaled_job(object, (), (trigger(3), trigger(BROKEN, 1)), NEVER, at(0))
    before = status_after(object, failing)
    unread = decide_scaled_job(before, (), (trigger(first), trigger(None, 1)), NEVER, at(1))
    after = status_after(before, unread)
    assert after.status.conditions == before.status.conditions
    assert [one for one in events(unread) if "ctive" in one[1] or "Ready" in one[1]] == []


def test_activity_is_told_when_the_condition_changes() -> None:
    object, memory = scaled_job(), NEVER
    told = []
    for second, value in enumerate((0, 3, 3, 0, 0)):
        decision = decide_scaled_job(object, (), (trigger(value),), memory, at(second))
        object, memory = status_after(object, decision), decision.memory
        told.append([one[1] for one in events(decision) if "ctive" in one[1]])
    assert told == [["ScaledJobInactive"], ["ScaledJobActive"], [], ["ScaledJobInactive"], []]
    assert memory.last_active == at(3)


@pytest.mark.parametrize(
    ("strategy", "arriving", "expected"),
    [("accurate", (4, 4, 4), [4, 8, 10]), ("eager", (4, 4, 8), [4, 8, 10])],
)
def test_jobs_that_take_their_message_at_once_leave_room_for_those_that_come(
    strategy: str, arriving: tuple[int, ...], expected: list[int]
) -> None:
    strategies = {"strategy": strategy}
    object = scaled_job(maxReplicaCount=10, scalingStrategy=strategies, pollingInterval=10)
    memory, jobs, counts = NEVER, (), []
    for poll, messages in enumerate(arriving):
        view = trigger(messages, target=1, when=at(10 * poll), snapshot=jobs)
        decision = decide_scaled_job(object, jobs, (view,), memory, at(10 * poll + 1))
        memory = decision.memory
        jobs = tuple(replace(one, is_pending=False) for one in jobs_after(object, jobs, decision))
        counts.append(len(jobs))
    assert counts == expected


def test_a_whole_queue_is_worked_off_without_one_job_too_many() -> None:
    """181 messages, at most 5 Jobs, each takes one message and ends; readings come late."""
    object = scaled_job(maxReplicaCount=5, successfulJobsHistoryLimit=3)
    memory, jobs, left, made, second = NEVER, (), 181, 0, 0.0
    while second < 400:
        # the question is sent, one Job ends before the answer is decided about
        view = trigger(left, target=1, when=at(second), snapshot=jobs)
        busy = [one for one in jobs if not one.is_finished]
        if busy:
            left -= 1
            ended = finished(busy[0], at(second))
            jobs = tuple(ended if one.name == ended.name else one for one in jobs)
        for look in range(2):
            decision = decide_scaled_job(object, jobs, (view,), memory, at(second + 0.3 + look / 10))
            made += created(decision)
            memory = decision.memory
            jobs = jobs_after(object, jobs, decision)
            assert sum(not one.is_finished for one in jobs) <= 5
        second += 1
    assert (left, made) == (0, 181)
    assert len(jobs) == 3


def _views(names: tuple[str, ...]) -> tuple[JobView, ...]:
    return tuple(job(name.lower(), is_finished=name.isupper()) for name in names)


def replace_annotations(object: Any) -> Any:
    return msgspec.structs.replace(object, metadata=msgspec.structs.replace(object.metadata, annotations={}))
