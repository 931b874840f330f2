"""The operator's side of a stream: sizes, what is followed, and what one bad metric does to the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from parts.metric_streams import End, pipe
from parts.virtualtime import VirtualClock, run
from tidegate.api.metric_stream import (
    MESSAGE_BYTES,
    MOST_IN_ONE,
    Answer,
    Answers,
    Asked,
    Dropped,
    Hello,
    Metric,
    Question,
    Questions,
    Unchanged,
    read_told,
    written,
)
from tidegate.base.errors import Failure
from tidegate.operator.scaledobject.external_metrics import Answered, OnChange
from tidegate.operator.serving.streams import Stream


class Values:
    """What each metric is told to be; `asked` counts looks at them that measure nothing."""

    def __init__(self) -> None:
        self.values: dict[str, Answered | Exception] = {}
        self.looks = 0
        self.listeners: list[OnChange] = []

    async def renew(self, metric: Metric, spare_s: float) -> None: ...

    async def after_first_look(self, metric: Metric) -> Answered:
        found = self.values[metric.name]
        if isinstance(found, Exception):
            raise found
        return found

    def kept(self, metric: Metric, before: Answered | None = None) -> Answered:
        self.looks += 1
        found = self.values[metric.name]
        assert isinstance(found, Answered)
        return found

    def heard(self, metric: Metric) -> None: ...

    def on_change(self, listener: OnChange) -> None:
        self.listeners.append(listener)

    def forget(self, listener: OnChange) -> None:
        self.listeners.remove(listener)


def question(number: int, name: str, owner: str = "web") -> Question:
    return Question(number, Metric("shop", owner, name))


@asynccontextmanager
async def streaming(values: Values, clock: VirtualClock) -> AsyncIterator[End]:
    ours, theirs = pipe()
    stream = asyncio.create_task(Stream(theirs, values, clock, "test").run())
    hello = await ours.receive()
    assert hello is not None
    assert isinstance(read_told(hello), Hello)
    yield ours
    stream.cancel()
    with suppress(asyncio.CancelledError):
        await stream
    assert values.listeners == []


async def answers(end: End, asked: Asked) -> list[Answer]:
    await end.send(written(asked))
    told: list[Answer] = []
    while len(told) < len(asked.questions):  # type: ignore[union-attr]
        message = await end.receive()
        assert message is not None
        assert len(message) <= MESSAGE_BYTES
        read = read_told(message)
        assert isinstance(read, Answers)
        told += read.answers
    return told


def test_no_message_is_too_long_whatever_failures_say() -> None:
    async def story(clock: VirtualClock) -> None:
        values = Values()
        values.values["s0-x"] = Answered(Failure("Unreachable", "ä" * 10_000))
        async with streaming(values, clock) as end:
            asked = [question(number, "s0-x") for number in range(2 * MOST_IN_ONE)]
            assert len(await answers(end, Questions(asked))) == 2 * MOST_IN_ONE

    run(story)


def test_a_metric_that_breaks_is_told_and_the_others_are_answered() -> None:
    async def story(clock: VirtualClock) -> None:
        values = Values()
        values.values = {"s0-bad": RuntimeError("with a secret"), "s1-good": Answered((7.0,), 1.0, 15.0)}
        async with streaming(values, clock) as end:
            told = await answers(end, Questions([question(1, "s0-bad"), question(2, "s1-good")]))
            bad, good = sorted(told, key=lambda one: one.number)
            assert bad.kind == "Malformed"
            assert "secret" not in bad.message
            assert good.values == [7.0]

    run(story)


def test_only_the_moment_of_what_stays_is_told_and_nothing_of_what_was_dropped() -> None:
    async def story(clock: VirtualClock) -> None:
        values = Values()
        values.values["s0-x"] = Answered((7.0,), 1.0, 15.0, 10.0)
        async with streaming(values, clock) as end:
            await answers(end, Questions([question(1, "s0-x"), question(2, "s0-x", owner="other")]))
            values.values["s0-x"] = Answered((7.0,), 4.0, 15.0, 10.0)
            for owner in ("web", "nobody", "web"):
                values.listeners[0](("shop", owner))
            message = await end.receive()
            assert message is not None
            told = read_told(message)
            assert isinstance(told, Unchanged)
            assert (told.measured_s, told.numbers) == (4.0, [1])
            assert values.looks == 1
            await end.send(written(Dropped([1])))
            await asyncio.sleep(1)
            values.listeners[0](("shop", "web"))
            await asyncio.sleep(1)
            assert values.looks == 1

    run(story)


def test_a_number_stands_for_one_metric() -> None:
    async def story(clock: VirtualClock) -> None:
        values = Values()
        values.values = {"s0-x": Answered((7.0,), 1.0, 15.0), "s1-y": Answered((8.0,), 1.0, 15.0)}
        ours, theirs = pipe()
        stream = asyncio.create_task(Stream(theirs, values, clock, "test").run())
        await ours.send(written(Questions([question(1, "s0-x"), question(1, "s1-y")])))
        with pytest.raises(ValueError, match="1 stands for something else"):
            await stream
        assert values.listeners == []

    run(story)
