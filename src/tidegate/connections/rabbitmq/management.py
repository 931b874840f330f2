"""The adapter for a broker's management API: one listing of a virtual host answers all who ask about it.

    a few queues, or few of many   a request for each, at most 16 at a time
    else                           one listing; from `LONG` queues on in pages, side by side

How many queues a virtual host has is known from its last listing. Numbers that the broker has not said yet
(of a queue that is new, or whose node is down) are failures: what is missing is no zero.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tidegate.base.errors import Denied, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.client import HttpClient
from tidegate.connections.rabbitmq.listing import Listing, Vhost
from tidegate.kit.question import Question
from tidegate.kit.systems.rabbitmq import ManagementServer, MatchingQueues, QueueState

FEW = 3
"""Questions about a virtual host that are cheaper asked one by one, however few queues it has."""

SHARE = 50
"""One of so many queues, and a request for each costs the broker less than the listing."""

FORGOTTEN_S = 300.0
"""The number of queues is believed for so long."""

_PATIENCE = 3
"""Requests that follow one another in one call: a first page, other pages, a queue that was not in them."""

State = QueueState | MatchingQueues


@dataclass(slots=True)
class _Known:
    queues: int
    until_s: float


@dataclass(slots=True)
class _Round:
    """What one call wants to know of one virtual host."""

    states: dict[str, list[int]] = field(default_factory=dict)
    patterns: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.states) + len(self.patterns)


class ManagementConnection:
    """Answers `QueueState` and `MatchingQueues`."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(
        self, server: ManagementServer, surroundings: Surroundings, *, forgotten_s: float = FORGOTTEN_S
    ) -> None:
        self.client = HttpClient(server.http, surroundings)
        self.patience_s = _PATIENCE * self.client.timeout_s + 1.0
        self._server = server
        self._forgotten_s = forgotten_s
        self._known: dict[str, _Known] = {}

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return self.client.requests

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self.client.connections

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order. Raises where no virtual host could be asked at all."""
        rounds: dict[str, _Round] = {}
        answers: list[Any] = []
        for index, one in enumerate(questions):
            answers.append(None if isinstance(one, State) else _unknown(one))
            if isinstance(one, QueueState):
                rounds.setdefault(one.vhost, _Round()).states.setdefault(one.queue, []).append(index)
            elif isinstance(one, MatchingQueues):
                key = (one.pattern, one.limit)
                rounds.setdefault(one.vhost, _Round()).patterns.setdefault(key, []).append(index)
        found = await asyncio.gather(*(self._asked(vhost, one) for vhost, one in rounds.items()))
        for outcomes in found:
            for index, outcome in outcomes.items():
                answers[index] = outcome
        asked = [answers[index] for outcomes in found for index in outcomes]
        if asked and all(isinstance(one, Denied | Unreachable) for one in asked):
            raise asked[0]
        return answers

    async def close(self) -> None:
        await self.client.close()

    async def _asked(self, name: str, wanted: _Round) -> Mapping[int, Any]:
        """The answers about one virtual host, by the index of the question."""
        vhost = Vhost(self.client, self._server.prefix, name)
        now_s = asyncio.get_running_loop().time()
        known = self._known.get(name)
        queues = known.queues if known is not None and now_s < known.until_s else None
        if len(wanted) <= FEW or (queues is not None and len(wanted) * SHARE < queues):
            return await _one_by_one(vhost, wanted)
        try:
            listing = await vhost.listing(queues)
        except TidegateError as error:
            return {index: error for indexes in _all(wanted) for index in indexes}
        self._known[name] = _Known(len(listing), now_s + self._forgotten_s)
        return await _from_listing(vhost, listing, wanted)


async def _one_by_one(vhost: Vhost, wanted: _Round) -> Mapping[int, Any]:
    outcomes = await asyncio.gather(
        *(vhost.queue(queue) for queue in wanted.states),
        *(vhost.matching(*key) for key in wanted.patterns),
    )
    return {
        index: outcome for outcome, indexes in zip(outcomes, _all(wanted), strict=True) for index in indexes
    }


async def _from_listing(vhost: Vhost, listing: Listing, wanted: _Round) -> Mapping[int, Any]:
    """The answers out of one listing. What it cannot tell for sure is asked for by itself."""
    left = _Round()
    answers: dict[int, Any] = {}
    for queue, indexes in wanted.states.items():
        outcome = listing.queue(queue)
        if outcome is None:
            left.states[queue] = indexes
        else:
            answers |= dict.fromkeys(indexes, outcome)
    for key, indexes in wanted.patterns.items():
        matching = await listing.matching(*key)
        if matching is None:
            left.patterns[key] = indexes
        else:
            answers |= dict.fromkeys(indexes, matching)
    return {**answers, **await _one_by_one(vhost, left)} if len(left) else answers


def _all(wanted: _Round) -> list[list[int]]:
    return [*wanted.states.values(), *wanted.patterns.values()]


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
