"""A small world for the rounds: servers whose adapters answer from a dictionary and keep a record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from parts.virtualtime import VirtualClock
from tidegate.base.errors import Failure, Malformed
from tidegate.core.values import Reading
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Clocked, Measured, Polled, Pushed, Scope
from tidegate.measure.followed import TriggerKey
from tidegate.measure.rounds import Rounds


@dataclass(frozen=True)
class Shop:
    """A server."""

    system: ClassVar[str] = "shop"
    name: str = "shop"
    password: str = ""

    def label(self) -> str:
        return self.name


@dataclass(frozen=True)
class Stock:
    """A question: how many of an article are there?"""

    server: Shop
    article: str


@dataclass(frozen=True)
class Fake(Polled):
    type: str = field(default="fake", kw_only=True)
    scope: Scope = field(default=Scope("default"), kw_only=True)


@dataclass(frozen=True)
class Count(Fake):
    """Asks one question."""

    article: str
    shop: Shop = Shop()

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return await ask(Stock(self.shop, self.article))


@dataclass(frozen=True)
class Watched(Pushed):
    """Asks one question, and is woken by changes of the same article."""

    article: str
    shop: Shop = Shop()
    type: str = field(default="fake", kw_only=True)
    scope: Scope = field(default=Scope("default"), kw_only=True)

    def watch(self) -> Stock:
        return Stock(self.shop, self.article)

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return await ask(Stock(self.shop, self.article))


@dataclass(frozen=True)
class Chain(Fake):
    """Asks for where to ask, then there: several waves over several servers."""

    stops: tuple[Stock, ...]

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return Measured((float(sum([await ask(stop) for stop in self.stops])),))


@dataclass(frozen=True)
class Basket(Fake):
    """Asks several questions at once."""

    stocks: tuple[Stock, ...]

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return Measured(tuple(await ask.all(*self.stocks)))


@dataclass(frozen=True)
class Raw(Fake):
    """Does whatever the test wants."""

    body: Callable[[Ask, datetime], Any]

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return await self.body(ask, now)


@dataclass(frozen=True)
class Hourly(Clocked):
    """1 in even hours, 0 in odd ones."""

    type: str = field(default="fake", kw_only=True)
    scope: Scope = field(default=Scope("default"), kw_only=True)

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        return float(now.hour % 2 == 0)

    def next_change(self, now: datetime) -> datetime | None:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


@dataclass
class ShopAdapter:
    """Answers from `world`; an article that is not there is a bad question."""

    world: World
    shop: Shop
    batch: int = 1_000
    wake_gap_s: float = 0.25
    patience_s: float = 0.0
    is_closed: bool = False

    async def answer(self, questions: Sequence[Stock]) -> Sequence[Any]:
        assert not self.is_closed, "asked after it was closed"
        world = self.world
        world.calls.append(Call(world.clock.monotonic(), self.shop, tuple(q.article for q in questions)))
        world.under_way[self.shop] = world.under_way.get(self.shop, 0) + 1
        world.most_under_way = max(world.most_under_way, world.under_way[self.shop])
        try:
            await asyncio.sleep(world.delay_s)
        finally:
            world.under_way[self.shop] -= 1
        trouble = world.trouble.get(self.shop)
        if trouble is not None:
            raise trouble
        missing = Malformed("count", on=self.shop.name, answer="no such article")
        return [world.stock.get(q.article, missing) for q in questions]

    async def watch(self, question: Stock, pushed: Callable[[], None]) -> None:
        world = self.world
        world.watches.append((world.clock.monotonic(), question.article))
        world.open_watches[question.article] = pushed
        world.ends[question.article] = end = asyncio.get_running_loop().create_future()
        try:
            await end
        finally:
            del world.open_watches[question.article]

    async def close(self) -> None:
        self.is_closed = True


@dataclass(frozen=True)
class Call:
    at: float
    shop: Shop
    articles: tuple[str, ...]


@dataclass
class World:
    """What is in stock, what is broken, and all that happened."""

    clock: VirtualClock
    stock: dict[str, Any] = field(default_factory=dict)
    trouble: dict[Shop, BaseException] = field(default_factory=dict)
    refusal: Exception | None = None
    delay_s: float = 0.01
    batch: int = 1_000
    wake_gap_s: float = 0.25
    patience_s: float = 0.0
    calls: list[Call] = field(default_factory=list)
    adapters: list[ShopAdapter] = field(default_factory=list)
    readings: list[tuple[float, TriggerKey, Reading]] = field(default_factory=list)
    news: list[tuple[str, Failure | None]] = field(default_factory=list)
    under_way: dict[Shop, int] = field(default_factory=dict)
    most_under_way: int = 0
    watches: list[tuple[float, str]] = field(default_factory=list)
    open_watches: dict[str, Callable[[], None]] = field(default_factory=dict)
    ends: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    def connect(self, shop: Any) -> ShopAdapter:
        if self.refusal is not None:
            raise self.refusal
        adapter = ShopAdapter(self, shop, self.batch, self.wake_gap_s, self.patience_s)
        self.adapters.append(adapter)
        return adapter

    def on_reading(self, key: TriggerKey, reading: Reading) -> None:
        self.readings.append((self.clock.monotonic(), key, reading))

    def on_server(self, label: str, failure: Failure | None) -> None:
        self.news.append((label, failure))

    def articles(self) -> list[str]:
        return [article for call in self.calls for article in call.articles]

    def between(self, start: float, end: float) -> list[Call]:
        return [call for call in self.calls if start <= call.at < end]


Story = Callable[[VirtualClock, Rounds, World], Awaitable[None]]


@asynccontextmanager
async def measuring(clock: VirtualClock, **stock: Any) -> AsyncIterator[tuple[Rounds, World]]:
    """Running rounds over a world; on leaving, they are cancelled and all adapters must be closed."""
    world = World(clock, stock)
    rounds = Rounds(clock, world.connect, world.on_reading, on_server=world.on_server)
    task = asyncio.create_task(rounds.run())
    try:
        yield rounds, world
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()
        assert all(adapter.is_closed for adapter in world.adapters)


def lived(**stock: Any) -> Callable[[Story], Callable[[Any], None]]:
    """Makes a test of a story with rounds over this stock; `tell` (a fixture) says in which order it goes."""

    def as_test(story: Story) -> Callable[[Any], None]:
        def test(tell: Any) -> None:
            async def whole(clock: VirtualClock) -> None:
                async with measuring(clock, **stock) as (rounds, world):
                    await story(clock, rounds, world)

            tell(whole)

        test.__name__, test.__doc__ = story.__name__, story.__doc__
        return test

    return as_test
