"""A real cluster of three nodes: routing, moving slots, a node that dies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from parts.redis_servers import RedisProcess
from parts.waiting import wait_until
from tidegate.base.errors import Malformed, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writers
from tidegate.connections.redis.cluster import ClusterConnection, Slots, read_slots
from tidegate.connections.redis.single import SingleConnection
from tidegate.core.claims.values import Take
from tidegate.kit.systems.claims import Command, Deliveries
from tidegate.kit.systems.redis import Mode, RedisLength, RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource

pytestmark = pytest.mark.xdist_group("redis-cluster")

# Their slots lie in the first, second and last third.
KEYS = ("b", "c", "a")
SLOTS = 16384


def make_cluster(start_redis: Callable[..., RedisProcess]) -> list[RedisProcess]:
    """Three nodes that share the slots, as `redis-cli --cluster create` would make them."""
    nodes = [start_redis("--cluster-enabled", "yes", "--cluster-node-timeout", "1000") for _ in range(3)]
    for number, node in enumerate(nodes):
        node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        node.call("CLUSTER", "ADDSLOTS", *range(number * SLOTS // 3, (number + 1) * SLOTS // 3))
    for node in nodes[1:]:
        nodes[0].call("CLUSTER", "MEET", "127.0.0.1", node.port)
    settle(nodes)
    return nodes


def settle(nodes: list[RedisProcess]) -> None:
    """Returns when every node says that all slots are served and knows all others."""

    def is_settled() -> bool:
        states = [node.call("CLUSTER", "INFO") for node in nodes]
        return all(b"cluster_known_nodes:3" in state and b"cluster_state:ok" in state for state in states)

    wait_until(is_settled, "the cluster comes together", 20)


@pytest.fixture(scope="module")
def nodes(start_redis: Callable[..., RedisProcess]) -> list[RedisProcess]:
    nodes = make_cluster(start_redis)
    for node, key in zip(nodes, KEYS, strict=True):
        node.call("RPUSH", key, 1, 2, 3)
        node.call("SADD", f"{{{key}}}set", 1, 2)
        node.call("SET", f"{{{key}}}string", "text")
    return nodes


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., ClusterConnection]]:
    made: list[ClusterConnection] = []

    def make(*seeds: str) -> ClusterConnection:
        made.append(ClusterConnection(RedisServer(seeds, mode="cluster"), Surroundings(timeout_s=5.0)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def lengths(*keys: str) -> list[RedisLength]:
    return [RedisLength(RedisServer(("any:1",), mode="cluster"), key) for key in keys]


async def taken(address: str, mode: Mode, *keys: str) -> list[Any]:
    """What comes of claims from these lists, asked for together."""
    writers, server = Writers(Surroundings(timeout_s=5.0)), RedisServer((address,), mode=mode)
    commands = [Command(RedisListSource(server, key), "one", 60.0, Take(5), (), "n") for key in keys]
    try:
        return list(await writers.carry_out("user", commands))
    finally:
        await writers.close()


@pytest.mark.real
async def test_messages_are_claimed_at_the_node_that_has_their_list(nodes: list[RedisProcess]) -> None:
    lists = [f"{{{key}}}jobs" for key in KEYS]
    for node, name in zip(nodes, lists, strict=True):
        node.call("RPUSH", name, name)
    found = await taken(nodes[0].address, "cluster", *lists)
    assert [[item.body.decode() for item in one.items] for one in found] == [[name] for name in lists]
    for node, name in zip(nodes, lists, strict=True):
        assert node.call("HLEN", f"{name}:tidegate:bodies") == 1
        node.call("DEL", *node.call("KEYS", f"{name}*"))


@pytest.mark.real
async def test_a_node_of_a_cluster_that_is_claimed_from_as_a_single_redis_says_so(
    nodes: list[RedisProcess],
) -> None:
    elsewhere, here = await taken(nodes[0].address, "single", "{c}jobs", "{b}jobs")
    assert isinstance(elsewhere, Misconfigured)
    assert "use the trigger type redis-cluster" in str(elsewhere)
    assert here == Deliveries()


@pytest.mark.real
async def test_each_key_is_asked_for_at_its_owner(nodes: list[RedisProcess], connect: Any) -> None:
    adapter = connect(nodes[0].address)
    keys = [form.format(key) for key in KEYS for form in ("{}", "{{{}}}set", "{{{}}}missing")]
    for _ in range(2):
        assert await adapter.answer(lengths(*keys)) == [3, 2, 0] * 3


@pytest.mark.real
async def test_a_batch_is_one_round_trip_for_each_node(nodes: list[RedisProcess], connect: Any) -> None:
    adapter = connect(*(node.address for node in nodes))
    questions = lengths(*(f"{{{key}}}{number}" for number in range(300) for key in KEYS))
    await adapter.answer(questions)
    before = adapter.round_trips, adapter.connections
    for _ in range(3):
        assert await adapter.answer(questions) == [0] * 900
    assert (adapter.round_trips, adapter.connections) == (before[0] + 9, before[1])


@pytest.mark.real
async def test_a_key_without_a_length_fails_alone(nodes: list[RedisProcess], connect: Any) -> None:
    good, bad = await connect(nodes[0].address).answer(lengths("a", "{a}string"))
    assert good == 3
    assert isinstance(bad, Malformed)


@pytest.mark.real
async def test_seeds_that_are_dead_do_not_matter_while_one_lives(
    nodes: list[RedisProcess], connect: Any
) -> None:
    adapter = connect("127.0.0.1:1", nodes[1].address, "nowhere.invalid:6379")
    assert await adapter.answer(lengths(*KEYS)) == [3, 3, 3]


@pytest.mark.real
async def test_no_seed_at_all_is_unreachable(connect: Any) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:[12]"):
        await connect("127.0.0.1:1", "127.0.0.1:2").answer(lengths("a"))


@pytest.mark.real
async def test_a_slot_is_followed_while_it_moves_and_when_it_has_moved(
    start_redis: Callable[..., RedisProcess], connect: Any
) -> None:
    source, target, other = nodes = make_cluster(start_redis)
    slot = source.call("CLUSTER", "KEYSLOT", "b")
    here, there = "{b}here", "{b}there"
    source.call("RPUSH", here, 1, 2)
    source.call("RPUSH", there, 1, 2, 3)
    adapter = connect(source.address)
    assert await adapter.answer(lengths(here, there)) == [2, 3]

    ids = {node.port: node.call("CLUSTER", "MYID") for node in nodes}
    target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
    source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target.port])
    source.call("MIGRATE", "127.0.0.1", target.port, there, 0, 5000)
    trips = adapter.round_trips
    assert await adapter.answer(lengths(here, there)) == [2, 3]  # ASK
    assert adapter.round_trips == trips + 2

    source.call("MIGRATE", "127.0.0.1", target.port, here, 0, 5000)
    for node in (target, source, other):
        node.call("CLUSTER", "SETSLOT", slot, "NODE", ids[target.port])
    assert await adapter.answer(lengths(here, there)) == [2, 3]  # MOVED
    await adapter.answer(lengths(here, there))  # reads the map again
    trips = adapter.round_trips
    assert await adapter.answer(lengths(here, there)) == [2, 3]
    assert adapter.round_trips == trips + 1


@pytest.mark.real
async def test_a_dead_node_fails_its_own_keys_alone(
    start_redis: Callable[..., RedisProcess], connect: Any
) -> None:
    nodes = make_cluster(start_redis)
    for node in nodes:
        node.call("CONFIG", "SET", "cluster-require-full-coverage", "no")
    adapter = connect(*(node.address for node in nodes))
    assert await adapter.answer(lengths(*KEYS)) == [0, 0, 0]
    nodes[1].stop()
    for _ in range(2):
        first, dead, last = await adapter.answer(lengths(*KEYS))
        assert (first, last) == (0, 0)
        assert isinstance(dead, Unreachable)
    nodes[1].start()
    assert (await adapter.answer(lengths(*KEYS)))[::2] == [0, 0]


@pytest.mark.real
async def test_a_server_outside_a_cluster_is_told_apart(
    start_redis: Callable[..., RedisProcess], connect: Any
) -> None:
    (answer,) = await connect(start_redis().address).answer(lengths("a"))
    assert isinstance(answer, Misconfigured)
    assert "use the trigger type redis" in str(answer)


@pytest.mark.real
async def test_a_node_asked_as_a_single_server_says_which_keys_are_elsewhere(
    nodes: list[RedisProcess],
) -> None:
    adapter = SingleConnection(RedisServer((nodes[0].address,)), Surroundings())
    own, elsewhere = await adapter.answer(lengths(KEYS[0], KEYS[1]))
    await adapter.close()
    assert own == 3
    assert isinstance(elsewhere, Misconfigured)
    assert "redis-cluster" in str(elsewhere)


NODE = [b"10.0.0.1", 6379, b"id"]


@pytest.mark.parametrize(
    ("reply", "owner"),
    [
        ([[0, 16383, NODE]], "10.0.0.1:6379"),
        ([[8192, 16383, [b"b", 2]], [0, 8191, [b"a", 1]]], "b:2"),  # the slot of key "a" is 15495
        ([[0, 16383, [b"", 7]]], "asked:7"),
        ([[0, 16383, [None, 7]]], "asked:7"),
        ([[0, 16383, [b"?", 7]]], "asked:7"),
        ([[0, 16383, [b"fe80::1", 7]]], "[fe80::1]:7"),
        ([[0, 15000, NODE]], None),
        ([[15496, 16383, NODE]], None),
        ([], None),
    ],
)
def test_the_map_of_slots_is_read(reply: list[Any], owner: str | None) -> None:
    assert read_slots(reply, "asked:6379", "Redis").owner("a") == owner


@pytest.mark.parametrize("reply", [None, 7, b"text", [1], [[0, 1]], [[0, b"x", NODE]]])
def test_a_map_of_another_shape_is_malformed(reply: Any) -> None:
    with pytest.raises(Malformed, match="slot"):
        read_slots(reply, "asked:6379", "Redis")


def test_keys_with_the_same_tag_have_the_same_owner() -> None:
    slots = Slots.of((slot, slot, str(slot)) for slot in range(SLOTS))
    assert slots.owner("{a}1") == slots.owner("{a}2") == slots.owner("a") == "15495"
