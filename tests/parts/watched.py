"""What an adapter's watches bring: pushes counted by question, and why a watch has ended.

async with watched(adapter, one, other) as heard:
    await heard.until(one=1)
    server.call("RPUSH", …)
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from parts.waiting import until
from tidegate.base.errors import TidegateError

PATIENCE_S = 20.0


class Heard:
    """`pushes` by question; `ended` has the error of each watch that has ended, None where there was none."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter
        self.pushes: Counter[Any] = Counter()
        self.ended: dict[Any, TidegateError | None] = {}
        self.tasks: dict[Any, asyncio.Task[None]] = {}

    def watch(self, question: Any) -> None:
        self.ended.pop(question, None)
        self.tasks[question] = asyncio.create_task(self._watch(question))

    async def leave(self, question: Any) -> None:
        task = self.tasks.pop(question)
        task.cancel()
        await asyncio.wait([task])

    async def until_open(self) -> None:
        """All watches are open; what they were told by being opened is forgotten."""
        await self.so(lambda: all(self.adapter.is_watching(one) and self.pushes[one] for one in self.tasks))
        self.pushes.clear()

    async def told(self, question: Any) -> None:
        """Something was pushed since; it is forgotten then."""
        await self.so(lambda: self.pushes[question])
        self.pushes.clear()

    async def why(self, question: Any) -> str:
        """Why the watch has ended; "" where nobody says."""
        await self.so(lambda: question in self.ended)
        return str(self.ended[question] or "")

    async def reopened(self, question: Any) -> None:
        """The watch is open again, however often that takes, and has told of what came meanwhile."""

        def is_open() -> bool:
            if question in self.ended:
                self.watch(question)
            return bool(self.adapter.is_watching(question) and self.pushes[question])

        await self.so(is_open)
        self.pushes.clear()

    async def so(self, is_so: Callable[[], Any]) -> None:
        try:
            await until(is_so, PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"not within {PATIENCE_S:g} s: {self.pushes}, {self.ended}") from None

    async def _watch(self, question: Any) -> None:
        def pushed() -> None:
            self.pushes[question] += 1

        try:
            await self.adapter.watch(question, pushed)
        except TidegateError as error:
            self.ended[question] = error
        else:
            self.ended[question] = None


@asynccontextmanager
async def watched(adapter: Any, *questions: Any) -> AsyncIterator[Heard]:
    """The adapter is closed at the end."""
    heard = Heard(adapter)
    for question in questions:
        heard.watch(question)
    try:
        yield heard
    finally:
        for question in tuple(heard.tasks):
            await heard.leave(question)
        await adapter.close()
