"""What is given for a while, such as an access token: fetched once, renewed ahead, served to its end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tidegate.base.errors import Denied, TidegateError, Unreachable

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_EARLY_S = 300.0
"""A grant is renewed this long before it ends, or after half of a shorter life."""

_REFUSED_S = 1.0
"""For so long a failure answers everybody who waits: a batch asks for its grant once."""

_DENIED_S = 10.0
"""For so long a refusal does: hundreds of servers may share the identity that is refused."""

_LATE_S = 10.0
"""While the old grant serves, whoever failed to renew it is asked again after so long."""


@dataclass(frozen=True, slots=True)
class Granted(Generic[T]):
    """What was given, and for how many seconds from now it is good."""

    value: T = field(repr=False)
    life_s: float


@dataclass(slots=True)
class _Held(Generic[T]):
    """`renew` and `ends` are moments of the loop's clock."""

    value: T = field(repr=False)
    renew: float
    ends: float


class Grants(Generic[K, T]):
    """Grants by key. `fetch` brings one, or raises one of the five errors.

    One fetch at a time for a key, however many wait, and whoever stops waiting does not end it. A grant that
    is soon over is renewed while it is served; while that fails, it is served to its end.
    """

    def __init__(self, fetch: Callable[[K], Awaitable[Granted[T]]], *, early_s: float = _EARLY_S) -> None:
        self._fetch = fetch
        self._early_s = early_s
        self._held: dict[K, _Held[T]] = {}
        self._failures: dict[K, tuple[TidegateError, float]] = {}
        self._forgotten: dict[K, float] = {}
        self._fetching: dict[K, asyncio.Task[None]] = {}
        self.fetches = 0
        """How often `fetch` was called."""

    def __len__(self) -> int:
        """Keys of which anything is remembered."""
        return len(self._held.keys() | self._failures.keys() | self._forgotten.keys() | self._fetching.keys())

    async def get(self, key: K) -> T:
        """A grant that is good now. Raises what `fetch` raised where there is none."""
        now = asyncio.get_running_loop().time()
        held = self._held.get(key)
        if held is not None and now < held.ends:
            if now >= held.renew and not self._has_failed(key, now, _LATE_S):
                self._start(key)
            return held.value
        self._raise_known(key, now)
        await asyncio.shield(self._start(key))
        held = self._held.get(key)
        if held is None:
            error, _ = self._failures[key]
            raise error.with_traceback(None)
        return held.value

    def forget(self, key: K, value: T) -> bool:
        """It was refused: the next one is fetched, if that has not been done already.

        Whether whoever asks now gets another. Not so where the last one was refused a moment ago, too: then
        it is not the grant that is wrong, and a new one for each refusal would help nobody.
        """
        held = self._held.get(key)
        if held is None or held.value != value or held.ends == -math.inf:
            return True
        now = asyncio.get_running_loop().time()
        if now - self._forgotten.get(key, -math.inf) < _DENIED_S:
            return False
        self._forgotten[key] = now
        held.renew = held.ends = -math.inf
        return True

    async def close(self) -> None:
        """End what is being fetched; safe twice."""
        tasks = list(self._fetching.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_known(self, key: K, now: float) -> None:
        known = self._failures.get(key)
        if known is None:
            return
        error, _ = known
        rest_s = _DENIED_S if isinstance(error, Denied) else _REFUSED_S
        if isinstance(error, Unreachable) and error.retry_after_s is not None:
            rest_s = max(rest_s, error.retry_after_s)
        if self._has_failed(key, now, rest_s):
            raise error.with_traceback(None)

    def _has_failed(self, key: K, now: float, within_s: float) -> bool:
        known = self._failures.get(key)
        return known is not None and now - known[1] < within_s

    def _start(self, key: K) -> asyncio.Task[None]:
        task = self._fetching.get(key)
        if task is None:
            task = self._fetching[key] = asyncio.create_task(self._renew(key), name="grant")
        return task

    async def _renew(self, key: K) -> None:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            self.fetches += 1
            granted = await self._fetch(key)
        except TidegateError as error:
            self._failures[key] = error, clock()
            held = self._held.get(key)
            if held is not None and clock() >= held.ends:
                del self._held[key]
        else:
            self._failures.pop(key, None)
            renew_s = max(granted.life_s / 2, granted.life_s - self._early_s)
            self._held[key] = _Held(granted.value, started + renew_s, started + granted.life_s)
        finally:
            self._fetching.pop(key, None)
            self._drop_ended(clock(), key)

    def _drop_ended(self, now: float, asked: K) -> None:
        """Keys that nobody asks for any more must not pile up, whether or not anything is given."""
        for key in [key for key, held in self._held.items() if now >= held.ends and key != asked]:
            del self._held[key]
        for key in [key for key, (_, at) in self._failures.items() if now - at > 60 * _DENIED_S]:
            del self._failures[key]
        for key in [key for key, at in self._forgotten.items() if now - at > _DENIED_S]:
            del self._forgotten[key]
