"""An event loop whose clock jumps: seconds cost nothing, and the order of tasks comes from a seed.

    def test_something_takes_an_hour():
        def story(clock): ...            # async
        virtualtime.run(story, seed=1)

When every task waits, the clock jumps to the next timer. When no timer is left either, nothing can
ever wake, or something wakes itself for ever: that is `Stuck`, with the tasks that wait. Sockets have
no place here; threads that owe an answer are waited for if the test says so (`wait_while`).
"""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")

REAL_S = 10.0
TURNS = 200_000
"""Turns of the loop at one moment. More is something that wakes itself for ever."""

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
"""The wall clock when the loop's own clock shows 0: a Monday morning."""


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
        self.turns = 0
        self.waiting: Callable[[], str] = str
        self.is_owed: Callable[[], bool] | None = None

    def select(self, timeout: float | None = None) -> list[Any]:
        if self.is_owed is not None and (answers := self._answers(timeout)):
            return answers
        if timeout is None:
            raise Stuck(f"nothing can wake these tasks any more:\n{self.waiting()}")
        if timeout > 0:
            # At least a microsecond, so that rounding never leaves a timer just ahead of us for ever.
            self.now += max(timeout, 1e-6)
            self.turns = 0
        self.turns += 1
        if self.turns > TURNS:
            raise Stuck(f"time stands still, though something runs all the time:\n{self.waiting()}")
        return []

    def _answers(self, timeout: float | None) -> list[Any]:
        """What threads have sent. While they owe something, real time passes and ours stands still."""
        assert self.is_owed is not None
        if timeout == 0 or not self.is_owed():
            return super().select(0)
        answers = super().select(REAL_S)
        if not answers:
            raise Stuck(f"a thread did not answer within {REAL_S:g} s:\n{self.waiting()}")
        return answers


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop itself; tasks that are ready at the same time run in an order drawn from `seed`."""

    def __init__(self, seed: int = 0) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._jump.waiting = self._describe
        self._order = random.Random(seed)

    def time(self) -> float:
        return self._jump.now

    def wait_while(self, is_owed: Callable[[], bool]) -> None:
        """The clock does not jump while `is_owed()`: another thread is at work for us."""
        self._jump.is_owed = is_owed

    def _describe(self) -> str:
        return "\n".join(f"  {_place(task)}" for task in asyncio.all_tasks(self))

    def _run_once(self) -> None:
        # Only steps of tasks change places: callbacks are promised to run in the order of their calls.
        # Threads may add to the deque at any moment: what is there is taken off its head and put back.
        ready = [self._ready.popleft() for _ in range(len(self._ready))]
        places = [i for i, handle in enumerate(ready) if _is_step(handle)]
        steps = [ready[i] for i in places]
        self._order.shuffle(steps)
        for i, handle in zip(places, steps, strict=True):
            ready[i] = handle
        self._ready.extendleft(reversed(ready))
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
