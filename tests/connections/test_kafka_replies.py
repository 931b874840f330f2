"""Replies of brokers with something missing or refused in them: never a number, and always somebody's own."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from aiokafka.protocol.offset import OffsetResponse_v3

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Topic
from tidegate.connections.kafka.commits import Commits, read_commits
from tidegate.connections.kafka.ends import read_offsets
from tidegate.connections.kafka.refusals import Stale, refusal
from tidegate.kit.systems.kafka import GroupOffsets, KafkaServer

TOPICS = {"orders": Topic(None, {0: 1, 1: 1})}
SERVER = KafkaServer(("any:1",))


class Replying:
    """A cluster of one broker, which coordinates every group and gives these replies."""

    label = "Kafka any:1"

    def __init__(self, *replies: Any) -> None:
        self.replies = list(replies)
        self.forgotten: list[str] = []

    def coordinator(self, group: str) -> int:
        return 1

    def forget(self, groups: Any) -> None:
        self.forgotten += groups

    async def ask(self, node: int, build: Any) -> list[Any]:
        for reply in self.replies:
            if isinstance(reply, TidegateError):
                raise reply
        return self.replies


async def ends(*partitions: tuple[int, int, int]) -> dict[Any, Any]:
    """What comes of (partition, error code, offset) in a reply, for two partitions that were asked for."""
    places = [(number, code, -1, offset) for number, code, offset in partitions]
    cluster: Any = Replying(OffsetResponse_v3(0, [("orders", places)]))
    found = await read_offsets(cluster, [("orders", 0), ("orders", 1)], TOPICS, wire.LATEST)
    return {number: offset for (_, number), offset in found.items()}


async def test_an_end_that_is_left_out_is_no_zero() -> None:
    found = await ends((0, 0, 7))
    assert found[0] == 7
    assert isinstance(found[1], Malformed)
    assert "partition 1 of topic orders" in str(found[1])


@pytest.mark.parametrize(
    ("code", "offset", "kind"),
    [(0, -1, Malformed), (6, -1, Stale), (29, -1, Denied), (3, -1, Misconfigured), (-1, -1, Malformed)],
)
async def test_an_end_that_is_refused_is_no_number(code: int, offset: int, kind: Any) -> None:
    found = await ends((0, 0, 7), (1, code, offset))
    assert found[0] == 7
    assert isinstance(found[1], kind)


async def test_a_partition_without_a_leader_is_not_asked_for() -> None:
    lost = Stale("find the leader", on="k")
    cluster: Any = Replying(OffsetResponse_v3(0, [("orders", [(0, 0, -1, 7)])]))
    topics = {"orders": Topic(None, {0: 1, 1: lost})}
    found = await read_offsets(cluster, [("orders", 0), ("orders", 1)], topics, wire.LATEST)
    assert found == {("orders", 0): 7, ("orders", 1): lost}


async def commits(*groups: Any, of: tuple[str, ...] = ("orders",)) -> Any:
    """What comes of the groups in an OffsetFetch reply, for `g`, which asks for `of`."""
    cluster: Any = Replying(wire.OffsetFetchResponse_v8(0, list(groups), {}))
    found = await read_commits(cluster, [GroupOffsets(SERVER, "g", of)], TOPICS, {})
    return found["g"]


def group(name: str, *partitions: tuple[int, int, int], code: int = 0) -> Any:
    return (name, [("orders", list(partitions), {})] if partitions else [], code, {})


async def test_a_commit_is_what_was_committed_and_left_out_where_it_is_left_out() -> None:
    found = await commits(group("g", (0, 5, 0)))
    assert isinstance(found, Commits)
    assert (found.offset("orders", 0), found.offset("orders", 1)) == (5, None)
    every = await commits(group("g", (0, 5, 0)), of=())
    assert (every.offset("orders", 0), every.offset("orders", 1)) == (5, -1)
    assert every.topics() == {"orders"}


async def test_a_group_that_is_left_out_is_no_zero() -> None:
    found = await commits(group("another", (0, 5, 0)))
    assert isinstance(found, Malformed)
    assert "leaves the group out" in str(found)


async def test_a_group_that_does_not_exist_has_not_committed() -> None:
    found = await commits(group("g", code=69))
    assert found.offset("orders", 1) == -1


@pytest.mark.parametrize(
    ("code", "kind"), [(15, Stale), (16, Stale), (30, Denied), (24, Misconfigured), (99, Malformed)]
)
async def test_a_refused_group_is_refused_alone(code: int, kind: Any) -> None:
    assert isinstance(await commits(group("g", code=code)), kind)
    found = await commits(group("g", (0, 5, 0), (1, -1, code)))
    assert found.offset("orders", 0) == 5
    assert isinstance(found.offset("orders", 1), kind)


async def test_a_coordinator_that_cannot_be_asked_is_looked_for_anew() -> None:
    down = Unreachable("ask", on="k")
    cluster: Any = Replying(down)
    assert await read_commits(cluster, [GroupOffsets(SERVER, "g")], TOPICS, {}) == {"g": down}
    assert cluster.forgotten == ["g"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(3, Misconfigured), (5, Stale), (7, Unreachable), (17, Misconfigured), (35, Unsupported), (31, Denied)],
)
def test_each_code_says_what_to_do(code: int, kind: Any) -> None:
    error = refusal(code, "read the end", "Kafka k:1")
    assert isinstance(error, kind)
    assert "cannot read the end on Kafka k:1: " in str(error)


def test_a_code_that_nobody_knows_is_told_as_it_is() -> None:
    assert "error 12345" in str(refusal(12345, "ask", "k"))


def test_partitions_are_read_with_what_was_committed_along() -> None:
    """As a broker writes them: number, offset, epoch, a text, an error code, and fields of later versions."""
    texts = (b"\x00", b"\x01", b"\x04abc", b"\xc9\x01" + b"x" * 200)
    later = (b"\x00", b"\x01\x07\x02hi", b"\x00", b"\x00")
    parts = [
        struct.pack(">iqi", number, 10 + number, -1) + text + struct.pack(">h", number) + tags
        for number, (text, tags) in enumerate(zip(texts, later, strict=True))
    ]
    data = BytesIO(bytes([len(parts) + 1]) + b"".join(parts) + b"rest")
    assert wire.CommittedPartitions.decode(data) == [(0, 10, 0), (1, 11, 1), (2, 12, 2), (3, 13, 3)]
    assert data.read() == b"rest"
    assert wire.CommittedPartitions.decode(BytesIO(b"\x00")) == []
    with pytest.raises(struct.error):
        wire.CommittedPartitions.decode(BytesIO(b"\x02" + parts[0][:10]))
