"""Both ends of the stream in one process: a metrics API server's link, and an operator that can be away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tidegate.base.errors import Unreachable
from tidegate.metricsapi.link import Link
from tidegate.operator.serving.streams import Metrics, Stream
from tidegate.runtime.clock import Clock


class End:
    """One end of a pipe of messages. `sent` keeps what went out of it."""

    def __init__(self) -> None:
        self.other: End = self
        self.sent: list[bytes] = []
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def receive(self) -> bytes | None:
        return await self._inbox.get()

    async def send(self, message: bytes) -> None:
        self.sent.append(message)
        self.other._inbox.put_nowait(message)

    def close(self) -> None:
        """Neither end hears anything more."""
        self._inbox.put_nowait(None)
        self.other._inbox.put_nowait(None)


def pipe() -> tuple[End, End]:
    one, other = End(), End()
    one.other, other.other = other, one
    return one, other


class Leader:
    """Where a link connects to. `metrics` is None while no operator leads; `streams` counts those opened.

    `told` are the messages of all streams to the link, `asked` those of the link.
    """

    def __init__(self, clock: Clock, metrics: Metrics | None) -> None:
        self.metrics = metrics
        self.streams = 0
        self.told: list[bytes] = []
        self.asked: list[bytes] = []
        self._clock = clock
        self._ends: set[End] = set()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[End]:
        if self.metrics is None:
            raise Unreachable("follow metrics", on="operator:9666", answer="connection refused")
        self.streams += 1
        ours, theirs = pipe()
        ours.sent, theirs.sent = self.asked, self.told
        self._ends.add(ours)
        stream = asyncio.create_task(Stream(theirs, self.metrics, self._clock, "test").run())
        try:
            yield ours
        finally:
            self._ends.discard(ours)
            stream.cancel()
            with suppress(asyncio.CancelledError, ValueError):
                await stream

    def leave(self) -> None:
        """The operator is away from now on."""
        self.metrics = None
        self.cut()

    def cut(self) -> None:
        """Every stream ends, and may be opened again."""
        for end in list(self._ends):
            end.close()


@asynccontextmanager
async def linked(clock: Clock, leader: Leader) -> AsyncIterator[Link]:
    """A link that runs while the block does."""
    link = Link(leader.connect, clock, "operator:9666")
    running = asyncio.create_task(link.run())
    try:
        yield link
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
