"""The machine's clock."""

from __future__ import annotations

import asyncio
from datetime import UTC

from tidegate.runtime.clock import SystemClock


async def test_the_wall_clock_knows_its_zone_and_timers_share_the_loops_scale():
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    before = asyncio.get_running_loop().time()
    assert before <= clock.monotonic() <= asyncio.get_running_loop().time()


async def test_a_sleep_is_never_shorter_than_asked_and_a_negative_one_is_none():
    clock = SystemClock()
    start = clock.monotonic()
    await clock.sleep(0.02)
    assert clock.monotonic() - start >= 0.019
    await clock.sleep(-5)
