"""A real cluster that tells of changes: keys at their nodes, slots that move, a node that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connections.test_redis_cluster import KEYS, make_cluster
from parts.redis_servers import RedisProcess
from parts.waiting import until_so
from parts.watched import watched
from tidegate.base.errors import Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis.cluster import ClusterConnection
from tidegate.kit.systems.redis import Login, RedisChanges, RedisLength, RedisServer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-cluster")]

ANY = RedisServer(("any:1",), mode="cluster")


@pytest.fixture(scope="module")
def nodes(start_redis: Callable[..., RedisProcess]) -> list[RedisProcess]:
    nodes = make_cluster(start_redis)
    for node in nodes:
        node.call("CONFIG", "SET", "cluster-require-full-coverage", "no")
    return nodes


def adapter_of(*nodes: RedisProcess, login: Login | None = None) -> ClusterConnection:
    addresses = tuple(node.address for node in nodes)
    value = RedisServer(addresses, mode="cluster", login=login or Login())
    return ClusterConnection(value, Surroundings(timeout_s=10.0))


def changes(key: str) -> RedisChanges:
    return RedisChanges(ANY, key)


async def call(node: RedisProcess, *command: Any) -> Any:
    return await asyncio.to_thread(node.call, *command)


async def trackers(node: RedisProcess) -> int:
    """Connections that a node tells of changes."""
    return int((await call(node, "INFO", "clients"))["tracking_clients"])


async def give(slot: int, source: RedisProcess, target: RedisProcess, nodes: list[RedisProcess]) -> None:
    """The slot, with the keys that are in it, goes to another node."""
    ids = {node.port: await call(node, "CLUSTER", "MYID") for node in nodes}
    await call(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
    await call(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
    for key in await call(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
        await call(source, "MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    for node in (target, source, *nodes):
        await call(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])


async def test_each_change_is_told_by_the_node_that_has_the_key(nodes: list[RedisProcess]) -> None:
    adapter = adapter_of(nodes[0])
    questions = [changes(f"{{{key}}}one") for key in KEYS]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        for node, question in zip(nodes, questions, strict=True):
            await call(node, "RPUSH", question.key, 1)
            await heard.told(question)
            assert heard.pushes.keys() <= {question}
        assert await adapter.answer([RedisLength(ANY, one.key) for one in questions]) == [1, 1, 1]


async def test_many_keys_are_one_connection_more_for_each_node(nodes: list[RedisProcess]) -> None:
    adapter = adapter_of(*nodes)
    questions = [changes(f"{{{key}}}{number}") for number in range(300) for key in KEYS]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        maps = 3  # each seed is asked for the map; who answers first is believed
        assert adapter.connections <= 3 + maps
        assert adapter.round_trips <= maps + 3 * 3, "at each node the switch, and at most two looks"


async def test_an_empty_key_whose_slot_has_moved_is_told_of_at_its_new_node_after_a_poll(
    nodes: list[RedisProcess],
) -> None:
    adapter, key = adapter_of(nodes[0]), "{moving}empty"
    slot = await call(nodes[0], "CLUSTER", "KEYSLOT", key)
    source, target = nodes[slot * 3 // 16384], nodes[(slot * 3 // 16384 + 1) % 3]
    question, length = changes(key), RedisLength(ANY, key)
    async with watched(adapter, question) as heard:
        await heard.until_open()
        await give(slot, source, target, nodes)
        assert await adapter.answer([length]) == [0], "MOVED: the poll has found out"
        await heard.reopened(question)
        await call(target, "RPUSH", key, 1)
        await heard.told(question)
    await give(slot, target, source, nodes)


async def test_a_key_that_moves_with_its_slot_is_told_of_without_a_poll(nodes: list[RedisProcess]) -> None:
    adapter, key = adapter_of(nodes[0]), "{travelling}full"
    slot = await call(nodes[0], "CLUSTER", "KEYSLOT", key)
    source, target = nodes[slot * 3 // 16384], nodes[(slot * 3 // 16384 + 1) % 3]
    await call(source, "RPUSH", key, 1)
    question = changes(key)
    async with watched(adapter, question) as heard:
        await heard.until_open()
        before = await trackers(target)
        await give(slot, source, target, nodes)

        async def is_there() -> bool:
            # While nodes do not agree yet whose the slot is, the watch may end and be opened again.
            if question in heard.ended:
                heard.watch(question)
            return await trackers(target) > before

        await until_so(is_there)
        heard.pushes.clear()
        await call(target, "RPUSH", key, 2)
        await heard.told(question)
    await give(slot, target, source, nodes)


async def test_a_node_that_dies_ends_the_watches_of_its_keys_alone(nodes: list[RedisProcess]) -> None:
    adapter = adapter_of(*nodes)
    first, dead, last = questions = [changes(f"{{{key}}}dies") for key in KEYS]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        nodes[1].stop()
        await heard.why(dead)
        assert isinstance(heard.ended[dead], Unreachable)
        assert [adapter.is_watching(one) for one in questions] == [True, False, True]
        await call(nodes[2], "RPUSH", last.key, 1)
        await heard.told(last)
        nodes[1].start()
        await heard.reopened(dead)
        assert first not in heard.ended


async def test_a_user_who_may_not_is_told_so(nodes: list[RedisProcess]) -> None:
    for node in nodes:
        await call(node, "ACL", "SETUSER", "untold", "on", ">hunter2-x", "~*", "+type", "+llen", "+cluster")
    adapter, jobs = adapter_of(nodes[0], login=Login("untold", "hunter2-x")), changes("jobs")
    async with watched(adapter, jobs) as heard:
        why = await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Unsupported)
        assert "NOPERM" in why
        assert "hunter2" not in why


async def test_a_server_outside_a_cluster_is_told_apart(start_redis: Callable[..., RedisProcess]) -> None:
    jobs = changes("jobs")
    async with watched(adapter_of(start_redis()), jobs) as heard:
        assert "use the trigger type redis" in await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Misconfigured)


async def test_what_is_no_key_is_not_watched(nodes: list[RedisProcess]) -> None:
    with pytest.raises(Unsupported, match="cannot watch RedisLength"):
        await adapter_of(nodes[0]).watch(RedisLength(ANY, "jobs"), lambda: None)
