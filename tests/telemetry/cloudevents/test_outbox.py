"""The queue of a destination, on a clock that jumps."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from parts import virtualtime
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.telemetry.cloudevents.event import CloudEvent
from tidegate.telemetry.cloudevents.outbox import ATTEMPTS, CAPACITY, Outbox, Unwelcome

DOWN = Unreachable("send", on="sink", answer="connection refused")
UNWELCOME = Unwelcome("send", on="sink", answer="400 Bad Request")


def event(number: int) -> CloudEvent:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return CloudEvent(str(number), "/c/keda/keda", "keda.scaledjob.ready.v1", "/c/shop", moment, "R", "m")


class Story:
    """An outbox that sends to whom `trouble` stands in the way; `trouble` may depend on the event."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.trouble: Callable[[CloudEvent], TidegateError | None] = lambda event: None
        self.sent: list[str] = []
        self.attempts: list[tuple[str, float]] = []
        self.told: list[bool] = []
        self.outbox = Outbox("shop/events", clock, self.send, self.on_health)

    async def send(self, event: CloudEvent) -> None:
        self.attempts.append((event.id, self.clock.monotonic()))
        error = self.trouble(event)
        if error is not None:
            raise error
        self.sent.append(event.id)

    def on_health(self) -> None:
        self.told.append(self.outbox.failure is None)


def told(story: Callable[[Story], Awaitable[None]]) -> None:
    async def whole(clock: Any) -> None:
        made = Story(clock)
        task = asyncio.create_task(made.outbox.run())
        try:
            await story(made)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    virtualtime.run(whole)


def test_events_are_sent_in_order() -> None:
    async def story(made: Story) -> None:
        for number in range(5):
            made.outbox.add(event(number))
        await made.clock.sleep(1)
        assert made.sent == ["0", "1", "2", "3", "4"]
        assert made.outbox.tally == {"emitted": 5, "failed": 0, "dropped": 0}
        assert made.told == []

    told(story)


def test_a_destination_that_is_away_is_tried_at_growing_pauses_and_gets_everything_when_it_is_back() -> None:
    async def story(made: Story) -> None:
        made.trouble = lambda event: DOWN
        for number in range(3):
            made.outbox.add(event(number))
        await made.clock.sleep(600)
        moments = [moment for _, moment in made.attempts]
        pauses = [round(after - before, 3) for before, after in itertools.pairwise(moments)]
        assert pauses == sorted(pauses)
        assert pauses[0] <= 0.5
        assert 45 <= pauses[-1] <= 60.1
        assert {one for one, _ in made.attempts} == {"0"}
        assert made.told == [False]
        made.trouble = lambda event: None
        await made.clock.sleep(61)
        assert made.sent == ["0", "1", "2"]
        assert made.told == [False, True]
        assert made.outbox.tally["dropped"] == 0

    told(story)


def test_a_destination_that_asks_for_rest_gets_it() -> None:
    async def story(made: Story) -> None:
        made.trouble = lambda event: Unreachable("send", answer="503", retry_after_s=120.0)
        made.outbox.add(event(0))
        await made.clock.sleep(119)
        assert len(made.attempts) == 1
        await made.clock.sleep(2)
        assert len(made.attempts) == 2

    told(story)


def test_an_event_that_is_unwelcome_is_dropped_after_some_attempts_and_the_others_go_through() -> None:
    async def story(made: Story) -> None:
        made.trouble = lambda event: UNWELCOME if event.id == "1" else None
        for number in range(3):
            made.outbox.add(event(number))
        await made.clock.sleep(60)
        assert made.sent == ["0", "2"]
        assert made.outbox.tally == {"emitted": 2, "failed": ATTEMPTS, "dropped": 1}
        assert made.outbox.failure is None

    told(story)


def test_a_full_queue_drops_the_oldest() -> None:
    async def story(made: Story) -> None:
        made.trouble = lambda event: DOWN
        for number in range(CAPACITY + 10):
            made.outbox.add(event(number))
        assert len(made.outbox) == CAPACITY
        assert made.outbox.tally["dropped"] == 10
        made.trouble = lambda event: None
        await made.clock.sleep(5)
        assert made.sent[0] == "10"
        assert len(made.sent) == CAPACITY

    told(story)


def test_another_way_to_send_is_tried_at_once() -> None:
    async def story(made: Story) -> None:
        made.trouble = lambda event: DOWN
        made.outbox.add(event(0))
        await made.clock.sleep(300)
        taken: list[str] = []

        async def better(event: CloudEvent) -> None:
            taken.append(event.id)

        made.outbox.use(better)
        await made.clock.sleep(0.1)
        assert taken == ["0"]
        assert made.told == [False, True]

    told(story)


def test_an_event_that_is_dropped_while_it_is_sent_takes_no_other_with_it() -> None:
    async def story(made: Story) -> None:
        async def slow(event: CloudEvent) -> None:
            await made.clock.sleep(10)
            made.sent.append(event.id)

        made.outbox.use(slow)
        made.outbox.add(event(0))
        await made.clock.sleep(1)
        for number in range(1, CAPACITY + 1):
            made.outbox.add(event(number))
        await made.clock.sleep(25)
        assert made.sent[:2] == ["0", "1"]

    told(story)


def test_a_defect_of_sending_ends_nothing(caplog: Any) -> None:
    async def story(made: Story) -> None:
        broken = True

        async def send(event: CloudEvent) -> None:
            if broken:
                raise RuntimeError("a defect")
            made.sent.append(event.id)

        made.outbox.use(send)
        made.outbox.add(event(0))
        await made.clock.sleep(5)
        broken = False
        await made.clock.sleep(60)
        assert made.sent == ["0"]

    told(story)
    assert "unexpectedly" in caplog.text
