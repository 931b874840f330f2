"""The adapter for one Redis, given by its address or found through sentinels."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Feed, Line
from tidegate.connections.redis.keyed import Asked, KeyedConnection
from tidegate.connections.redis.lengths import Elsewhere, Outcome, by_pairs, by_script, moved, reading
from tidegate.connections.redis.link import Cut, Link
from tidegate.connections.redis.sentinel import MasterLink, find_master
from tidegate.connections.redis.streams import StreamQuestion, by_commands
from tidegate.connections.redis.streams import reading as reading_stream
from tidegate.connections.redis.tracking import open_tracked
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisChanges, RedisServer

RECHECK_S = 10.0
"""How long sentinels are believed. A master that they have replaced may not know it itself."""


class SingleConnection(KeyedConnection):
    """One connection, one round trip for up to `batch` keys, one for streams; opened by the first question.

    Sentinels are asked for the master when it is dialled, and again every `recheck_s`.
    """

    def __init__(
        self, server: RedisServer, surroundings: Surroundings, *, recheck_s: float = RECHECK_S
    ) -> None:
        super().__init__(server, surroundings)
        self._link: Link | None = None
        self._master = ""
        self._recheck_s = recheck_s
        self._recheck_at = 0.0
        self._may_script = True
        self._feed = Feed(self._open_line)
        self._tracked = ""

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether a key changes."""
        if not isinstance(question, RedisChanges):
            raise Unsupported(f"watch {type(question).__name__}", on=question.server.label())
        await self._feed.watch(question.key, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the server tells of this key's next change."""
        return isinstance(question, RedisChanges) and self._feed.is_watching(question.key)

    async def close(self) -> None:
        await self._feed.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _lengths(self, keys: Sequence[str]) -> Sequence[int | TidegateError]:
        return await self._here(keys, self._read_lengths, reading)

    async def _streams(self, questions: Sequence[StreamQuestion]) -> Sequence[int | TidegateError]:
        return await self._here(questions, by_commands, reading_stream)

    async def _here(
        self,
        items: Sequence[Asked],
        read: Callable[[Link, Sequence[Asked]], Awaitable[list[Outcome]]],
        name: Callable[[Asked], str],
    ) -> Sequence[int | TidegateError]:
        try:
            link = await self._usable_link()
            outcomes = await read(link, items)
        except Cut:
            # The server closes idle connections, a failover closes all: try a new one, once.
            link = await self._usable_link()
            outcomes = await read(link, items)
        pairs = zip(items, outcomes, strict=True)
        return [moved(link, name(item)) if isinstance(one, Elsewhere) else one for item, one in pairs]

    async def _read_lengths(self, link: Link, keys: Sequence[str]) -> list[Outcome]:
        if self._may_script:
            outcomes = await by_script(link, keys)
            if outcomes is not None:
                return outcomes
            self._may_script = False
        return await by_pairs(link, keys, self._kinds)

    async def _usable_link(self) -> Link:
        if self._link is not None and await self._link.is_clean() and await self._is_master_still():
            return self._link
        await self._hang_up()
        server, dialling = self._server, await self._opening.dialling()
        link: Link
        if server.mode == "sentinel":
            await self._find_master()
            link = MasterLink(self._master, dialling, server.login, server.database)
        else:
            link = Link(server.addresses[0], dialling, server.login, server.database)
        await link.open()
        self._link, self._may_script = link, True
        if self._tracked not in ("", link.address):
            # What a master that was replaced says of its keys is of no use.
            await self._feed.close()
        return link

    async def _open_line(self) -> Line:
        server, dialling = self._server, await self._opening.dialling()
        is_sentinel = server.mode == "sentinel"
        address = await find_master(server, self._opening) if is_sentinel else server.addresses[0]
        line = await open_tracked(address, dialling, server.login, server.database)
        self._tracked = address
        return line

    async def _is_master_still(self) -> bool:
        """Whether the sentinels still name the node we talk to. If none answers, it stays."""
        if self._server.mode != "sentinel" or asyncio.get_running_loop().time() < self._recheck_at:
            return True
        before = self._master
        try:
            await self._find_master()
        except TidegateError:
            return True
        return self._master == before

    async def _find_master(self) -> None:
        self._master = await find_master(self._server, self._opening)
        self._recheck_at = asyncio.get_running_loop().time() + self._recheck_s
