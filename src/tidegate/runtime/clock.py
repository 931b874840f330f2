"""The only place that reads a clock. Everything above gets a `Clock`; everything below gets `now`."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, on the scale of the loop's own timers."""

    async def sleep(self, seconds: float) -> None:
        """Returns after at least `seconds`."""


class SystemClock:
    """The machine's clock. `monotonic` is the loop's, so a loop whose clock jumps takes us along."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def uninterrupted() -> float:
    """Seconds of the machine that go on while a process stands still or the machine sleeps, as of this call:
    a loop's own time stands still within a step."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
