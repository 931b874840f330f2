"""The adapter for one virtual host over AMQP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tidegate.base.errors import Malformed, Misconfigured, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Feed, Line
from tidegate.connections.rabbitmq.bindings import BindingLink, Bindings
from tidegate.connections.rabbitmq.link import Cut, Dialling, Link, Outcome, Traffic
from tidegate.kit.question import Question
from tidegate.kit.systems.rabbitmq import AmqpServer, QueueDepth, RoutedMessages


class AmqpConnection:
    """One connection, opened by the first question, for up to `batch` queues at once; one more to listen."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: AmqpServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._dialling: Dialling | None = None
        self._traffic = Traffic()
        self._link: Link | None = None
        self._lock = asyncio.Lock()
        self._feed = Feed(self._open_line)

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self._traffic.connections

    @property
    def round_trips(self) -> int:
        """Batches sent since the adapter was made."""
        return self._traffic.round_trips

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order, all queues counted together.

        What is wrong with all of them but is neither a refusal nor an absence becomes each one's answer.
        """
        queues = [question.queue for question in questions if isinstance(question, QueueDepth)]
        outcomes: Sequence[Outcome]
        async with self._lock:
            try:
                outcomes = await self._depths(queues) if queues else ()
            except (Misconfigured, Malformed) as error:
                outcomes = [error] * len(queues)
        answers = iter(outcomes)
        return [next(answers) if isinstance(one, QueueDepth) else _unknown(one) for one in questions]

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether messages go the way of a binding."""
        if not isinstance(question, RoutedMessages):
            raise Unsupported(f"watch {type(question).__name__}", on=question.server.label())
        await self._feed.watch(question.binding, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the broker would tell of a message."""
        return isinstance(question, RoutedMessages) and self._feed.is_watching(question.binding)

    async def close(self) -> None:
        await self._feed.close()
        await self._hang_up()

    async def _open_line(self) -> Line:
        link = BindingLink(self._server, await self._dialled())
        await link.open()
        return Bindings(link, self._surroundings.timeout_s)

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _depths(self, queues: Sequence[str]) -> Sequence[Outcome]:
        try:
            return await (await self._usable_link()).depths(queues)
        except Cut:
            # A broker that restarts closes all connections: try a new one, once.
            return await (await self._usable_link()).depths(queues)

    async def _usable_link(self) -> Link:
        if self._link is not None and self._link.is_usable:
            return self._link
        await self._hang_up()
        link = Link(self._server, await self._dialled())
        await link.open()
        self._link = link
        return link

    async def _dialled(self) -> Dialling:
        """How to dial. Misconfigured when the TLS parameters cannot be read."""
        if self._dialling is None:
            context = None
            if self._server.tls is not None:
                from tidegate.connections.tls import shared_context

                context = await shared_context(self._server.tls, self._surroundings.tls)
            self._dialling = Dialling(self._surroundings, context, self._traffic)
        return self._dialling


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
