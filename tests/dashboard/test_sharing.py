"""One question for all who ask, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import Any

from parts import virtualtime
from tidegate.dashboard.sharing import KEPT_S, Sharing


class Source:
    """Answers after a second, and counts."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.asked = 0
        self.error: Exception | None = None

    async def ask(self) -> int:
        self.asked += 1
        await self.clock.sleep(1)
        if self.error is not None:
            raise self.error
        return self.asked


def test_all_who_ask_within_two_seconds_get_one_answer() -> None:
    async def story(clock: Any) -> None:
        source, sharing = Source(clock), Sharing[int](clock)
        assert await asyncio.gather(*(sharing.get("a", source.ask) for _ in range(10))) == [1] * 10
        assert await sharing.get("a", source.ask) == 1
        await clock.sleep(KEPT_S)
        assert await sharing.get("a", source.ask) == 2
        assert await sharing.get("b", source.ask) == 3
        await sharing.close()

    virtualtime.run(story)


def test_a_failure_is_shared_and_not_kept_longer() -> None:
    async def story(clock: Any) -> None:
        source, sharing = Source(clock), Sharing[int](clock)
        source.error = ValueError("no")
        told = await asyncio.gather(*(sharing.get("a", source.ask) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in told] == [ValueError] * 3
        assert source.asked == 1
        source.error = None
        await clock.sleep(KEPT_S)
        assert await sharing.get("a", source.ask) == 2
        await sharing.close()

    virtualtime.run(story)


def test_who_leaves_takes_nobody_along() -> None:
    async def story(clock: Any) -> None:
        source, sharing = Source(clock), Sharing[int](clock)
        leaving = asyncio.create_task(sharing.get("a", source.ask))
        staying = asyncio.create_task(sharing.get("a", source.ask))
        await clock.sleep(0.5)
        leaving.cancel()
        assert await staying == 1
        assert (await asyncio.gather(leaving, return_exceptions=True))[0].__class__ is asyncio.CancelledError
        # One that everybody left, and that fails, complains to nobody.
        source.error = ValueError("no")
        left = asyncio.create_task(sharing.get("b", source.ask))
        await clock.sleep(0.5)
        left.cancel()
        await clock.sleep(5)
        await sharing.close()
        await sharing.close()

    virtualtime.run(story)
