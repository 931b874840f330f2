"""Where partitions begin and end: one ListOffsets per leader, whoever wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.protocol.api import RequestStruct

from tidegate.base.errors import Malformed, TidegateError
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster, Topic
from tidegate.connections.kafka.link import Link
from tidegate.connections.kafka.refusals import refusal

Partition = tuple[str, int]
"""Topic and number."""

Offsets = dict[Partition, int | TidegateError]

_NO_REPLICA, _READ_UNCOMMITTED = -1, 0


async def read_offsets(
    cluster: Cluster, wanted: Iterable[Partition], topics: Mapping[str, Topic], timestamp: int
) -> Offsets:
    """The offset that `timestamp` (`LATEST`, `EARLIEST`) stands for, or why it is not known."""
    offsets: Offsets = {}
    by_leader: dict[int, dict[str, list[int]]] = {}
    for topic, partition in sorted(wanted):
        leader = topics[topic].leaders[partition]
        if isinstance(leader, TidegateError):
            offsets[topic, partition] = leader
        else:
            by_leader.setdefault(leader, {}).setdefault(topic, []).append(partition)
    found = await asyncio.gather(
        *(_at(cluster, leader, asked, timestamp) for leader, asked in by_leader.items())
    )
    for one in found:
        offsets |= one
    return offsets


async def _at(cluster: Cluster, leader: int, asked: Mapping[str, list[int]], timestamp: int) -> Offsets:
    what = "ends" if timestamp == wire.LATEST else "begins"
    places = [(topic, partition) for topic, partitions in asked.items() for partition in partitions]
    try:
        (reply,) = await cluster.ask(leader, lambda link: [_request(link, asked, timestamp)])
    except TidegateError as error:
        return dict.fromkeys(places, error)
    offsets: Offsets = {}
    for topic, partitions in reply.topics or ():
        for partition, code, _, offset, *_ in partitions:
            attempted = f"read where partition {partition} of topic {topic} {what}"
            if code:
                offsets[topic, partition] = refusal(code, attempted, cluster.label)
            elif offset < 0:
                offsets[topic, partition] = Malformed(
                    attempted, on=cluster.label, answer=f"the offset {offset}"
                )
            else:
                offsets[topic, partition] = offset
    for topic, partition in places:
        if (topic, partition) not in offsets:
            attempted = f"read where partition {partition} of topic {topic} {what}"
            offsets[topic, partition] = Malformed(
                attempted, on=cluster.label, answer="the reply leaves the partition out"
            )
    return offsets


def _request(link: Link, asked: Mapping[str, list[int]], timestamp: int) -> RequestStruct:
    kind = link.best(wire.LIST_OFFSETS)
    topics = [(topic, [(number, timestamp) for number in numbers]) for topic, numbers in asked.items()]
    isolation: list[Any] = [_READ_UNCOMMITTED] if kind.API_VERSION >= 2 else []
    request: RequestStruct = kind(_NO_REPLICA, *isolation, topics)
    return request
