"""News of topics: at each broker one Fetch that waits at the ends of all partitions that are watched there.

    subscribe("orders") ──► who leads its partitions, and where do they end?
                     each leader ◄── Fetch from those ends, 1 byte is enough, wait up to 5 s
                     a record comes ──► its topic is told ──► the next Fetch begins at the new end

A reply brings one batch of records, whatever size is asked for: that is what it costs, and nothing reads
them. A partition that has told is left out for a second, so a busy one costs one batch a second and keeps
nobody else waiting. Commits are not heard, nor are partitions that a topic gets later.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiokafka.protocol.api import RequestStruct

from tidegate.base.errors import Denied, TidegateError, Unreachable, Unsupported
from tidegate.connections.feeds import Tell
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster, Topic
from tidegate.connections.kafka.ends import Offsets, Partition, read_offsets
from tidegate.connections.kafka.link import Link
from tidegate.connections.kafka.refusals import refusal

MOST_PARTITIONS = 1000
"""Watched at one broker; with more of them each request and reply would be hundreds of kilobytes."""

WAIT_S = 5.0
"""How long a broker may keep a request: a partition that is watched newly waits for the next one."""

REST_S = 1.0
"""A partition that has told is left out for so long."""

GAP_S = 0.25
"""Least time between two requests to a broker."""

_NO_REPLICA, _READ_UNCOMMITTED, _LEAST = -1, 0, 1
_OUT_OF_RANGE, _UNREADABLE = 1, 29

Look = Callable[[Sequence[str]], Awaitable[tuple[Mapping[str, Topic], Offsets]]]


@dataclass(eq=False, slots=True)
class _Broker:
    """`ends` is up to where each watched partition is known, `rests_until` when one is asked for again."""

    link: Link
    ends: dict[Partition, int] = field(default_factory=dict)
    rests_until: dict[Partition, float] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Fetches:
    """The line of a cluster: topics are topics. `look` says who leads their partitions and where these end,
    `connect` makes the link to a broker by its number.
    """

    def __init__(self, look: Look, connect: Callable[[int], Link], label: str) -> None:
        self._look = look
        self._connect = connect
        self._label = label
        self._brokers: dict[int, _Broker] = {}
        self._tell: Tell = lambda _: None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        found, ends = await self._look(topics)
        refused: dict[str, TidegateError] = {}
        for topic in topics:
            try:
                self._add(topic, found[topic], ends)
            except TidegateError as error:
                refused[topic] = error
                self._drop([topic])
        await self._prune()
        for broker in self._brokers.values():
            if broker.task is None:
                broker.task = asyncio.create_task(self._serve(broker))
                broker.task.add_done_callback(self._over)
        return refused

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        self._drop(topics)
        await self._prune()

    async def listen(self, tell: Tell) -> None:
        self._tell = tell
        await self._ended

    async def close(self) -> None:
        brokers, self._brokers = self._brokers, {}
        tasks = [broker.task for broker in brokers.values() if broker.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for broker in brokers.values():
            await broker.link.close()
        if self._ended.done() and not self._ended.cancelled():
            self._ended.exception()  # it may be that nobody listens any more
        self._ended.cancel()

    # --- what is watched

    def _add(self, topic: str, found: Topic, ends: Offsets) -> None:
        """Takes a topic in; the error of one partition is that of the topic."""
        if found.error is not None:
            raise found.error
        for partition, leader in found.leaders.items():
            end = ends[topic, partition] if not isinstance(leader, TidegateError) else 0
            for one in (leader, end):
                if isinstance(one, TidegateError):
                    raise one
            assert isinstance(leader, int)
            assert isinstance(end, int)
            broker = self._brokers.get(leader)
            if broker is None:
                broker = self._brokers[leader] = _Broker(self._connect(leader))
            if len(broker.ends) >= MOST_PARTITIONS:
                raise Unsupported(
                    f"watch topic {topic}",
                    on=self._label,
                    answer=f"{MOST_PARTITIONS:,} partitions of one broker are watched already",
                    next_step="let other triggers be only polled",
                )
            broker.ends[topic, partition] = end

    def _drop(self, topics: Iterable[str]) -> None:
        gone = set(topics)
        for broker in self._brokers.values():
            for place in [one for one in broker.ends if one[0] in gone]:
                del broker.ends[place]
                broker.rests_until.pop(place, None)

    async def _prune(self) -> None:
        """Leaves brokers that have nothing more to tell."""
        for node in [node for node, broker in self._brokers.items() if not broker.ends]:
            broker = self._brokers.pop(node)
            if broker.task is not None:
                broker.task.cancel()
                await asyncio.wait([broker.task])
            await broker.link.close()

    # --- one broker

    async def _serve(self, broker: _Broker) -> None:
        """Asks one broker again and again; raises what ends the line."""
        loop = asyncio.get_running_loop()
        while True:
            now_s = loop.time()
            due = {one: end for one, end in broker.ends.items() if broker.rests_until.get(one, 0.0) <= now_s}
            next_s = min((at_s for at_s in broker.rests_until.values() if at_s > now_s), default=math.inf)
            if not due:
                await asyncio.sleep(min(next_s - now_s, GAP_S))
                continue
            ends, errors = await self._fetch(broker, due, min(next_s - now_s, WAIT_S))
            if errors:
                raise next(iter(errors.values()))
            self._take(broker, ends, loop.time())
            await asyncio.sleep(max(0.0, now_s + GAP_S - loop.time()))

    def _take(self, broker: _Broker, ends: Mapping[Partition, int], now_s: float) -> None:
        """Tells the topics in which something has come."""
        changed: dict[str, None] = {}
        for place, end in ends.items():
            if place in broker.ends and end != broker.ends[place]:
                broker.ends[place] = end
                broker.rests_until[place] = now_s + REST_S
                changed[place[0]] = None
        for topic in changed:
            self._tell(topic)

    async def _fetch(
        self, broker: _Broker, places: Mapping[Partition, int], wait_s: float
    ) -> tuple[dict[Partition, int], dict[Partition, TidegateError]]:
        """Where partitions end now, and why some cannot be read."""
        link = broker.link
        if not link.is_usable:
            await link.open()
        (reply,) = await link.exchange([_request(link, places, wait_s)], patience_s=wait_s)
        return _read(reply, self._label)

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._ended.done():
            error = task.exception()
            assert error is not None
            self._ended.set_exception(error)


async def look_up(cluster: Cluster, names: Sequence[str]) -> tuple[Mapping[str, Topic], Offsets]:
    """The topics, and where their partitions end, or why that cannot be read: who may describe a topic may
    not always read it.
    """
    cluster.begin()
    topics, _ = await cluster.look(sorted(names), ())
    places = [(name, number) for name in names for number in topics[name].leaders]
    ends = await read_offsets(cluster, places, topics, wire.LATEST)
    by_leader: dict[int, dict[Partition, int]] = {}
    for place, end in ends.items():
        leader = topics[place[0]].leaders[place[1]]
        if isinstance(leader, int) and isinstance(end, int):
            by_leader.setdefault(leader, {})[place] = end
    for leader, known in by_leader.items():
        try:
            (reply,) = await cluster.ask(leader, partial(_requests, known))
            ends |= _read(reply, cluster.label)[1]
        except TidegateError as error:
            ends |= dict.fromkeys(known, error)
    return topics, ends


def _read(reply: Any, label: str) -> tuple[dict[Partition, int], dict[Partition, TidegateError]]:
    """Where partitions end now, and why some cannot be read."""
    ends: dict[Partition, int] = {}
    errors: dict[Partition, TidegateError] = {}
    for topic, partitions in reply.topics or ():
        for partition, code, end, *_ in partitions:
            if code:
                errors[topic, partition] = _refusal(code, topic, label)
            else:
                ends[topic, partition] = end
    return ends, errors


def _refusal(code: int, topic: str, label: str) -> TidegateError:
    attempted = f"watch topic {topic}"
    if code == _UNREADABLE:
        step = "let the user read the topic to be told of records at once"
        return Denied(attempted, on=label, answer="the user may not read it", next_step=step)
    if code == _OUT_OF_RANGE:
        return Unreachable(attempted, on=label, answer="the topic was made anew, or cut")
    return refusal(code, attempted, label)


def _requests(places: Mapping[Partition, int], link: Link) -> list[RequestStruct]:
    return [_request(link, places, 0.0)]


def _request(link: Link, places: Mapping[Partition, int], wait_s: float) -> RequestStruct:
    asked: dict[str, list[tuple[int, int, int]]] = {}
    for (topic, partition), end in places.items():
        asked.setdefault(topic, []).append((partition, end, _LEAST))
    kind = link.best(wire.FETCH)
    request: RequestStruct = kind(
        _NO_REPLICA, int(wait_s * 1000), _LEAST, _LEAST, _READ_UNCOMMITTED, list(asked.items())
    )
    return request
