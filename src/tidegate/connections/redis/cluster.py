"""The adapter for a Redis Cluster: each key is asked for at the node that owns its slot.

    keys, streams → by owner → one pipeline per node, side by side → MOVED / ASK: those keys again elsewhere

The map of slots is read from any node, and again when a node answers MOVED or fails. A dead node
fails its own keys; only when no node answers is the cluster as a whole unreachable. What is watched is
watched at its owner, too (`cluster_watches.py`).
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from redis.crc import key_slot
from redis.exceptions import ResponseError

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Line
from tidegate.connections.redis.cluster_watches import ClusterWatches
from tidegate.connections.redis.keyed import Asked, KeyedConnection
from tidegate.connections.redis.lengths import Elsewhere, Outcome, by_pairs, reading
from tidegate.connections.redis.link import Cut, Link, reply_error
from tidegate.connections.redis.opening import first_answer
from tidegate.connections.redis.streams import StreamQuestion, by_commands
from tidegate.connections.redis.streams import reading as reading_stream
from tidegate.connections.redis.tracking import open_tracked
from tidegate.kit.question import Question
from tidegate.kit.systems.redis import RedisChanges, RedisServer

HOPS = 4
"""Nodes at which one key is asked for in one batch, at most."""

CANDIDATES = 3
"""Known nodes, beside the seeds, that are asked for the map of slots."""

DOUBT_S = 1.0
"""A map that is younger is not read again for a watch that does not fit it."""

_Target = tuple[str, bool]
"""A node's address, and whether it answers only this once (a slot on its way to it)."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Which node owns which slots: ranges in rising order of their first slot."""

    ranges: tuple[tuple[int, int, str], ...] = ()
    firsts: tuple[int, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int, str]]) -> Slots:
        ordered = tuple(sorted(ranges))
        return cls(ordered, tuple(first for first, _, _ in ordered))

    def owner(self, key: str) -> str | None:
        """`host:port` of the node that has `key`, None when its slot is not served."""
        slot = key_slot(key.encode())
        position = bisect_right(self.firsts, slot) - 1
        if position < 0 or slot > self.ranges[position][1]:
            return None
        return self.ranges[position][2]


@dataclass(frozen=True, slots=True)
class Kind(Generic[Asked]):
    """What is asked for: by which key it is routed, how errors call it, how a node is asked."""

    key: Callable[[Asked], str]
    name: Callable[[Asked], str]
    read: Callable[[Link, Sequence[Asked], bool], Awaitable[list[Outcome]]]


