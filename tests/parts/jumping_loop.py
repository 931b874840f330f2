"""An event loop whose clock jumps: when all tasks wait, time moves to the next timer.

Hours pass in milliseconds, and a loop in which nothing can ever wake says so instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

Result = TypeVar("Result")
REAL_S = 10.0
START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


class Stuck(AssertionError):
    """Every task waits for something that no timer and no file will bring."""


class _JumpingSelector(selectors.SelectSelector):
    passed_s = 0.0
    is_busy: Callable[[], bool] = staticmethod(lambda: False)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and self.is_busy() and timeout != 0:
            # A thread is at work for us: it takes real time, in which ours stands still.
            ready = super().select(REAL_S)
            if not ready:
                raise Stuck(f"a thread did not answer within {REAL_S} s")
            return ready
        if not ready and timeout is None:
            raise Stuck("nothing can wake this loop any more")
        if not ready and timeout:
            # At least a microsecond, so that rounding never leaves a timer just ahead of us for ever.
            self.passed_s += max(timeout, 1e-6)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumps = _JumpingSelector()
        super().__init__(self._jumps)

    def wait_while(self, is_busy: Callable[[], bool]) -> None:
        """Time stands still while `is_busy()`: another thread owes an answer."""
        self._jumps.is_busy = is_busy

    def time(self) -> float:
        return self._jumps.passed_s


class LoopClock:
    """A `Clock` of the running loop; `now()` starts at `START`."""

    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run(main: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """The result of `main()` on a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main())
