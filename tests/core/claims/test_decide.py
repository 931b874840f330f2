"""What becomes of claimed messages: claimed, renewed, acknowledged, released, put aside."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from parts.claim_world import START
from tidegate.base.errors import Failure
from tidegate.core.claims import answers, breaker
from tidegate.core.claims.decide import BROKER_WAIT, decide_claims, delay_s
from tidegate.core.claims.values import (
    Acknowledge,
    Act,
    Breaker,
    ClaimDecision,
    ClaimMemory,
    DeadLetter,
    GiveBack,
    Message,
    Policy,
    Queue,
    Release,
    Renew,
    Settled,
    Started,
    StartTask,
    Take,
    Taken,
    Unguard,
)
from tidegate.core.reasons import Code
from tidegate.core.values import JobView, Task

POLICY = Policy(maximum=3, attempts=3, lease_s=60.0)
BUSY = Queue(True, START)
EMPTY = Queue(False, START)
SILENT = Failure("Unreachable", "nobody answers")
REFUSED = Failure("Denied", "the user may not")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def message(id: str = "m1", finished: int = 0, until_s: float = 60.0, size: int = 0) -> Message:
    return Message(id, at(until_s), START, finished, size)


def job(
    id: str = "m1",
    attempt: int = 1,
    *,
    ended: str = "",
    is_ending: bool = False,
    is_guarded: bool = True,
    made_s: float = -100.0,
    failed_s: float | None = None,
) -> JobView:
    return JobView(
        f"job-{id}-{attempt}",
        is_finished=bool(ended),
        is_failed=ended == "Failed",
        is_ending=is_ending,
        created_at=at(made_s),
        ended_at=at(failed_s) if failed_s is not None else None,
        task=Task(id, attempt),
        is_guarded=is_guarded,
    )


def known(*held: Message, **fields: object) -> ClaimMemory:
    memory = ClaimMemory(held=held, is_resumed=True, looked=START, short=START)
    return replace(memory, **fields)  # type: ignore[arg-type]


def decide(
    memory: ClaimMemory,
    *jobs: JobView,
    policy: Policy = POLICY,
    queue: Queue = EMPTY,
    now_s: float = 0.0,
) -> ClaimDecision:
    return decide_claims(policy, memory, jobs, queue, at(now_s))


@pytest.mark.parametrize(
    ("memory", "jobs", "expected"),
    [
        # a process that knows nothing asks first, whatever the Jobs say
        (ClaimMemory(), (), [Take(0)]),
        (ClaimMemory(), (job(ended="Complete"),), [Take(0)]),
        # a message without a Job gets the one after those that have ended
        (known(message()), (), [StartTask("m1", 1)]),
        (known(message(finished=1)), (), [StartTask("m1", 2)]),
        # one that runs is left alone
        (known(message()), (job(),), []),
        # of another attempt: it runs all the same, and nothing else of the message may
        (known(message(finished=1)), (job(attempt=1),), []),
        (known(message()), (job(ended="Complete"),), [Acknowledge("m1", "job-m1-1")]),
        (known(message()), (job(ended="Failed"),), [Release("m1", 1, 5.0, "job-m1-1")]),
        # deleted while it ran: it has failed, and its pods take a while to stop
        (known(message()), (job(is_ending=True),), [Release("m1", 1, 30.0, "job-m1-1")]),
        # the last attempt
        (
            known(message(finished=2)),
            (job(attempt=3, ended="Failed"),),
            [DeadLetter("m1", 3, "job-m1-3", "3 Jobs have failed")],
        ),
        # after a crash between answer and finalizer: told again, which changes nothing
        (known(), (job(ended="Complete"),), [Acknowledge("m1", "job-m1-1")]),
        (known(), (job(ended="Failed"),), [Release("m1", 1, 5.0, "job-m1-1")]),
        # counted before: the message is already held for its next Job
        (
            known(message(finished=1)),
            (job(ended="Failed"),),
            [Release("m1", 1, 0.0, "job-m1-1"), StartTask("m1", 2)],
        ),
        # not ours any more and still running: nothing to say yet
        (known(), (job(),), []),
        # answered: the Job may go
        (
            known(settled=frozenset({"job-m1-1"})),
            (job(ended="Complete"),),
            [Unguard("job-m1-1")],
        ),
        (known(freed=frozenset({"job-m1-1"})), (job(ended="Complete"),), []),
        # an attempt too many by a policy that was lowered
        (known(message(finished=3)), (), [DeadLetter("m1", 3, "", "3 Jobs have failed")]),
    ],
)
def test_what_is_done_about_a_message(
    memory: ClaimMemory, jobs: tuple[JobView, ...], expected: list[Act]
) -> None:
    assert list(decide(memory, *jobs).actions) == expected


@pytest.mark.parametrize(
    ("held", "jobs", "expected"),
    [
        (0, (), [Take(3)]),
        (1, (job("m0"),), [Take(3)]),
        (3, (job("m0"), job("m1"), job("m2")), []),
        # others of the object take places, too
        (0, (JobView("from-before"),), [Take(2)]),
        (1, (job("m0"), JobView("one"), JobView("two")), []),
        # its own lost message's Job as well
        (0, (job("lost"),), [Take(2)]),
    ],
)
def test_nothing_is_claimed_that_cannot_start_now(
    held: int, jobs: tuple[JobView, ...], expected: list[Act]
) -> None:
    memory = known(*(message(f"m{number}") for number in range(held)), short=None)
    assert list(decide(memory, *jobs, queue=BUSY).actions) == expected


@pytest.mark.parametrize(
    ("now_s", "expected"), [(0, []), (9, []), (10, [Renew(("m1", "m2"))]), (90, [Renew(("m1", "m2"))])]
)
def test_all_leases_are_renewed_together_when_a_third_is_over(now_s: float, expected: list[Act]) -> None:
    memory = known(message("m1", until_s=50.0), message("m2"), looked=at(now_s))
    decision = decide(memory, job("m1"), job("m2"), now_s=now_s)
    assert list(decision.actions) == expected
    assert decision.due is not None


def test_a_clock_that_was_set_back_lets_no_lease_end_and_no_broker_wait() -> None:
    held = known(message(until_s=3660.0))
    assert list(decide(held, job()).actions) == [Renew(("m1",))]
    trouble = answers.troubled(held, SILENT, at(3600.0)).trouble
    assert list(decide(replace(held, trouble=trouble), job()).actions) == [Renew(("m1",))]


def test_leases_are_renewed_while_paused_and_nothing_is_claimed_or_started() -> None:
    paused = replace(POLICY, is_open=False)
    memory = known(message("m1"), message("m2"), short=None)
    decision = decide(memory, job("m1"), policy=paused, queue=BUSY, now_s=30.0)
    assert list(decision.actions) == [Renew(("m1", "m2"))]
    assert [one.code for one in decision.reasons] == ["ClaimsPaused"]


def test_leases_are_renewed_where_jobs_cannot_be_listed_and_nothing_else() -> None:
    decision = decide_claims(POLICY, known(message()), SILENT, BUSY, at(30))
    assert list(decision.actions) == [Renew(("m1",))]


def test_a_message_whose_lease_may_have_run_out_is_not_started_before_it_is_renewed() -> None:
    assert StartTask("m1", 1) not in decide(known(message()), now_s=61.0).actions


def test_delays_grow_and_end_growing() -> None:
    assert [delay_s(number) for number in (1, 2, 3, 4, 7, 8, 10_000)] == [5, 10, 20, 40, 300, 300, 300]


@pytest.mark.parametrize(
    ("too_large", "expected"),
    [
        ("reference", StartTask("m1", 1)),
        ("dead-letter", DeadLetter("m1", 0, "", "it has 9 bytes, more than 8")),
    ],
)
def test_what_is_too_large_goes_where_the_annotation_says(too_large: str, expected: Act) -> None:
    policy = replace(POLICY, largest=8, too_large=too_large)  # type: ignore[arg-type]
    assert list(decide(known(message(size=9)), policy=policy).actions) == [expected]


def test_an_ending_object_gives_back_what_has_not_started_and_waits_for_what_runs() -> None:
    policy = replace(POLICY, is_ending=True)
    decision = decide(known(message("m1"), message("m2")), job("m1"), policy=policy, queue=BUSY)
    assert list(decision.actions) == [GiveBack(("m2",))]
    assert not decision.is_over
    over = decide(known(is_drained=True), policy=policy)
    assert over.is_over
    assert not over.actions


def test_a_broker_that_never_answers_keeps_nothing_for_ever() -> None:
    memory = answers.troubled(known(message()), SILENT, START)
    leaving = job(ended="Complete", is_ending=True)
    assert not decide(memory, leaving, now_s=0.5).actions
    later_s = BROKER_WAIT.total_seconds()
    assert list(decide(memory, leaving, now_s=later_s + 0.0).actions)[:1] == [
        Unguard("job-m1-1", SILENT.message)
    ]
    # Nobody waits for this one.
    assert (
        Unguard("job-m1-1", SILENT.message)
        not in decide(memory, job(ended="Complete"), now_s=later_s).actions
    )


def test_a_broker_in_trouble_is_left_alone_longer_each_time() -> None:
    memory, waits = known(), []
    for _ in range(7):
        memory = answers.troubled(memory, SILENT, START)
        assert memory.trouble is not None
        waits.append((memory.trouble.until - START).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_who_is_refused_messages_again_and_again_asks_less_and_less_and_does_all_else() -> None:
    memory, now_s, asked, unsaid = known(message(until_s=1e6), looked=None), 0.0, 0, 0
    policy = replace(POLICY, lease_s=1e6)
    while now_s < 120.0:
        decision = decide(memory, job(), policy=policy, queue=BUSY, now_s=now_s)
        memory = decision.memory
        if not decision.actions:
            assert decision.due is not None
            # Why nothing comes stands there all the time.
            unsaid += [one.code for one in decision.reasons] != [Code.CLAIMS_UNANSWERED]
            now_s = (decision.due - START).total_seconds()
        for ask in decision.actions:
            assert isinstance(ask, Take)
            answer = REFUSED if ask.maximum else Taken()
            asked += bool(ask.maximum)
            memory = answers.answered(memory, ask, answer, START, at(now_s))
    assert (asked, unsaid) == (8, 0)
    # What is held goes on meanwhile.
    done = decide(memory, job(ended="Complete"), policy=policy, queue=BUSY, now_s=now_s + 1)
    assert Acknowledge("m1", "job-m1-1") in done.actions
    memory = answers.answered(memory, Take(3), Taken(), START, at(now_s))
    assert decide(memory, job(), policy=policy, now_s=now_s).memory.unasked is None


def test_jobs_that_fail_in_their_first_seconds_make_claiming_rest() -> None:
    state = Breaker()
    for _ in range(breaker.SEVERAL - 1):
        state = breaker.after(state, START, is_quick=True)
    assert state.until is None
    state = breaker.after(state, START, is_quick=True)
    assert state.until == at(30)
    memory = known(message(), short=None, breaker=state)
    resting = decide(memory, queue=BUSY)
    assert not resting.actions
    assert [one.text for one in resting.reasons] == [
        "claiming rests until 2026-01-01T00:00:30Z: the last 5 Jobs failed within 10 s"
    ]
    assert resting.due is not None
    # Then one is tried, and no second one while it is young.
    tried = decide(known(message("m1", until_s=89), message("m2", until_s=89), breaker=state), now_s=30)
    assert list(tried.actions) == [StartTask("m1", 1)]
    young = decide(known(message("m2", until_s=89), breaker=state), job("m1", made_s=25), now_s=31)
    assert not young.actions
    state = breaker.after(state, at(31), is_quick=True)
    assert state.until == at(91)
    assert breaker.after(state, at(92), is_quick=False) == Breaker()


def test_a_budget_of_an_hour_is_spent_and_comes_back() -> None:
    policy = replace(POLICY, hourly=2)
    memory = known(short=None, started=(Started("a", at(-3000)), Started("b", at(-10))))
    decision = decide(memory, policy=policy, queue=BUSY)
    assert not decision.actions
    assert decision.due == at(600)
    assert list(decide(memory, policy=policy, queue=BUSY, now_s=600).actions) == [Take(1)]


def test_a_reading_is_claimed_on_until_the_broker_has_no_more() -> None:
    take = Take(3)
    memory = known(short=None)
    full = answers.answered(memory, take, Taken((message("a"), message("b"), message("c"))), START, START)
    assert full.short is None
    short = answers.answered(memory, take, Taken((message("a"),)), START, START)
    assert short.short == START
    assert not decide(short, job("a"), queue=Queue(True, START)).actions
    assert list(decide(short, job("a"), queue=Queue(True, at(1)), now_s=1).actions) == [Take(3)]


def test_what_was_released_is_asked_for_when_it_is_due() -> None:
    memory = answers.answered(known(message()), Release("m1", 1, 5.0, "job-m1-1"), Settled(), None, START)
    assert memory.retry == at(5)
    ended = job(ended="Failed", is_guarded=False)
    assert not decide(memory, ended, now_s=4).actions
    assert list(decide(memory, ended, now_s=5).actions) == [Take(3)]


def test_messages_that_others_lost_are_looked_for_once_a_minute() -> None:
    assert not decide(known(), now_s=59).actions
    assert list(decide(known(), now_s=60).actions) == [Take(3)]


def test_a_message_that_somebody_has_removed_is_held_no_more() -> None:
    memory = answers.answered(known(message("a"), message("b")), Take(3), Taken(gone=("a",)), START, START)
    assert [one.id for one in memory.held] == ["b"]


def test_leases_are_renewed_first_whatever_else_is_asked() -> None:
    memory = known(message("m1"), message("m2"))
    done = job("m1", ended="Complete")
    decision = decide(memory, done, job("m2"), now_s=20.0)
    assert decision.actions[:2] == (Renew(("m1", "m2")), Acknowledge("m1", done.name))
    lost = replace(memory, is_resumed=False)
    assert decide(lost, done, job("m2"), now_s=20.0).actions == (Renew(("m1", "m2")), Take(0))
    assert decide(lost, done, job("m2"), now_s=10.0).actions == (Take(0),)
