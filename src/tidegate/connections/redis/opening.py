"""What both adapters need before a batch: how to dial, and whom to ask first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from tidegate.base.errors import (
    Denied,
    Malformed,
    Misconfigured,
    TidegateError,
    Unreachable,
)
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.link import Dialling, Traffic
from tidegate.kit.systems.redis import RedisServer

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

                context = await asyncio.to_thread(client_context, self._server.tls, self._surroundings.tls)
            around = self._surroundings
            self._dialling = Dialling(self.traffic, around.resolve, around.timeout_s, around.policy, context)
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
