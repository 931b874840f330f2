"""A keyed work queue: level-triggered, without duplicates, one worker per key at a time.

A key says only *who* needs a reconcile; the worker reads the world as it is. Adding a key that waits
already changes nothing; adding one that is being worked on makes it run once more afterwards.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from tidegate.runtime.clock import Clock

Key = TypeVar("Key", bound=Hashable)
log = logging.getLogger(__name__)


# What is away comes back at any moment; what is refused waits for people.
LONGEST_AWAY_S = 16.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error means. `level`: how loud it is told; None for a defect of ours, whose traceback is of
    use. `is_outage`: what all reconciles need is away, so that no date that one has set itself helps."""

    level: int | None = None
    is_outage: bool = False


class Queue(Generic[Key]):
    """Keys and the moment at which each is due.

    `gap_s` is the least time between two reconciles of one key: a burst of causes costs one.
    A reconcile that raises is repeated after `retry_s`, doubling up to `retry_max_s`, or at an earlier date
    that it has set itself. In an outage those dates do not count, the pauses grow to `LONGEST_AWAY_S`, and
    the first reconcile that goes through again lets the others try. `trouble` tells what an error means; it
    is logged when it changes, not each time.
    """

    def __init__(
        self,
        clock: Clock,
        reconcile: Callable[[Key], Awaitable[None]],
        *,
        gap_s: float = 0.0,
        retry_s: float = 0.25,
        retry_max_s: float = 60.0,
        trouble: Callable[[Exception], Trouble] = lambda error: Trouble(),
    ) -> None:
        self.clock = clock
        self.reconcile = reconcile
        self.gap_s = gap_s
        self.retry_s = retry_s
        self.retry_max_s = retry_max_s
        self.trouble = trouble
        self.reconciles = 0
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._running: set[Key] = set()
        self._again: dict[Key, float] = {}
        self._dates: dict[Key, float] = {}
        self._last: dict[Key, float] = {}
        self._failures: dict[Key, tuple[int, str]] = {}
        self._outages: set[Key] = set()
        self._counter = 0
        self._news = asyncio.Event()

    def add(self, key: Key, *, delay_s: float = 0.0, is_cure: bool = True) -> None:
        """Look at `key` after `delay_s`; an earlier date that is set already stands. A cause that is no cure
        of an outage waits for its end."""
        due = self.clock.monotonic() + delay_s
        if key in self._running:
            dates = self._again if is_cure and delay_s <= 0 else self._dates
            dates[key] = min(due, dates.get(key, due))
            return
        if key in self._waiting or (key in self._outages and key in self._due and not is_cure):
            return
        last = self._last.get(key)
        if last is not None:
            due = max(due, last + self.gap_s)
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        self._counter += 1
        heapq.heappush(self._heap, (due, self._counter, key))
        self._news.set()

    def forget(self, key: Key) -> None:
        """No reconcile of `key` until it is added again."""
        self._due.pop(key, None)
        self._again.pop(key, None)
        self._dates.pop(key, None)
        self._last.pop(key, None)
        self._failures.pop(key, None)
        self._outages.discard(key)

    def hurry(self) -> None:
        """What has failed is tried again now: its cause may be over."""
        self._hurry(self._failures)

    @property
    def is_idle(self) -> bool:
        """Nothing runs and nothing is due now (dates in the future do not count)."""
        now = self.clock.monotonic()
        return not self._running and not self._waiting and all(due > now for due in self._due.values())

    @property
    def load(self) -> int:
        """How many reconciles are due or under way."""
        return len(self._waiting) + len(self._running)

    @property
    def waiting(self) -> frozenset[Key]:
        """The keys that are due and that no worker has taken yet."""
        return frozenset(self._waiting)

    async def run(self, workers: int = 8) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._dispatch())
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._running.add(key)
            self.reconciles += 1
            try:
                await self.reconcile(key)
            except Exception as error:
                self._fail(key, error)
            else:
                self._succeed(key)
            finally:
                self._finish(key)
            # A reconcile that awaits nothing would let the next ten thousand run before anybody else.
            await asyncio.sleep(0)

    async def _dispatch(self) -> None:
        """Hands over what is due. Only this task watches the time, so a key wakes one worker."""
        while True:
            now = self.clock.monotonic()
            while self._heap and (self._heap[0][0] <= now or self._is_outdated(self._heap[0])):
                entry = heapq.heappop(self._heap)
                if not self._is_outdated(entry):
                    key = entry[2]
                    del self._due[key]
                    self._waiting.add(key)
                    self._ready.put_nowait(key)
            await self._wait(self._heap[0][0] - now if self._heap else None)

    def _is_outdated(self, entry: tuple[float, int, Key]) -> bool:
        """Whether the key has got another date, or was forgotten, since the entry was made."""
        return self._due.get(entry[2]) != entry[0]

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    def _finish(self, key: Key) -> None:
        self._running.discard(key)
        if self.gap_s:
            self._last[key] = self.clock.monotonic()
        dates = [found.pop(key) for found in (self._again, self._dates) if key in found]
        if dates:
            self.add(key, delay_s=max(0.0, min(dates) - self.clock.monotonic()))

    def _succeed(self, key: Key) -> None:
        self._failures.pop(key, None)
        if key in self._outages:
            # Over for the others, too.
            others, self._outages = self._outages - {key}, set()
            self._hurry(others)

    def _hurry(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if key in self._due:
                self.add(key)

    def _fail(self, key: Key, error: Exception) -> None:
        count, text = self._failures.get(key, (0, ""))
        trouble = self.trouble(error)
        if str(error) != text:
            level, told = trouble.level, "reconcile failed, will be repeated"
            if level is None:
                log.warning(told, extra={"key": str(key)}, exc_info=error)
            else:
                log.log(level, told, extra={"key": str(key), "failure": str(error)})
        self._failures[key] = (count + 1, str(error))
        delay_s = min(self.retry_max_s, self.retry_s * 2 ** min(count, 16))
        self._outages.discard(key)
        if trouble.is_outage:
            self._outages.add(key)
            self._dates.pop(key, None)
            delay_s = min(delay_s, LONGEST_AWAY_S)
        due = self.clock.monotonic() + delay_s
        self._dates[key] = min(due, self._dates.get(key, due))
