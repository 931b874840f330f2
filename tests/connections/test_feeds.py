"""One connection for all who watch a server: when it is opened, what goes over it, what its end does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts.virtualtime import VirtualClock, run
from parts.waiting import until
from tidegate.base.errors import Denied, TidegateError, Unreachable, Unsupported
from tidegate.connections.feeds import Feed, Tell, beat


class FakeLine:
    """Keeps what it was asked for; topics that begin with "secret" are refused."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.asked: list[list[str]] = []
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tell: Tell = lambda _: None
        self.is_closed = False

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        self.asked.append(list(topics))
        refused = {topic: Denied(f"watch {topic}") for topic in topics if topic.startswith("secret")}
        self.topics += [topic for topic in topics if topic not in refused]
        return refused

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        self.topics = [topic for topic in self.topics if topic not in topics]

    async def listen(self, tell: Tell) -> None:
        self.tell = tell
        await self.end

    async def close(self) -> None:
        self.is_closed = True


class World:
    """Lines as they were opened; `refusal` is why the next one is not."""

    def __init__(self) -> None:
        self.lines: list[FakeLine] = []
        self.refusal: TidegateError | None = None
        self.feed = Feed(self.open)
        self.pushed: list[str] = []
        self.ended: dict[str, BaseException | None] = {}

    async def open(self) -> FakeLine:
        if self.refusal is not None:
            raise self.refusal
        self.lines.append(FakeLine())
        return self.lines[-1]

    async def watch(self, topic: str) -> None:
        try:
            await self.feed.watch(topic, lambda: self.pushed.append(topic))
        except TidegateError as error:
            self.ended[topic] = error
        else:
            self.ended[topic] = None


@asynccontextmanager
async def watching(world: World, *topics: str) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    tasks = {topic: asyncio.create_task(world.watch(topic)) for topic in topics}
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        await world.feed.close()


async def settled(is_so: Callable[[], Any]) -> None:
    await until(is_so, 10)


async def test_a_thousand_watches_are_one_connection_and_one_request() -> None:
    world = World()
    topics = [f"t{n}" for n in range(1000)]
    async with watching(world, *topics):
        await settled(lambda: len(world.pushed) == 1000)
        assert sorted(world.pushed) == sorted(topics), "what came before nobody has told"
        (line,) = world.lines
        assert line.asked == [topics]
        assert all(world.feed.is_watching(topic) for topic in topics)
        world.pushed.clear()
        line.tell("t7")
        line.tell("nobody's")
        assert world.pushed == ["t7"]


async def test_topics_come_and_go_and_the_connection_goes_with_the_last() -> None:
    world = World()
    async with watching(world, "a", "b") as tasks:
        await settled(lambda: len(world.pushed) == 2)
        (line,) = world.lines
        tasks.pop("a").cancel()
        await settled(lambda: line.topics == ["b"])
        assert not world.feed.is_watching("a")
        assert not line.is_closed
        tasks["c"] = asyncio.create_task(world.watch("c"))
        await settled(lambda: line.topics == ["b", "c"])
        for topic in "bc":
            tasks.pop(topic).cancel()
        await settled(lambda: line.is_closed)
    assert len(world.lines) == 1


async def test_a_topic_that_is_refused_ends_alone() -> None:
    world = World()
    async with watching(world, "a", "secret"):
        await settled(lambda: world.ended and world.pushed)
        assert isinstance(world.ended["secret"], Denied)
        assert not world.feed.is_watching("secret")
        world.lines[0].tell("a")
        assert world.pushed == ["a", "a"]


async def test_a_connection_that_is_lost_ends_all_watches_with_its_reason() -> None:
    world = World()
    async with watching(world, "a", "b"):
        await settled(lambda: len(world.pushed) == 2)
        world.lines[0].end.set_exception(Unreachable("watch", answer="cut"))
        await settled(lambda: len(world.ended) == 2)
        assert {str(error) for error in world.ended.values()} == {"cannot watch: cut"}
        assert world.lines[0].is_closed
        assert not world.feed.is_watching("a")


async def test_who_comes_right_after_a_failure_gets_it_without_another_attempt() -> None:
    for refusal in (Unreachable("open a connection"), Unsupported("watch"), Denied("log in")):
        world = World()
        world.refusal = refusal
        topics = [f"t{n}" for n in range(1000)]
        async with watching(world, *topics):
            await settled(lambda world=world: len(world.ended) == 1000)
            for topic in topics:
                await world.watch(topic)
        assert world.feed.attempts == 1
        assert set(world.ended.values()) == {refusal}


async def test_closing_ends_all_watches_and_is_safe_twice() -> None:
    world = World()
    async with watching(world, "a"):
        await settled(lambda: world.pushed)
        await world.feed.close()
        await world.feed.close()
        await settled(lambda: world.ended == {"a": None})
        assert world.lines[0].is_closed


def test_a_connection_is_asked_after_half_a_minute_without_a_word_and_never_later() -> None:
    async def story(clock: VirtualClock) -> None:
        asked: list[float] = []
        heard_at = -math.inf

        async def ask() -> None:
            asked.append(clock.monotonic())
            if len(asked) == 3:
                raise Unreachable("watch")

        began = clock.monotonic()
        asking = asyncio.create_task(beat(lambda: heard_at, ask))
        await clock.sleep(5)
        heard_at = clock.monotonic()
        with pytest.raises(Unreachable):
            await asking
        assert asked == [began + 35, began + 65, began + 95]

    run(story, seed=1)
