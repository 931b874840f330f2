"""What both adapters have in common: one batch at a time, of the lengths of keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.lengths import Kinds
from tidegate.connections.redis.opening import Opening
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisLength, RedisServer


class KeyedConnection:
    """An adapter for one Redis, whatever its form; a subclass says how `_lengths` are read."""

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
        keys = [question.key for question in questions if isinstance(question, RedisLength)]
        outcomes: Sequence[int | TidegateError]
        async with self._lock:
            try:
                outcomes = await self._lengths(keys) if keys else ()
            except (Misconfigured, Malformed) as error:
                outcomes = [error] * len(keys)
        answers = iter(outcomes)
        return [next(answers) if isinstance(one, RedisLength) else _unknown(one) for one in questions]

    async def _lengths(self, keys: Sequence[str]) -> Sequence[int | TidegateError]:
        """The length of each key, or what is wrong with it."""
        raise NotImplementedError


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