class ClusterConnection(KeyedConnection):
    """One connection per node that owns asked keys, one more where such keys are watched; one round trip
    per node and batch.
    """

    def __init__(self, server: RedisServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._links: dict[str, Link] = {}
        self._slots: Slots | None = None
        self._read_at = -math.inf
        self._reading: asyncio.Future[Slots] | None = None
        self._watches = ClusterWatches(self._owner, self._open_line)

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether a key changes, at whichever node it is."""
        if not isinstance(question, RedisChanges):
            raise Unsupported(f"watch {type(question).__name__}", on=question.server.label())
        try:
            await self._watches.watch(question.key, pushed)
        except Unreachable:
            # It may be that another node has taken over.
            if self._age_s() >= DOUBT_S:
                self._slots = None
            raise

    def is_watching(self, question: Question) -> bool:
        """Whether the key's node tells of its next change."""
        return isinstance(question, RedisChanges) and self._watches.is_watching(question.key)

    async def close(self) -> None:
        await self._watches.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
        links, self._links, self._slots = self._links, {}, None
        for link in links.values():
            await link.close()

    async def _lengths(self, keys: Sequence[str]) -> Sequence[int | TidegateError]:
        async def read(link: Link, asked: Sequence[str], is_asking: bool) -> list[Outcome]:
            return await by_pairs(link, asked, self._kinds, is_asking=is_asking)

        return await self._routed(Kind(str, reading, read), keys)

    async def _streams(self, questions: Sequence[StreamQuestion]) -> Sequence[int | TidegateError]:
        async def read(link: Link, asked: Sequence[StreamQuestion], is_asking: bool) -> list[Outcome]:
            return await by_commands(link, asked, is_asking=is_asking)

        return await self._routed(Kind(lambda one: one.key, reading_stream, read), questions)

    async def _routed(self, kind: Kind[Asked], items: Sequence[Asked]) -> Sequence[int | TidegateError]:
        outcomes: dict[Asked, Outcome] = {item: self._moving(kind.name(item)) for item in items}
        targets = self._placed(kind, await self._current_slots(), outcomes)
        failures: list[TidegateError] = []
        has_answer = not targets
        for _ in range(HOPS):
            answers = await asyncio.gather(
                *(self._ask(kind, target, group) for target, group in targets.items())
            )
            asked, targets = targets, {}
            for ((address, _), group), answer in zip(asked.items(), answers, strict=True):
                if isinstance(answer, TidegateError):
                    failures.append(answer)
                    outcomes |= dict.fromkeys(group, answer)
                else:
                    has_answer = True
                    outcomes |= _settled(group, answer)
                    for target, item in _redirected(group, answer, address):
                        targets.setdefault(target, []).append(item)
                        if not target[1]:
                            self._watches.moved(kind.key(item))
            if any(not is_once for _, is_once in targets):
                self._slots = None
            if not targets:
                break
        if failures:
            self._slots = None
            if not has_answer:
                raise failures[0]
        return [
            self._moving(kind.name(item)) if isinstance(one := outcomes[item], Elsewhere) else one
            for item in items
        ]

    def _placed(
        self, kind: Kind[Asked], slots: Slots, outcomes: dict[Asked, Outcome]
    ) -> dict[_Target, list[Asked]]:
        """The items by the node to ask; those without one get their outcome at once."""
        targets: dict[_Target, list[Asked]] = {}
        for item in outcomes:
            owner = slots.owner(kind.key(item))
            if owner is None:
                self._slots = None
                outcomes[item] = self._unserved(kind.name(item))
            else:
                targets.setdefault((owner, False), []).append(item)
        return targets

    async def _ask(
        self, kind: Kind[Asked], target: _Target, items: Sequence[Asked]
    ) -> list[Outcome] | TidegateError:
        """The outcomes of one node's items, or why the node gave none."""
        address, is_asking = target
        try:
            try:
                return await kind.read(await self._usable_link(address), items, is_asking)
            except Cut:
                return await kind.read(await self._usable_link(address), items, is_asking)
        except TidegateError as error:
            return error

    async def _usable_link(self, address: str) -> Link:
        link = self._links.get(address)
        if link is not None and await link.is_clean():
            return link
        if link is not None:
            await link.close()
        link = Link(address, await self._opening.dialling(), self._server.login)
        await link.open()
        self._links[address] = link
        return link

    async def _current_slots(self) -> Slots:
        if self._slots is None:
            seeds = [address for address in self._server.addresses if address]
            known = [address for address, link in self._links.items() if link.is_open]
            candidates = list(dict.fromkeys((*known[:CANDIDATES], *seeds)))
            self._slots = await first_answer(candidates, self._map)
            owners = {owner for _, _, owner in self._slots.ranges}
            for address in [address for address in self._links if address not in owners]:
                await self._links.pop(address).close()
            self._read_at = asyncio.get_running_loop().time()
            self._watches.placed(self._slots.owner)
        return self._slots

    async def _owner(self, key: str, wrong: str) -> str:
        """The node that has `key`; the map is read again where it says `wrong`, and was not read just now."""
        slots = await self._shared_slots()
        if self._age_s() >= DOUBT_S and slots.owner(key) in (wrong, None):
            self._slots = None
            slots = await self._shared_slots()
        owner = slots.owner(key)
        if owner is None:
            raise self._unserved(f"watch the key {key}")
        return owner

    async def _shared_slots(self) -> Slots:
        """The map. Of many who ask at once one reads it, and all go on together."""
        if self._slots is not None:
            return self._slots
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_slots())
        return await asyncio.shield(self._reading)

    async def _read_slots(self) -> Slots:
        try:
            async with self._lock:
                return await self._current_slots()
        finally:
            self._reading = None

    async def _open_line(self, address: str, gone: Callable[[str], None]) -> Line:
        return await open_tracked(address, await self._opening.dialling(), self._server.login, gone=gone)

    def _age_s(self) -> float:
        """How old the map is."""
        return asyncio.get_running_loop().time() - self._read_at

    async def _map(self, address: str) -> Slots:
        link = Link(address, await self._opening.dialling(), self._server.login)
        await link.open()
        try:
            (reply,) = await link.exchange([("CLUSTER", "SLOTS")])
        finally:
            await link.close()
        return read_slots(reply, address, link.label)

    def _moving(self, attempted: str) -> TidegateError:
        return Unreachable(attempted, on=self._server.label(), answer="its slot keeps moving")

    def _unserved(self, attempted: str) -> TidegateError:
        return Unreachable(
            attempted,
            on=self._server.label(),
            answer="no node of the cluster serves its slot",
            next_step="check the cluster's state",
        )


def read_slots(reply: Any, asked: str, label: str) -> Slots:
    """The map in a reply to CLUSTER SLOTS: `[[first, last, [host, port, …], replicas …], …]`.

    An empty host means the node that was `asked`. Misconfigured when it is no cluster.
    """
    attempted = "read which node has which slots"
    if isinstance(reply, ResponseError):
        if "cluster support disabled" in str(reply):
            raise Misconfigured(
                attempted,
                on=label,
                answer="it is not part of a cluster",
                next_step="use the trigger type redis",
            )
        raise reply_error(reply, attempted, label)
    try:
        ranges = []
        for first, last, (host, port, *_), *_ in reply:
            name = (host or b"").decode()
            address = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
            ranges.append((int(first), int(last), _completed(address, asked)))
    except (TypeError, ValueError, AttributeError) as error:
        raise Malformed(attempted, on=label, answer="a reply that is no list of slot ranges") from error
    return Slots.of(ranges)


def _completed(address: str, asked: str) -> str:
    """`address`, with the host of the node that was `asked` where it names none (`:6379`, `?:6379`)."""
    host, _, port = address.rpartition(":")
    return f"{asked.rpartition(':')[0]}:{port}" if host in ("", "?") else address


def _settled(items: Sequence[Asked], answer: Sequence[Outcome]) -> dict[Asked, Outcome]:
    pairs = zip(items, answer, strict=True)
    return {item: one for item, one in pairs if not isinstance(one, Elsewhere)}


def _redirected(
    items: Sequence[Asked], answer: Sequence[Outcome], asked: str
) -> Iterable[tuple[_Target, Asked]]:
    for item, one in zip(items, answer, strict=True):
        if isinstance(one, Elsewhere):
            yield (_completed(one.address, asked), one.is_once), item
