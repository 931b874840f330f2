"""The API as an operator in a random world meets it: late, forbidden, contradicting, cut off, and deadly.

Each operator has a client of its own on the objects that all share; `Troubles` are what all meet.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from parts.cluster import Connection, Redis
from parts.memory_client import MemoryClient, Page, Write
from parts.memory_objects import MemoryObjects
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.kit.question import Question, Server
from tidegate.kube.resource import EVENTS, HPAS, JOBS, SCALED_JOBS, ApiError, Resource
from tidegate.kube.watching import WatchEvent
from tidegate.local.objects import Change
from tidegate.runtime.clock import Clock

# Who makes a change: each operator's name, "controllers", or "others".
WHO: ContextVar[str] = ContextVar("who", default="others")
# After a watch was cut or forbidden it may take so long until it is followed again.
RECOVERY_S = 70.0
FORGIVEN_S = 3.0
BROKER_TROUBLES: dict[str, TidegateError] = {
    "down": Unreachable("connect", on="Redis redis:6379", answer="connection refused"),
    "denied": Denied("log in", on="Redis redis:6379", answer="wrong password"),
    "garbled": Malformed("read the length", on="Redis redis:6379", answer="it is a string"),
}
WRITES: dict[str, Callable[[Write], bool]] = {
    "any": lambda write: write.resource != EVENTS,
    "status": lambda write: write.subresource == "status",
    "scale": lambda write: write.subresource == "scale",
    "jobs": lambda write: write.resource == JOBS,
    "claim": lambda write: write.resource == SCALED_JOBS and not write.subresource,
    "hpas": lambda write: write.resource == HPAS,
    "events": lambda write: write.resource == EVENTS,
}
REFUSALS = ("conflict", "forbidden", "error before", "error after", "lost before", "lost after")


@dataclass(slots=True)
class Refusal:
    """What becomes of the next `count` writes of a kind."""

    how: str
    kind: str
    count: int


@dataclass(slots=True)
class Troubles:
    """Everything that is wrong between operators, API and broker; nothing at first.

    `lags_s` is by kind (None: every other), `answer_s` how long the broker thinks. `blind_from` is when the
    operators' sight of the world last began to be bad.
    """

    clock: Clock
    lags_s: dict[Resource | None, float] = field(default_factory=dict)
    list_s: float = 0.0
    write_s: float = 0.0
    answer_s: float = 0.001
    unlisted: set[Resource] = field(default_factory=set)
    is_doubling: bool = False
    refusals: list[Refusal] = field(default_factory=list)
    blind_from: float = 0.0
    blind_until: float = 0.0
    slow_s: float = 0.0
    slow_until: float = 0.0

    @property
    def is_blinding(self) -> bool:
        slow = max(self.list_s, self.write_s, self.answer_s - 0.1)
        return bool(any(self.lags_s.values()) or self.unlisted or slow > 0)

    def changed(self) -> None:
        """To be called before and after whatever concerns the operators' sight."""
        now_s = self.clock.monotonic()
        if now_s > self.blind_until and not self.is_blinding:
            self.blind_from = now_s
        self.blind_until = max(now_s + RECOVERY_S, self.blind_until)
        slow_s = max(self.write_s, self.answer_s)
        if slow_s > self.slow_s or now_s > self.slow_until:
            self.slow_s = slow_s
        self.slow_until = now_s + RECOVERY_S

    def seen_since(self) -> float:
        """The moment that an operator's picture of the world may be of."""
        now_s = self.clock.monotonic()
        if self.is_blinding or now_s <= self.blind_until:
            return self.blind_from - FORGIVEN_S
        return now_s - FORGIVEN_S

    def thinking_s(self) -> float:
        """How long after its decision a write may come to pass."""
        slow_s = max(self.write_s, self.answer_s)
        if self.clock.monotonic() <= self.slow_until:
            slow_s = max(slow_s, self.slow_s)
        return 0.05 + 4 * slow_s

    def take(self, write: Write) -> str:
        """What becomes of this write; "" for nothing bad."""
        for refusal in self.refusals:
            if WRITES[refusal.kind](write):
                refusal.count -= 1
                if not refusal.count:
                    self.refusals.remove(refusal)
                return refusal.how
        return ""

    def lag(self, resource: Resource) -> float:
        return self.lags_s.get(resource, self.lags_s.get(None, 0.0))

    def end(self) -> None:
        """Nothing is wrong any more."""
        self.changed()
        self.lags_s.clear()
        self.list_s = self.write_s = 0.0
        self.answer_s = 0.001
        self.unlisted.clear()
        self.is_doubling = False
        self.refusals.clear()


