"""Metered sources: the calls of 1,000 triggers of CloudWatch and of SQS, with and without a budget.

The real rules of calls and the real rounds, on a clock that jumps: counts are exact, and nothing is called.
An adapter of ours answers, and counts calls by the rule of the questions.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import Figure, Limit, between, must
from tidegate.kit.question import Ask, Question
from tidegate.kit.scaler import Measured, Polled, Scope
from tidegate.kit.systems.aws import AwsServer, CloudwatchSeries, SqsQueue, Statistic
from tidegate.kit.systems.calls import calls_of
from tidegate.measure.rounds import Rounds

# The clock of the tests is that of the benchmark.
sys.path.append(str(Path(__file__).parent.parent / "tests"))

PART = "Metered sources"
TRIGGERS = 1_000
INTERVAL_S = 30
WINDOW_S = 900.0
BUDGET = 600
SQS = AwsServer("sqs", "eu-west-1")
CLOUDWATCH = AwsServer("monitoring", "eu-west-1")


@dataclass(frozen=True)
class Asks(Polled):
    """Asks one question."""

    question: Any
    type: str = field(default="bench", kw_only=True)
    scope: Scope = field(default=Scope("default"), kw_only=True)

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return float(await ask(self.question))


class Meter:
    """Answers everything with 1; keeps the moment and the calls of each time that it is asked."""

    batch = 1_000
    wake_gap_s = 0.25

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.calls: list[tuple[float, int]] = []
        self.asked: dict[Question, list[float]] = {}

    async def answer(self, questions: Sequence[Question]) -> Sequence[float]:
        self.calls.append((self._now_s(), calls_of(questions)))
        for one in questions:
            self.asked.setdefault(one, []).append(self._now_s())
        await asyncio.sleep(0.01)
        return [1.0] * len(questions)

    async def close(self) -> None:
        """Nothing is open."""


def measure(_folder: Path) -> list[Figure]:
    queues = [SqsQueue(SQS, f"q{number}") for number in range(TRIGGERS)]
    series = [
        CloudwatchSeries(CLOUDWATCH, Statistic("Shop", f"m{number}", (), "Sum"), 60, 0, 300)
        for number in range(TRIGGERS)
    ]
    free, _ = _lived(queues, {})
    metered, interval_s = _lived(queues, {"aws.sqs": BUDGET})
    packed, _ = _lived(series, {})
    rounds = WINDOW_S / INTERVAL_S
    every = f"{TRIGGERS:,} triggers every {INTERVAL_S} s for {WINDOW_S / 60:g} minutes of a clock that jumps"
    wanted_s = INTERVAL_S * TRIGGERS * 60 / INTERVAL_S / BUDGET
    return [
        Figure(PART, "CloudWatch, calls a round", _sum(packed) / rounds, "", every, _near(2, 2 / rounds)),
        Figure(
            PART,
            "SQS without a budget, calls a minute",
            _sum(free) / WINDOW_S * 60,
            "",
            every,
            # All are read at the start, too.
            _near(2_000, TRIGGERS * 60 / WINDOW_S),
        ),
        Figure(
            PART,
            f"SQS, budget of {BUDGET}: calls in its fullest minute",
            _fullest(metered),
            "",
            every,
            between(0.9 * BUDGET, BUDGET),
        ),
        Figure(
            PART,
            f"SQS, budget of {BUDGET}: interval as it is told",
            interval_s,
            "s",
            every,
            must("=", wanted_s),
        ),
        Figure(
            PART,
            f"SQS, budget of {BUDGET}: longest wait of a trigger for its next reading",
            _longest(metered),
            "s",
            every,
            between(wanted_s, 2 * wanted_s + 2),
        ),
    ]


def _near(value: float, more: float) -> Limit:
    return between(0.95 * value, value + more)


def _lived(questions: Sequence[Question], budgets: Mapping[str, float]) -> tuple[Meter, float]:
    """The meter after the window, and the interval that the first trigger is told."""
    from parts import virtualtime

    async def story(clock: Any) -> tuple[Meter, float]:
        meter = Meter(clock.monotonic)
        rounds = Rounds(clock, lambda server: meter, lambda key, reading: None)
        rounds.limit(budgets, lambda key: None)
        for number, question in enumerate(questions):
            rounds.follow((f"t{number}", 0), Asks(question), interval_s=INTERVAL_S)
        task = asyncio.create_task(rounds.run())
        await clock.sleep(WINDOW_S)
        stretch = rounds.stretch(("t0", 0))
        task.cancel()
        await asyncio.wait([task])
        return meter, stretch.is_s if stretch is not None else INTERVAL_S

    made: tuple[Meter, float] = virtualtime.run(story)
    return made


def _sum(meter: Meter) -> int:
    return sum(calls for _, calls in meter.calls)


def _fullest(meter: Meter) -> int:
    """The most calls that any minute has, wherever it begins."""
    most, begin, within = 0, 0, 0
    for at, calls in meter.calls:
        within += calls
        while meter.calls[begin][0] <= at - 59.999:
            within -= meter.calls[begin][1]
            begin += 1
        most = max(most, within)
    return most


def _longest(meter: Meter) -> float:
    """From one reading to the next, or from the start to the first, of whoever waited longest."""
    waits = [
        after - before for one in meter.asked.values() for before, after in itertools.pairwise([0.0, *one])
    ]
    return max(waits)
