"""The adapter for one NATS server's clients' port, which is there to be told of news."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Feed, Line
from tidegate.connections.nats.news import News
from tidegate.connections.nats.opening import opened
from tidegate.connections.nats.subjects import subjects_of
from tidegate.kit.question import Question
from tidegate.kit.systems.nats_client import ConsumerNews, NatsServer


class NatsConnection:
    """One connection for all that is watched; asked, it says which subjects would tell of news."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: NatsServer, surroundings: Surroundings) -> None:
        self.connections = 0
        self._server = server
        self._surroundings = surroundings
        self._feed = Feed(self._open_line)
        self._topics: dict[str, ConsumerNews] = {}

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        known = [one for one in questions if isinstance(one, ConsumerNews)]
        found: dict[Question, tuple[str, ...] | TidegateError] = {}
        if known:
            wire = await opened(self._server, self._surroundings)
            self.connections += 1
            try:
                found.update(zip(known, await subjects_of(wire, known), strict=True))
            finally:
                await wire.close()
        return [found.get(one) or _unknown(one) for one in questions]

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether something may have come for a consumer."""
        if not isinstance(question, ConsumerNews):
            raise _unknown(question)
        self._topics[_topic(question)] = question
        await self._feed.watch(_topic(question), pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the server would tell of it now."""
        return isinstance(question, ConsumerNews) and self._feed.is_watching(_topic(question))

    async def close(self) -> None:
        await self._feed.close()

    async def _open_line(self) -> Line:
        wire = await opened(self._server, self._surroundings)
        self.connections += 1
        return News(wire, self._topics)


def _topic(question: ConsumerNews) -> str:
    return f"{question.stream}\n{question.consumer}"


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"watch {type(question).__name__}", on=question.server.label())
