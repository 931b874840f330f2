"""The loop whose clock jumps keeps its own promises."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from parts import virtualtime


def test_an_hour_passes_at_once_and_both_clocks_show_it():
    async def story(clock):
        await asyncio.sleep(3_600)
        return clock.monotonic(), (clock.now() - virtualtime.START).total_seconds()

    assert virtualtime.run(story) == (3_600, 3_600)


def test_timers_wake_in_the_order_of_their_moments():
    async def story(clock):
        woken = []

        async def sleeper(seconds):
            await clock.sleep(seconds)
            woken.append(seconds)

        await asyncio.gather(*(sleeper(seconds) for seconds in (3, 1, 2)))
        return woken

    assert virtualtime.run(story) == [1, 2, 3]


def _order(seed):
    async def story(clock):
        seen = []

        async def step(n):
            await asyncio.sleep(0)
            seen.append(n)

        await asyncio.gather(*(step(n) for n in range(8)))
        return tuple(seen)

    return virtualtime.run(story, seed=seed)


def test_the_order_of_ready_tasks_comes_from_the_seed():
    assert _order(1) == _order(1)
    assert len({_order(seed) for seed in range(10)}) > 5


def test_waiting_for_nothing_is_stuck_and_says_who_waits():
    async def never(clock):
        await asyncio.get_running_loop().create_future()

    with pytest.raises(virtualtime.Stuck, match=r"never, line \d+ of .*test_virtualtime"):
        virtualtime.run(never)


def test_no_answer_of_a_thread_is_lost_while_tasks_change_places():
    async def chatter():
        for _ in range(20_000):
            await asyncio.sleep(0)

    async def story(clock):
        loop, owed = asyncio.get_running_loop(), 0
        loop.wait_while(lambda: owed > 0)
        chatting = [asyncio.create_task(chatter()) for _ in range(5)]
        with ThreadPoolExecutor(1) as thread:
            for _ in range(1_000):
                answer = loop.create_future()
                owed += 1
                thread.submit(loop.call_soon_threadsafe, answer.set_result, None)
                await answer
                owed -= 1
        for task in chatting:
            task.cancel()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        virtualtime.run(story)
    finally:
        sys.setswitchinterval(interval)
