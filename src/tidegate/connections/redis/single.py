"""The adapter for one Redis, given by its address or found through sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.lengths import Elsewhere, Kinds, Outcome, by_pairs, by_script, moved
from tidegate.connections.redis.link import Cut, Link
from tidegate.connections.redis.opening import Opening, keyed
from tidegate.connections.redis.sentinel import MasterLink, find_master
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisServer


class SingleConnection:
    """One connection, one round trip for up to `batch` keys; opened by the first question."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: RedisServer, surroundings: Surroundings) -> None:
        self._server = server
        self._opening = Opening(server, surroundings)
        self._lock = asyncio.Lock()
        self._link: Link | None = None
        self._kinds = Kinds()
        self._may_script = True

    @property
    def round_trips(self) -> int:
        """Batches sent since the adapter was made, those to find a sentinel's master included."""
        return self._opening.traffic.round_trips

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self._opening.traffic.connections

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        async with self._lock:
            return await keyed(questions, self._lengths)

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _lengths(self, keys: Sequence[str]) -> Sequence[int | TidegateError]:
        try:
            link, outcomes = await self._ask(keys)
        except Cut:
            # The server closes idle connections, a failover closes all: try a new one, once.
            link, outcomes = await self._ask(keys)
        pairs = zip(keys, outcomes, strict=True)
        return [moved(link, key) if isinstance(one, Elsewhere) else one for key, one in pairs]

    async def _ask(self, keys: Sequence[str]) -> tuple[Link, list[Outcome]]:
        link = await self._usable_link()
        if self._may_script:
            outcomes = await by_script(link, keys)
            if outcomes is not None:
                return link, outcomes
            self._may_script = False
        return link, await by_pairs(link, keys, self._kinds)

    async def _usable_link(self) -> Link:
        if self._link is not None and await self._link.is_clean():
            return self._link
        await self.close()
        server = self._server
        if server.mode == "sentinel":
            master = await find_master(server, self._opening)
            link: Link = MasterLink(master, await self._opening.dialling(), server.login, server.database)
        else:
            link = Link(server.addresses[0], await self._opening.dialling(), server.login, server.database)
        await link.open()
        self._link, self._may_script = link, True
        return link