class WorldClient(MemoryClient):
    """One operator's client. It dies with it: whatever a dead one asks for never happens."""

    def __init__(self, objects: MemoryObjects, clock: Clock, troubles: Troubles, name: str) -> None:
        super().__init__(objects, clock)
        self.troubles = troubles
        self.name = name
        self.is_dead = False
        self.died = asyncio.Event()
        self.last_write: tuple[int, bool] | None = None
        self._cuts = 0
        self._cut: Exception | None = None

    def die(self) -> None:
        self.is_dead = True
        self.died.set()

    def cut(self, failure: Exception) -> None:
        """All watches end with this."""
        self._cuts += 1
        self._cut = failure
        self._news.set()

    def _record(self, change: Change) -> None:
        if not self.is_dead:
            super()._record(change)

    async def _live(self) -> None:
        if self.is_dead:
            await asyncio.Event().wait()

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Any:
        await self._live()
        return await super().get(resource, namespace, name, subresource=subresource)

    async def pages(self, resource: Resource, namespace: str = "", **_: str) -> AsyncGenerator[Page]:
        await self._live()
        if resource in self.troubles.unlisted:
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        self.list_s = self.troubles.list_s
        async for page in super().pages(resource, namespace):
            yield page

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        on_open: Callable[[], None] | None = None,
        **_: str,
    ) -> AsyncGenerator[WatchEvent]:
        await self._live()
        if resource in self.troubles.unlisted:
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        if on_open is not None:
            on_open()
        cuts = self._cuts
        position = bisect_right(self._log, int(resource_version or 0), key=lambda entry: entry[1])
        while True:
            while position < len(self._log):
                at_s, _version, kind, changed, raw = self._log[position]
                position += 1
                if changed != resource:
                    continue
                await self.clock.sleep(at_s + self.troubles.lag(resource) - self.clock.monotonic())
                self._strike(cuts)
                for _time in range(2 if self.troubles.is_doubling else 1):
                    yield WatchEvent(kind, raw)
            while position >= len(self._log):
                self._strike(cuts)
                self._news.clear()
                await self._news.wait()

    def _strike(self, cuts: int) -> None:
        if cuts != self._cuts and self._cut is not None:
            raise self._cut

    async def _write(self, write: Write, carry_out: Callable[[], Awaitable[Any]]) -> Any:
        await self._live()
        self.writes.append(write)
        await asyncio.sleep(self.troubles.write_s)
        is_last, is_committed = self._is_last()
        if is_last and not is_committed:
            self.die()
        await self._live()
        how = self.troubles.take(write)
        what = f"{write.verb} {write.resource.plural} {write.name}"
        if how == "conflict":
            raise ApiError(409, "Conflict", f"{what}: the object has been modified")
        if how == "forbidden":
            raise ApiError(403, "Forbidden", f"{what} is forbidden")
        if how == "error before":
            raise ApiError(500, "InternalError", f"{what}: etcdserver: request timed out")
        if how == "lost before":
            raise Unreachable(what, answer="the connection was lost")
        result = await carry_out()
        if is_last:
            self.die()
        await self._live()
        if how == "error after":
            raise ApiError(500, "InternalError", f"{what}: etcdserver: request timed out")
        if how == "lost after":
            raise Unreachable(what, answer="the connection was lost")
        return result

    def _is_last(self) -> tuple[bool, bool]:
        """Whether the operator dies at this write, and whether after it was committed."""
        if self.last_write is None:
            return False, False
        left, is_committed = self.last_write
        self.last_write = (left - 1, is_committed)
        return left == 1, is_committed


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker told an operator of one list; `value` None is a failure."""

    at_s: float
    value: float | None


class Broker(Redis):
    """Its lists are numbers; `answers` keeps the last answers by operator and list."""

    def __init__(self, troubles: Troubles) -> None:
        super().__init__()
        self.troubles = troubles
        self.password = "right"
        self.trouble_name = ""
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.on_answer: Callable[[str, str, Answer], None] = lambda name, key, answer: None

    def connect_as(self, name: str) -> Callable[[Server], Connection]:
        """How the operator of this name connects."""
        return lambda server: WorldConnection(self, server, name)

    def length(self, key: str) -> float:
        return self.lists.get(key, 0)

    def tell(self, name: str, key: str, value: float | None) -> None:
        answer = Answer(self.troubles.clock.monotonic(), value)
        kept = self.answers.setdefault((name, key), [])
        kept.append(answer)
        del kept[:-100]
        self.on_answer(name, key, answer)


class WorldConnection(Connection):
    def __init__(self, broker: Broker, server: Any, name: str) -> None:
        super().__init__(broker, server)
        self.broker = broker
        self.name = name

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        await asyncio.sleep(self.broker.troubles.answer_s)
        keys = [one.key for one in questions]  # type: ignore[attr-defined]
        trouble = BROKER_TROUBLES.get(self.broker.trouble_name)
        if self.server.login.password != self.broker.password:
            trouble = BROKER_TROUBLES["denied"]
        values = [None if trouble is not None else self.broker.length(key) for key in keys]
        for key, value in zip(keys, values, strict=True):
            self.broker.tell(self.name, key, value)
        if trouble is not None:
            raise trouble
        return values
