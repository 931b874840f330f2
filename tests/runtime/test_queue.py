"""The keyed queue: no duplicates, one look per key at a time, gaps, retries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from parts import virtualtime
from tidegate.runtime.clock import SystemClock
from tidegate.runtime.queue import Queue, Trouble


class Watched:
    """Looks that take `busy_s`, noted with their moments; the first `failures` raise."""

    def __init__(self, clock: virtualtime.VirtualClock, busy_s: float = 0.0, failures: int = 0) -> None:
        self.clock = clock
        self.busy_s = busy_s
        self.failures = failures
        self.reconciles: list[tuple[str, float]] = []
        self.now = 0
        self.most = 0

    async def reconcile(self, key: str) -> None:
        self.reconciles.append((key, round(self.clock.monotonic(), 3)))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.clock.sleep(self.busy_s)
            if self.failures:
                self.failures -= 1
                raise ValueError("not yet")
        finally:
            self.now -= 1


def play(
    scene: Callable[[Queue[str], Watched], Awaitable[None]],
    *,
    busy_s: float = 0.0,
    failures: int = 0,
    gap_s: float = 0.0,
) -> Watched:
    """The looks of a queue while `scene` adds to it."""

    async def story(clock: virtualtime.VirtualClock) -> Watched:
        watched = Watched(clock, busy_s, failures)
        queue = Queue(clock, watched.reconcile, gap_s=gap_s, retry_s=1.0, retry_max_s=4.0)
        task = asyncio.create_task(queue.run())
        await scene(queue, watched)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return watched

    return virtualtime.run(story)


def times(watched: Watched) -> list[float]:
    start = watched.reconciles[0][1]
    return [round(moment - start, 3) for _, moment in watched.reconciles]


def test_a_key_that_waits_is_looked_at_once() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        for _ in range(100):
            queue.add("a")
        await watched.clock.sleep(1)

    assert [key for key, _ in play(scene).reconciles] == ["a"]


def test_a_key_added_while_it_is_worked_on_runs_once_more_afterwards_and_never_beside_itself() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        queue.add("a")
        await watched.clock.sleep(0.5)
        queue.add("a")
        queue.add("a")
        await watched.clock.sleep(5)

    watched = play(scene, busy_s=1.0)
    assert times(watched) == [0.0, 1.0]
    assert watched.most == 1


def test_different_keys_are_looked_at_side_by_side() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        for key in "abcd":
            queue.add(key)
        await watched.clock.sleep(5)

    watched = play(scene, busy_s=1.0)
    assert times(watched) == [0.0] * 4
    assert watched.most == 4


def test_an_earlier_date_stands_and_a_nearer_one_replaces_it() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        queue.add("start")
        queue.add("a", delay_s=2)
        queue.add("a", delay_s=9)
        queue.add("b", delay_s=9)
        queue.add("b", delay_s=3)
        await watched.clock.sleep(20)

    watched = play(scene)
    assert [key for key, _ in watched.reconciles] == ["start", "a", "b"]
    assert times(watched) == [0.0, 2.0, 3.0]


def test_looks_at_one_key_keep_their_gap() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        for _ in range(40):
            queue.add("a")
            await watched.clock.sleep(0.05)
        await watched.clock.sleep(5)

    moments = times(play(scene, gap_s=0.25))
    assert all(later - earlier >= 0.25 for earlier, later in pairwise(moments))
    assert len(moments) in (9, 10)


def test_a_look_that_fails_is_repeated_with_growing_pauses_and_others_go_on() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        queue.add("a")
        await watched.clock.sleep(30)

    assert times(play(scene, failures=4)) == [0.0, 1.0, 3.0, 7.0, 11.0]


@pytest.mark.parametrize(("is_outage", "moments"), [(False, [0, 0.5, 1, 1.5]), (True, [0, 1, 3])])
def test_a_date_that_a_failing_look_has_set_counts_but_in_an_outage(
    *, is_outage: bool, moments: list[float]
) -> None:
    async def story(clock: virtualtime.VirtualClock) -> list[float]:
        looked: list[float] = []

        async def reconcile(key: str) -> None:
            looked.append(clock.monotonic())
            queue.add(key, delay_s=0.5)
            if clock.monotonic() - looked[0] < 1.9:
                raise ConnectionError

        queue = Queue(clock, reconcile, retry_s=1.0, trouble=lambda error: Trouble(is_outage=is_outage))
        running = asyncio.create_task(queue.run())
        queue.add("a")
        await clock.sleep(3.2 if is_outage else 1.8)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return [round(one - looked[0], 3) for one in looked]

    assert virtualtime.run(story) == moments


def test_what_is_no_cure_waits_in_an_outage_and_the_first_success_ends_it_for_all() -> None:
    async def story(clock: virtualtime.VirtualClock) -> list[tuple[str, float]]:
        looked: list[tuple[str, float]] = []
        is_over = False

        async def reconcile(key: str) -> None:
            looked.append((key, round(clock.monotonic() - began, 3)))
            if not is_over:
                raise ConnectionError

        queue = Queue(clock, reconcile, retry_s=4.0, trouble=lambda error: Trouble(is_outage=True))
        running, began = asyncio.create_task(queue.run()), clock.monotonic()
        queue.add("a")
        queue.add("b")
        await clock.sleep(1)
        queue.add("a", is_cure=False)
        await clock.sleep(1)
        is_over = True
        queue.add("a")
        await clock.sleep(10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return looked

    assert virtualtime.run(story) == [("a", 0), ("b", 0), ("a", 2), ("b", 2)]


def test_a_forgotten_key_is_not_looked_at() -> None:
    async def scene(queue: Queue[str], watched: Watched) -> None:
        queue.add("a", delay_s=1)
        queue.add("b", delay_s=1)
        queue.forget("a")
        await watched.clock.sleep(3)

    assert [key for key, _ in play(scene).reconciles] == ["b"]


@pytest.mark.parametrize(("delay_s", "is_idle"), [(0.0, False), (10.0, True)])
def test_it_is_idle_when_nothing_is_due_now(delay_s: float, is_idle: bool) -> None:
    seen: list[bool] = []

    async def scene(queue: Queue[str], watched: Watched) -> None:
        queue.add("a", delay_s=delay_s)
        seen.append(queue.is_idle)

    play(scene)
    assert seen == [is_idle]


async def test_looks_that_wait_for_nothing_let_others_run_in_between() -> None:
    looked: list[int] = []

    async def reconcile(key: int) -> None:
        looked.append(key)

    queue: Queue[int] = Queue(SystemClock(), reconcile)
    for key in range(1000):
        queue.add(key)
    running = asyncio.create_task(queue.run(4))
    seen = set()
    while len(looked) < 1000:
        await asyncio.sleep(0)
        seen.add(len(looked))
    running.cancel()
    assert len(seen) > 100
