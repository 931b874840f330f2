"""An event loop whose clock jumps: seconds cost nothing, and the order of tasks comes from a seed.

    def test_something_takes_an_hour():
        def story(clock): ...            # async
        virtualtime.run(story, seed=1)

When every task waits, the clock jumps to the next timer. When no timer is left either, nothing can
ever wake: that is `Stuck`, with the tasks that wait. Sockets and threads have no place here.
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
"""The wall clock when the loop's own clock shows 0: a Monday noon."""


class Stuck(AssertionError):
    """Everything waits, and nothing is left that could wake it."""


class VirtualClock:
    """Wall clock and timers both follow the loop; `shift` sets the wall clock alone, as people do."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic()) + self.shift

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class _Jump(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.waiting: Callable[[], str] = str

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise Stuck(f"nothing can wake these tasks any more:\n{self.waiting()}")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop itself; tasks that are ready at the same time run in an order drawn from `seed`."""

    def __init__(self, seed: int = 0) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._jump.waiting = self._describe
        self._order = random.Random(seed)

    def time(self) -> float:
        return self._jump.now

    def _describe(self) -> str:
        return "\n".join(f"  {_place(task)}" for task in asyncio.all_tasks(self))

    def _run_once(self) -> None:
        # Only steps of tasks change places: callbacks are promised to run in the order of their calls.
        ready = list(self._ready)
        places = [i for i, handle in enumerate(ready) if _is_step(handle)]
        steps = [ready[i] for i in places]
        self._order.shuffle(steps)
        for i, handle in zip(places, steps, strict=True):
            ready[i] = handle
        self._ready.clear()
        self._ready.extend(ready)
        super()._run_once()


def _place(task: asyncio.Task[Any]) -> str:
    """Where the innermost coroutine of a task waits."""
    inner: Any = task.get_coro()
    while hasattr(getattr(inner, "cr_await", None), "cr_frame"):
        inner = inner.cr_await
    return f"{inner.__qualname__}, line {inner.cr_frame.f_lineno} of {inner.cr_frame.f_code.co_filename}"


def _is_step(handle: Any) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


def run(story: Callable[[VirtualClock], Awaitable[Result]], *, seed: int = 0) -> Result:
    """What the story returns. Tasks that it leaves behind are cancelled; their errors are raised."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(seed)) as runner:
        return runner.run(_told(story))


async def _told(story: Callable[[VirtualClock], Awaitable[Result]]) -> Result:
    return await story(VirtualClock())
