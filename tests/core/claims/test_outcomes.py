"""Sources that keep nothing of a claim: Jobs count, and outcomes wait where a receipt was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from parts.claim_world import START
from tidegate.core.claims import answers
from tidegate.core.claims.decide import BROKER_WAIT, decide_claims
from tidegate.core.claims.outcomes import TALLY_FOR
from tidegate.core.claims.values import (
    Acknowledge,
    Act,
    Answer,
    Awaited,
    ClaimMemory,
    DeadLetter,
    Message,
    Policy,
    Queue,
    Release,
    Settled,
    StartTask,
    Take,
    Tally,
    Unguard,
    Waiting,
)
from tidegate.core.values import JobView, Task

POLICY = Policy(maximum=3, attempts=3, lease_s=360_000.0)
LATER = START + timedelta(seconds=30)


def message() -> Message:
    return Message("m1", START + timedelta(hours=100), START)


def job(attempt: int, ended: str = "", *, is_ending: bool = False) -> JobView:
    return JobView(
        f"job-{attempt}",
        is_finished=bool(ended),
        is_failed=ended == "Failed",
        is_ending=is_ending,
        created_at=START - timedelta(seconds=100),
        task=Task("m1", attempt),
        is_guarded=True,
    )


def known(*held: Message) -> ClaimMemory:
    return ClaimMemory(held=held, is_resumed=True, looked=START, short=START)


def decided(
    memory: ClaimMemory, *jobs: JobView, policy: Policy = POLICY, after: timedelta = timedelta()
) -> tuple[Act, ...]:
    found = decide_claims(policy, memory, jobs, Queue(False, START), LATER + after).actions
    return tuple(one for one in found if not isinstance(one, Take))


def told(memory: ClaimMemory, act: Act, answer: Answer) -> ClaimMemory:
    assert isinstance(act, Acknowledge | Release | DeadLetter)
    return answers.answered(memory, act, answer, LATER, LATER)


def test_a_job_that_alone_counts_stays_until_the_next_one_is_made() -> None:
    failed = job(1, "Failed")
    (release,) = decided(known(message()), failed)
    memory = told(known(message()), release, Settled(is_uncounted=True))
    assert decided(memory, failed) == ()
    again = replace(memory, held=(message(),))
    assert decided(again, failed) == (StartTask("m1", 2),)
    assert decided(again, failed, job(2)) == (Unguard("job-1"),)


def test_a_job_that_counted_before_is_never_told_again_once_there_is_a_later_one() -> None:
    # A release of the first would take the message from the second: there is one receipt for both.
    assert decided(known(message()), job(1, "Failed"), job(2)) == (Unguard("job-1"),)
    assert decided(known(), job(1, "Failed"), job(2)) == (Unguard("job-1"),)


def test_a_job_whose_message_was_put_aside_counts_no_more() -> None:
    memory = replace(known(message()), tallies=(Tally("m1", "job-1", START),), settled=frozenset({"job-1"}))
    memory = told(memory, DeadLetter("m1", 1, "", "why"), Settled())
    assert decided(memory, job(1, "Failed")) == (Unguard("job-1"),)


def test_a_count_of_a_message_that_does_not_come_again_is_dropped_at_last() -> None:
    memory = replace(known(), tallies=(Tally("m1", "job-1", START),), settled=frozenset({"job-1"}))
    assert decided(memory, job(1, "Failed")) == ()
    assert decided(memory, job(1, "Failed"), after=TALLY_FOR) == (Unguard("job-1"),)
    ending = replace(POLICY, is_ending=True)
    assert Unguard("job-1") in decided(memory, job(1, "Failed"), policy=ending)


def test_a_job_that_is_deleted_while_it_runs_goes_though_it_alone_counts() -> None:
    memory = replace(known(), tallies=(Tally("m1", "job-1", START),), settled=frozenset({"job-1"}))
    assert decided(memory, job(1, is_ending=True)) == (Unguard("job-1"),)


def test_an_outcome_whose_receipt_is_of_no_use_waits_for_its_message() -> None:
    done = job(1, "Complete")
    memory = told(known(message()), Acknowledge("m1", "job-1"), Awaited())
    assert memory.held == ()
    assert decided(memory, done) == ()
    assert decided(replace(memory, held=(message(),)), done) == (Acknowledge("m1", "job-1"),)
    # It may have gone meanwhile: the broker is asked now and then.
    asked = decided(memory, done, after=answers.TOLD_AGAIN)
    assert asked == (Acknowledge("m1", "job-1"),)
    again = answers.answered(memory, asked[0], Awaited(), LATER, LATER + answers.TOLD_AGAIN)  # type: ignore[arg-type]
    assert again.waiting == (Waiting("job-1", LATER, LATER + 2 * answers.TOLD_AGAIN),)
    assert told(memory, asked[0], Settled()).settled == {"job-1"}


def test_an_outcome_that_waits_cannot_keep_what_somebody_wants_gone_for_ever() -> None:
    memory = told(known(message()), Acknowledge("m1", "job-1"), Awaited())
    (freed, *_) = decided(memory, job(1, "Complete", is_ending=True), after=BROKER_WAIT)
    assert isinstance(freed, Unguard)
    assert freed.why
    assert not any(isinstance(one, Unguard) for one in decided(memory, job(1, "Complete"), after=BROKER_WAIT))


def test_the_number_of_a_job_that_goes_on_is_that_of_its_message() -> None:
    decision = decide_claims(POLICY, known(message()), (job(3),), Queue(False, START), LATER)
    assert [one.attempt for one in decision.memory.held] == [3]
