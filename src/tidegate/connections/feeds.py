"""A feed: one connection over which a server tells of changes, for all who watch something of it.

    watch("jobs", pushed) ─┐
    watch("mail", pushed) ─┼─► feed ──► one line ──► the server
    watch("jobs", pushed) ─┘

The line is opened for the first watcher and closed with the last one; topics are added and dropped while it
is open. With the line all watches end, and come back one by one: who comes right after an attempt that has
failed gets that failure, so that thousands of them do not become thousands of attempts.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate.base.errors import TidegateError, Unsupported

Tell = Callable[[str], None]

BEAT_S = 30.0
"""A connection on which nothing was heard for so long is asked whether it is still there."""

_LONGEST_REST_S = 15.0
_UNOFFERED_REST_S = 150.0


async def beat(heard_at: Callable[[], float], ask: Callable[[], Awaitable[object]]) -> None:
    """Finds out about a connection that is dead and does not say so: `ask` raises then, as this does.

    `heard_at` is when the server was heard of last, by the loop's clock.
    """
    loop = asyncio.get_running_loop()
    since = loop.time()
    while True:
        rest_s = max(since, heard_at()) + BEAT_S - loop.time()
        if rest_s > 0:
            await asyncio.sleep(rest_s)
        else:
            await ask()
            since = loop.time()


class Line(Protocol):
    """An open connection for pushes, used by one feed."""

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        """Returns when the server tells of all of them, but for those that it refuses."""

    async def unsubscribe(self, topics: Sequence[str]) -> None: ...

    async def listen(self, tell: Tell) -> None:
        """Calls `tell` with each topic that has changed, beside the others. Raises what ends the line."""

    async def close(self) -> None: ...


@dataclass(eq=False, slots=True)
class _Watcher:
    """Somebody who waits for changes of a topic; `ended` gets what has ended the watch, if anything."""

    pushed: Callable[[], None]
    ended: asyncio.Future[BaseException | None]

    def end(self, error: BaseException | None) -> None:
        if not self.ended.done():
            self.ended.set_result(error)


class Feed:
    """All watches of one server. `open_line` raises why there is no line now."""

    def __init__(self, open_line: Callable[[], Awaitable[Line]]) -> None:
        self.attempts = 0
        self._open_line = open_line
        self._watchers: dict[str, dict[_Watcher, None]] = {}
        self._subscribed: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._strikes = 0
        self._refusal: BaseException | None = None
        self._rests_until = -math.inf

    def is_watching(self, topic: str) -> bool:
        """Whether the server would tell of a change now."""
        return topic in self._subscribed

    async def watch(self, topic: str, pushed: Callable[[], None]) -> None:
        """Calls `pushed` once the server tells of changes, and for each. Raises what has ended the watch."""
        loop = asyncio.get_running_loop()
        if self._refusal is not None and loop.time() < self._rests_until:
            raise self._refusal.with_traceback(None)
        watcher = _Watcher(pushed, loop.create_future())
        self._watchers.setdefault(topic, {})[watcher] = None
        if topic in self._subscribed:
            pushed()
        self._stir()
        try:
            error = await watcher.ended
        finally:
            self._leave(topic, watcher)
        if error is not None:
            raise error.with_traceback(None)

    async def close(self) -> None:
        """Ends all; safe twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _stir(self) -> None:
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    def _leave(self, topic: str, watcher: _Watcher) -> None:
        members = self._watchers.get(topic, {})
        members.pop(watcher, None)
        if not members:
            self._watchers.pop(topic, None)
            self._changed.set()

    async def _keep(self) -> None:
        """A line until it ends; another one where somebody has come while nobody watched any more."""
        error: BaseException | None = None
        try:
            while self._watchers:
                await self._serve()
        except Exception as why:
            error = why
            self._rest(why)
        finally:
            if self._task is asyncio.current_task():
                self._task = None
            left, self._watchers = self._watchers, {}
            for members in left.values():
                for watcher in members:
                    watcher.end(error)

    def _rest(self, why: Exception) -> None:
        """For a while nothing is tried again: longer and longer, until a line has served."""
        self._strikes += 1
        rest_s = min(2.0 ** (self._strikes - 1), _LONGEST_REST_S)
        self._refusal = why
        self._rests_until = asyncio.get_running_loop().time() + (
            _UNOFFERED_REST_S if isinstance(why, Unsupported) else rest_s
        )

    async def _serve(self) -> None:
        """One line, while somebody watches."""
        self.attempts += 1
        line = await self._open_line()
        try:
            await self._use(line)
        finally:
            self._subscribed.clear()
            await line.close()

    async def _use(self, line: Line) -> None:
        listening = asyncio.create_task(line.listen(self._tell))
        following = asyncio.create_task(self._follow(line))
        either: set[asyncio.Task[None]] = {listening, following}
        try:
            done, _ = await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            # Where both have ended, the line's own word says more than who has waited for it.
            for task in (listening, following):
                if task in done:
                    task.result()
        finally:
            for task in either:
                task.cancel()
            await asyncio.wait(either)
            for task in either:
                with contextlib.suppress(asyncio.CancelledError):
                    task.exception()

    async def _follow(self, line: Line) -> None:
        """Keeps the line's topics those that are watched; returns when there are none."""
        while self._watchers:
            self._changed.clear()
            gone = [topic for topic in self._subscribed if topic not in self._watchers]
            new = [topic for topic in self._watchers if topic not in self._subscribed]
            if gone:
                self._subscribed.difference_update(gone)
                await line.unsubscribe(gone)
            elif new:
                self._took(new, await line.subscribe(new))
            else:
                await self._changed.wait()

    def _took(self, topics: Iterable[str], refused: Mapping[str, TidegateError]) -> None:
        """The line tells of these topics from now on; what was before nobody has told."""
        self._strikes = 0
        for topic in topics:
            if topic in refused:
                for watcher in self._watchers.pop(topic, {}):
                    watcher.end(refused[topic])
            else:
                self._subscribed.add(topic)
                self._tell(topic)

    def _tell(self, topic: str) -> None:
        for watcher in tuple(self._watchers.get(topic, ())):
            watcher.pushed()
