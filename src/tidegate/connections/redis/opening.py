"""What both adapters need before and around a batch: how to dial, whom to ask first, which keys."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tidegate.base.errors import (
    Denied,
    Malformed,
    Misconfigured,
    TidegateError,
    Unreachable,
    Unsupported,
)
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.link import Dialling, Traffic
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisLength, RedisServer

T = TypeVar("T")

# Of several failures the one to show: what a user can mend comes first.
_TELLING = (Denied, Misconfigured, Malformed, Unreachable)


class Opening:
    """Makes the `Dialling` of a server; the TLS context is made once, in a thread."""

    def __init__(self, server: RedisServer, surroundings: Surroundings) -> None:
        self.traffic = Traffic()
        self._server = server
        self._surroundings = surroundings
        self._dialling: Dialling | None = None

    async def dialling(self) -> Dialling:
        """Misconfigured when the TLS parameters cannot be read."""
        if self._dialling is None:
            context = None
            if self._server.tls is not None:
                from tidegate.connections.tls import client_context

                context = await asyncio.to_thread(client_context, self._server.tls)
            around = self._surroundings
            self._dialling = Dialling(self.traffic, around.resolve, around.timeout_s, context)
        return self._dialling


async def first_answer(addresses: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> T:
    """The first answer of all `addresses`, asked at the same time; the others are let go.

    Raises the most telling failure when none answers.
    """
    tasks = [asyncio.ensure_future(ask(address)) for address in addresses]
    failures: list[TidegateError] = []
    try:
        for task in asyncio.as_completed(tasks):
            try:
                return await task
            except TidegateError as error:
                failures.append(error)
    finally:
        for pending in tasks:
            pending.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    raise min(failures, key=lambda one: next(n for n, kind in enumerate(_TELLING) if isinstance(one, kind)))


async def keyed(
    questions: Sequence[Question],
    lengths: Callable[[Sequence[str]], Awaitable[Sequence[int | TidegateError]]],
) -> list[Any]:
    """One answer per question, in order, the lengths asked for together.

    What is wrong with all of them but is neither a refusal nor an absence becomes each one's answer.
    """
    keys = [question.key for question in questions if isinstance(question, RedisLength)]
    outcomes: Sequence[int | TidegateError]
    try:
        outcomes = await lengths(keys) if keys else ()
    except (Misconfigured, Malformed) as error:
        outcomes = [error] * len(keys)
    answers = iter(outcomes)
    return [next(answers) if isinstance(one, RedisLength) else _unknown(one) for one in questions]


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
