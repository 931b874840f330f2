"""The liiklus trigger against a fake with Liiklus' own protocol: lags, caps, refusals, faults, calls.

Source: https://github.com/bsideup/liiklus/blob/master/protocol/src/main/proto/LiiklusService.proto
"""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from parts import faults
from parts.grpc_fake import Reply, grpc_answering
from parts.http_trigger import build
from parts.one_round import one_round
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.liiklus import connect
from tidegate.connections.liiklus import liiklus_pb2 as wire
from tidegate.connections.liiklus.connection import SERVICE
from tidegate.kit.systems.liiklus import GroupOffsets, LiiklusServer, group_lag
from tidegate.testing.sheets import Sample

SAMPLES = {"liiklus": Sample(lambda _: ((7, 0), (5, 5), (0, None)))}

BASE = {"topic": "orders", "group": "billing", "lagThreshold": "10"}
ENDS = {"orders": {0: 19, 1: 5}, "empty": {}}
DONE = {
    ("orders", "billing", 0): {0: 12, 1: 5},
    ("orders", "behind", 0): {0: 18},
    ("orders", "ahead", 0): {0: 20},
}


def service(
    ends: dict[str, dict[int, int]] | None = None, status: grpc.StatusCode | None = None
) -> dict[str, Reply]:
    async def end_offsets(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if status is not None:
            await context.abort(status, "never shown hunter2")
        topic = wire.GetEndOffsetsRequest.FromString(body).topic
        found = ENDS if ends is None else ends
        if topic not in found:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such topic")
        return bytes(wire.OffsetsReply(offsets=found[topic]).SerializeToString())

    async def offsets(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        asked = wire.GetOffsetsRequest.FromString(body)
        done = DONE.get((asked.topic, asked.group, asked.group_version), {})
        return bytes(wire.OffsetsReply(offsets=done).SerializeToString())

    return {f"{SERVICE}GetEndOffsets": end_offsets, f"{SERVICE}GetOffsets": offsets}


def made(address: str, **metadata: str) -> Any:
    return build("liiklus", {**BASE, "address": address, **metadata})


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, 7),
        ({"group": "behind"}, 6),
        ({"group": "new"}, 24),
        ({"group": "new", "lagThreshold": "8"}, 16),  # two partitions feed two replicas of 8
        ({"group": "new", "lagThreshold": "12"}, 24),
        ({"groupVersion": "3", "lagThreshold": "100"}, 24),
        ({"topic": "empty"}, 0),
        ({"topic": "gone"}, "cannot read the end of topic gone on Liiklus"),
        ({"group": "ahead"}, "the group has acknowledged more than there is"),
    ],
)
async def test_the_lag_of_all_partitions_counts(metadata: dict[str, str], said: Any) -> None:
    async with grpc_answering(service()) as fake:
        value, good = (await one_round([made(fake.address, **metadata), made(fake.address)])).values
        assert good == 7
        assert value == said or str(said) in str(value)


async def test_the_end_of_a_topic_is_asked_for_once() -> None:
    async with grpc_answering(service()) as fake:
        same = [made(fake.address, activationLagThreshold=str(n)) for n in range(900)]
        others = [made(fake.address, group=f"g{n}", lagThreshold="100") for n in range(100)]
        assert (await one_round([*same, *others])).values == [7] * 900 + [24] * 100
        calls = fake.calls()
        assert (calls.count("GetEndOffsets"), calls.count("GetOffsets")) == (1, 101)


def question(address: str) -> GroupOffsets:
    return GroupOffsets(LiiklusServer(address), "orders", "billing", 0)


async def answered(asked: GroupOffsets, **around: Any) -> Any:
    adapter = connect(asked.server, Surroundings(**around))
    try:
        return (await adapter.answer([asked]))[0]
    except TidegateError as error:
        return error
    finally:
        await adapter.close()
        await adapter.close()


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        error = await answered(question(bad.address), timeout_s=0.5)
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)


async def test_a_name_that_does_not_resolve_is_told() -> None:
    assert isinstance(await answered(question(f"{faults.NOWHERE}:1"), timeout_s=1), Unreachable)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 1000])
async def test_a_server_of_another_kind_is_a_failure(said: bytes) -> None:
    async with faults.saying(said) as bad:
        assert isinstance(await answered(question(bad.address), timeout_s=0.5), TidegateError)


@pytest.mark.parametrize(
    "status", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN]
)
async def test_a_status_is_a_failure(status: grpc.StatusCode) -> None:
    async with grpc_answering(service(status=status)) as fake:
        assert isinstance(await answered(question(fake.address)), TidegateError)


async def test_after_a_restart_the_next_question_is_answered() -> None:
    async with grpc_answering(service()) as first:
        asked = question(first.address)
        adapter = connect(asked.server, Surroundings(timeout_s=10))
        assert list(await adapter.answer([asked])) == [((19, 12), (5, 5))]
    with pytest.raises(Unreachable):
        await adapter.answer([asked])
    async with grpc_answering(service(), port=int(asked.server.address.rpartition(":")[2])):
        assert list(await adapter.answer([asked])) == [((19, 12), (5, 5))]
    await adapter.close()


@pytest.mark.parametrize(
    ("threshold", "lag", "value"), [(10, 9, 9), (10, 19, 19), (10, 20, 10), (10, 1000, 10), (1, 2, 1)]
)
def test_a_partition_feeds_one_replica(threshold: int, lag: int, value: int) -> None:
    assert group_lag(((lag, 0),), threshold, question("h:1")) == value


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"address": "h:x"}, "address"),
        ({"groupVersion": "-1"}, "groupVersion"),
        ({"groupVersion": "4294967296"}, "groupVersion"),
        ({"lagThreshold": "x"}, "lagThreshold"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("liiklus", {**BASE, "address": "h:1", **metadata})] == [path]


def test_the_metric_is_called_after_the_topic() -> None:
    assert made("h:1", topic="a.b").metric_name() == "liiklus-a-b"
