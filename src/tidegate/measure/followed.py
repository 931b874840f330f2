"""A followed trigger, and one measurement of it while it is under way."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.base.errors import Failure, TidegateError, sentence
from tidegate.core.values import Reading
from tidegate.kit.question import ASK, Question
from tidegate.kit.scaler import Empty, Measured, Polled
from tidegate.measure.defects import NEXT_STEP, unexpected
from tidegate.measure.schedule import Seat

TriggerKey = tuple[str, int]
"""Uid of the object, index of the trigger."""

Snapshot = Callable[[], Any]

MOST_WAVES = 100
"""A scaler that asks more often than this in one measurement does not come to an end."""

# Polls are never exactly one interval apart, and the first measurement lies anywhere before the first poll.
_ROUNDING_S = 0.01


class Followed:
    """What a round knows of one trigger. Another scaler under the same key is another `Followed`.

    `empties` are the measurements whose source had nothing to say, whether that counts as 0 or not.
    `failures` are the readings that were none, `took_s` how long the last measurement that asked somebody
    took, `late_s` how much later than due the last poll was begun; both None before the first. `period_s` is
    the interval as a budget stretches it.
    """

    __slots__ = (
        "asked_at",
        "change",
        "counted_at",
        "empties",
        "failed_polls",
        "failures",
        "first_due",
        "has_crashed",
        "interval_s",
        "is_gone",
        "is_starting",
        "is_wanted_again",
        "key",
        "late_s",
        "period_s",
        "polled",
        "reading",
        "run",
        "scaler",
        "seat",
        "snapshot",
        "told",
        "took_s",
        "waiting",
    )

    def __init__(self, key: TriggerKey, scaler: Polled, interval_s: float, snapshot: Snapshot | None) -> None:
        self.key = key
        self.scaler = scaler
        self.interval_s = self.period_s = interval_s
        self.snapshot = snapshot
        self.seat: Seat[Followed] | None = None
        self.reading: Reading | None = None
        self.polled: Reading | None = None
        self.told: Reading | None = None
        self.run: Run | None = None
        self.waiting: list[asyncio.Future[Reading]] = []
        self.asked_at = -math.inf
        self.change: datetime | None = None
        self.failed_polls = 0
        self.failures = self.empties = 0
        self.took_s: float | None = None
        self.late_s: float | None = None
        self.first_due = 0.0
        self.counted_at = -math.inf
        self.has_crashed = False
        self.is_gone = False
        self.is_starting = False
        self.is_wanted_again = False

    @property
    def sent_at(self) -> float:
        """When it was asked last, whether the answer is there or not."""
        under_way = self.run.asked_at if self.run is not None else None
        return self.asked_at if under_way is None else under_way

    def keep(self, reading: Reading, asked_at: float) -> None:
        """Stores a reading that was asked for at `asked_at` (monotonic)."""
        self.reading = reading
        self.asked_at = asked_at
        if reading.failure is None:
            self.failed_polls = 0
            self.counted_at = -math.inf
        else:
            self.failures += 1
            if self._is_counted_anew(asked_at):
                self.failed_polls += 1
                self.counted_at = asked_at

    def adopt(self, reading: Reading) -> None:
        """Decisions are made on this reading as on a poll's: what comes next is news against it."""
        self.polled = reading
        self.told = reading

    def _is_counted_anew(self, asked_at: float) -> bool:
        """Whether a failure of now belongs to another polling interval than the one counted last."""
        if asked_at - self.counted_at < self.period_s / 2:
            return False
        if self.period_s > self.interval_s:
            # Stretched polls lie on no grid.
            return True
        start = self.first_due - _ROUNDING_S
        now, counted = ((at - start) // self.interval_s for at in (asked_at, self.counted_at))
        return bool(now != counted)

    def answer_waiting(self, reading: Reading) -> None:
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(reading)


class Run:
    """One measurement: a coroutine that hands out questions and is resumed with their answers.

    `at` and `asked_at` are the moments (wall, monotonic) at which its first question was sent. `missed` is
    the list of a server that has failed it: there its trigger waits for the server to be asked again.
    """

    __slots__ = (
        "asked_at",
        "at",
        "coroutine",
        "crash",
        "due",
        "followed",
        "got",
        "is_empty",
        "is_told",
        "missed",
        "outcome",
        "questions",
        "snapshot",
        "waves",
    )

    def __init__(self, followed: Followed, now: datetime, *, is_told: bool, due: float | None = None) -> None:
        self.followed = followed
        self.is_told = is_told
        self.due = due
        self.coroutine: Coroutine[Any, Any, Any] = followed.scaler.measure(ASK, now)
        self.questions: tuple[Question, ...] = ()
        self.got: dict[Question, Any] = {}
        self.outcome: Measured | Failure | None = None
        self.crash: Exception | None = None
        self.missed: dict[Followed, None] | None = None
        self.at: datetime | None = None
        self.asked_at: float | None = None
        self.snapshot: Any = None
        self.waves = 0
        self.is_empty = False

    def mark_sent(self, at: datetime, asked_at: float) -> None:
        """To be called right before the first question goes out: looks at the asker's own world."""
        self.at = at
        self.asked_at = asked_at
        if self.followed.snapshot is not None:
            try:
                self.snapshot = self.followed.snapshot()
            except Exception as error:
                self.crash = error

    def advance(self, answers: tuple[Any, ...] | None) -> bool:
        """Runs up to the next questions (True) or to the outcome (False). Never raises."""
        self.got = {}
        if self.crash is not None:
            self.fail(self.crash)
            return False
        try:
            self.questions = self._next_questions(answers)
        except TidegateError as error:
            # One error answers thousands of runs; each raise would lengthen its traceback.
            error.__traceback__ = None
            self.outcome = Failure.of(error)
            self.is_empty = isinstance(error, Empty)
            return False
        except Exception as error:
            self.fail(error)
            return False
        return bool(self.questions)

    def fail(self, error: Exception) -> None:
        """A defect of one scaler must not stop the others: it becomes the outcome."""
        self.coroutine.close()
        self.crash = error
        told = sentence("measure the trigger", "", unexpected(error), NEXT_STEP)
        self.outcome = Failure("Malformed", told)

    def _next_questions(self, answers: tuple[Any, ...] | None) -> tuple[Question, ...]:
        """The next questions; none when the measurement has ended with an outcome."""
        try:
            questions = self.coroutine.send(answers)
        except StopIteration as done:
            self.outcome = _checked(done.value)
            self.is_empty = isinstance(self.outcome, Measured) and self.outcome.is_empty
            return ()
        if not isinstance(questions, tuple) or not questions:
            raise TypeError("a scaler may await nothing but ask(...)")
        self.waves += 1
        if self.waves > MOST_WAVES:
            raise RuntimeError(f"a scaler asked more than {MOST_WAVES} times in one measurement")
        return questions

    def answers(self) -> tuple[Any, ...] | None:
        """The answers in the order of the questions; None while some are missing."""
        try:
            return tuple([self.got[question] for question in self.questions])
        except KeyError:
            return None

    def reading(self, at: datetime) -> Reading:
        """The outcome as a reading; `at` for a measurement that asked nothing."""
        moment = self.at or at
        if isinstance(self.outcome, Measured):
            measured = self.outcome
            return Reading(
                moment, measured.values, measured.active, snapshot=self.snapshot, specs=measured.specs
            )
        return Reading(moment, failure=self.outcome, snapshot=self.snapshot)


def _checked(result: Any) -> Measured | Failure:
    """What a scaler returned, as numbers; anything that is not a finite number is a failure."""
    measured = result if isinstance(result, Measured) else Measured((result,))
    for value in measured.values:
        if not isinstance(value, int | float) or not math.isfinite(value):
            shown = value if isinstance(value, float) else f"a {type(value).__name__}"
            return Failure("Malformed", sentence("measure the trigger", "", f"{shown} is not a number"))
    if all(type(value) is float for value in measured.values):
        return measured
    return replace(measured, values=tuple(float(value) for value in measured.values))
