"""Watches of a cluster's keys: a feed for each node, and each key's watch at the node that owns its slot.

    watch("jobs") ──► which node has it? ──► that node's feed ──► CLIENT TRACKING there
                             ▲                        │
                             └── moved, by the map ───┘

A node tells of its own keys alone, and says nothing when an empty key's slot goes to another node. That comes
out at the next poll: the map is read again then, and the watches of slots that have moved go along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from tidegate.connections.feeds import Feed, Line
from tidegate.connections.redis.tracking import KeyElsewhere

HOPS = 4
"""Nodes at which one watch is asked for, one after another, before it is given up for now."""


class _Place:
    """Where a watch is kept just now."""

    __slots__ = ("is_left", "owner", "task")

    def __init__(self, owner: str, task: asyncio.Task[None]) -> None:
        self.owner = owner
        self.task = task
        self.is_left = False

    def leave(self) -> None:
        self.is_left = True
        self.task.cancel()


class ClusterWatches:
    """`owner(key, wrong)` gives the address of the node that has the key, and raises why there is none;
    `wrong` is the node that does not have it, whatever the map says. `open_line` opens a node's line; what it
    calls with a key says that the node has that key no more.
    """

    def __init__(
        self,
        owner: Callable[[str, str], Awaitable[str]],
        open_line: Callable[[str, Callable[[str], None]], Awaitable[Line]],
    ) -> None:
        self._owner = owner
        self._open_line = open_line
        self._feeds: dict[str, Feed] = {}
        self._places: dict[str, dict[_Place, None]] = {}

    async def watch(self, key: str, pushed: Callable[[], None]) -> None:
        """Calls `pushed` when the key's owner tells of changes, wherever it is. Raises what has ended it."""
        wrong, hops = "", 0
        while True:
            owner = await self._owner(key, wrong)
            try:
                if not await self._watch_at(owner, key, pushed):
                    return
                wrong, hops = "", 0
            except KeyElsewhere:
                wrong, hops = owner, hops + 1
                if hops >= HOPS:
                    raise

    def is_watching(self, key: str) -> bool:
        """Whether the key's owner would tell of a change now."""
        feeds = [self._feeds.get(place.owner) for place in self._places.get(key, ())]
        return any(feed is not None and feed.is_watching(key) for feed in feeds)

    def moved(self, key: str) -> None:
        """Another node has the key: its watches look for it."""
        for place in tuple(self._places.get(key, ())):
            place.leave()

    def placed(self, owner: Callable[[str], str | None]) -> None:
        """A new map says who has which key."""
        for key, places in self._places.items():
            now = owner(key)
            for place in places:
                if place.owner != now:
                    place.leave()

    async def close(self) -> None:
        feeds, self._feeds = self._feeds, {}
        for feed in feeds.values():
            await feed.close()

    async def _watch_at(self, owner: str, key: str, pushed: Callable[[], None]) -> bool:
        """Watches at one node; whether the watch is to go on at another one."""
        feed = self._feeds.get(owner)
        if feed is None:
            feed = self._feeds[owner] = Feed(partial(self._open_line, owner, self.moved))
        place = _Place(owner, asyncio.ensure_future(feed.watch(key, pushed)))
        self._places.setdefault(key, {})[place] = None
        try:
            await asyncio.wait([place.task])
        finally:
            place.task.cancel()
            members = self._places[key]
            del members[place]
            if not members:
                del self._places[key]
        if place.task.cancelled() and place.is_left:
            return True
        place.task.result()
        return False
