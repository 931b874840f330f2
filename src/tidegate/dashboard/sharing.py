"""Answers that all open pages share: asked for once at a time, and kept for two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from tidegate.runtime.clock import Clock

T = TypeVar("T")
KEPT_S = 2.0
MOST = 256


class Sharing(Generic[T]):
    """Whoever asks while an answer is under way, or young, gets that one. Failures are shared too."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: dict[Hashable, tuple[float, asyncio.Future[T]]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of `ask`, or what another asker of this key was told. Who leaves takes nobody along."""
        now_s = self._clock.monotonic()
        for old in [
            one for one, (until_s, found) in self._asked.items() if until_s <= now_s and found.done()
        ]:
            del self._asked[old]
        known = self._asked.get(key)
        if known is None:
            if len(self._asked) >= MOST:
                return await ask()
            task: asyncio.Future[T] = asyncio.ensure_future(_awaited(ask))
            # One that nobody waits for any more must not complain.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            known = self._asked[key] = (now_s + KEPT_S, task)
        return await asyncio.shield(known[1])

    async def close(self) -> None:
        """Ends what is under way. Safe twice."""
        tasks = [found for _, found in self._asked.values()]
        self._asked.clear()
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _awaited(ask: Callable[[], Awaitable[T]]) -> T:
    return await ask()
