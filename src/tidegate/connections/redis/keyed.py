"""What both adapters have in common: one batch at a time, of the lengths of keys and the state of streams."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.lengths import Kinds
from tidegate.connections.redis.opening import Opening
from tidegate.connections.redis.streams import StreamQuestion
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisLength, RedisServer


class KeyedConnection:
    """An adapter for one Redis, whatever its form; a subclass says how `_lengths` and `_streams` are read."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: RedisServer, surroundings: Surroundings) -> None:
        self._server = server
        self._opening = Opening(server, surroundings)
        self._lock = asyncio.Lock()
        self._kinds = Kinds()

    @property
    def round_trips(self) -> int:
        """Batches sent since the adapter was made, those to find out whom to ask included."""
        return self._opening.traffic.round_trips

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self._opening.traffic.connections

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order, the lengths asked for together.

        What is wrong with all of them but is neither a refusal nor an absence becomes each one's answer.
        """
        keys = [one.key for one in questions if isinstance(one, RedisLength)]
        streams = [one for one in questions if isinstance(one, StreamQuestion)]
        async with self._lock:
            lengths = iter(await _guarded(self._lengths, keys))
            numbers = iter(await _guarded(self._streams, streams))
        return [
            next(lengths)
            if isinstance(one, RedisLength)
            else next(numbers)
            if isinstance(one, StreamQuestion)
            else _unknown(one)
            for one in questions
        ]

    async def _lengths(self, keys: Sequence[str]) -> Sequence[int | TidegateError]:
        """The length of each key, or what is wrong with it."""
        raise NotImplementedError

    async def _streams(self, questions: Sequence[StreamQuestion]) -> Sequence[int | TidegateError]:
        """What each question asks about a stream, or what is wrong with it."""
        raise NotImplementedError


Asked = TypeVar("Asked")


async def _guarded(
    ask: Callable[[Sequence[Asked]], Awaitable[Sequence[int | TidegateError]]], items: Sequence[Asked]
) -> Sequence[int | TidegateError]:
    try:
        return await ask(items) if items else ()
    except (Misconfigured, Malformed) as error:
        return [error] * len(items)


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
