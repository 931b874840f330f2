"""Streams of a real Redis: lengths, pending entries and lags, in one round trip, on one node and on three."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from connections.test_redis_cluster import KEYS, make_cluster
from parts.proxy import Proxy
from parts.redis_servers import RedisProcess, redis_of
from tidegate.base.errors import Denied, Malformed, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.redis import connect
from tidegate.connections.redis.streams import COUNTED
from tidegate.kit.systems.redis import (
    Login,
    RedisLength,
    RedisServer,
    RedisStreamLag,
    RedisStreamLength,
    RedisStreamPending,
)

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-streams")]

PASSWORD = "hunter2-hunter2"
ANY = RedisServer(("any:1",))


@pytest.fixture(scope="module")
def server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    """Ten entries; `all` has read four and acknowledged one, `none` has read nothing."""
    server = start_redis(program=redis_of(7))
    for number in range(10):
        server.call("XADD", "orders", "*", "n", number)
    server.call("XGROUP", "CREATE", "orders", "some", "0")
    server.call("XGROUP", "CREATE", "orders", "none", "0")
    read = server.call("XREADGROUP", "GROUP", "some", "me", "COUNT", 4, "STREAMS", "orders", ">")
    server.call("XACK", "orders", "some", read[0][1][0][0])
    server.call("RPUSH", "list", 1, 2, 3)
    server.call("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+xlen", "+xpending", "+xinfo")
    server.call("ACL", "SETUSER", "nobody", "on", f">{PASSWORD}", "~*", "+ping")
    return server


@pytest.fixture
async def connected() -> AsyncIterator[Callable[..., Any]]:
    made: list[Any] = []

    def make(*addresses: str, login: Login = Login(), mode: Any = "single") -> Any:  # noqa: B008
        value = RedisServer(addresses, mode=mode, login=login)
        made.append(connect(value, Surroundings(timeout_s=5.0)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def length(key: str = "orders") -> RedisStreamLength:
    return RedisStreamLength(ANY, key)


def pending(group: str, key: str = "orders") -> RedisStreamPending:
    return RedisStreamPending(ANY, key, group)


def lag(group: str, key: str = "orders") -> RedisStreamLag:
    return RedisStreamLag(ANY, key, group)


@pytest.mark.parametrize("user", ["", "reader"])
async def test_a_stream_says_its_length_its_pending_entries_and_each_groups_lag(
    server: RedisProcess, connected: Any, user: str
) -> None:
    adapter = connected(server.address, login=Login(user, PASSWORD) if user else Login())
    asked = [length(), pending("some"), pending("none"), lag("some"), lag("none"), lag("new")]
    assert await adapter.answer(asked) == [10, 3, 0, 6, 10, 10]


async def test_a_missing_stream_has_no_entries_and_no_pending_ones_to_ask_for(
    server: RedisProcess, connected: Any
) -> None:
    answers = await connected(server.address).answer(
        [length("gone"), lag("some", "gone"), pending("some", "gone"), pending("gone")]
    )
    assert answers[:2] == [0, 0]
    for error in answers[2:]:
        assert isinstance(error, Misconfigured)
        assert error.answer.startswith("NOGROUP")


async def test_a_key_that_is_no_stream_fails_alone(server: RedisProcess, connected: Any) -> None:
    answers = await connected(server.address).answer([length("list"), lag("g", "list"), length()])
    assert [type(one) for one in answers] == [Malformed, Malformed, int]
    assert "WRONGTYPE" in str(answers[0])


async def test_who_may_not_read_streams_is_denied_and_told_what_to_ask_for(
    server: RedisProcess, connected: Any
) -> None:
    (error,) = await connected(server.address, login=Login("nobody", PASSWORD)).answer([length()])
    assert isinstance(error, Denied)
    assert "XINFO" in str(error)
    assert PASSWORD not in str(error)


async def test_thousands_of_triggers_are_one_round_trip_and_share_commands(
    server: RedisProcess, connected: Any, proxy_for: Any
) -> None:
    proxy: Proxy = await proxy_for(server.port)
    adapter = connected(proxy.address)
    await adapter.answer([length()])
    before = adapter.round_trips
    asked = [kind(f"g{number}") for number in range(500) for kind in (pending, lag)]
    answers = await adapter.answer(asked)
    assert all(isinstance(one, Misconfigured) for one in answers[::2])
    assert answers[1::2] == [10] * 500
    assert (adapter.round_trips - before, proxy.connections) == (1, 1)


async def test_lists_and_streams_of_one_server_are_answered_together(
    server: RedisProcess, connected: Any
) -> None:
    adapter = connected(server.address)
    assert await adapter.answer([length(), RedisLength(ANY, "list"), lag("none")]) == [10, 3, 10]
    assert adapter.connections == 1


async def test_a_lag_that_redis_cannot_tell_is_counted(
    start_redis: Callable[..., RedisProcess], connected: Any
) -> None:
    server = start_redis(program=redis_of(7))
    ids = [server.call("XADD", "s", "*", "n", number) for number in range(20)]
    server.call("XGROUP", "CREATE", "s", "middle", ids[9])
    server.call("XGROUP", "CREATE", "s", "start", "0")
    server.call("XREADGROUP", "GROUP", "start", "me", "COUNT", 5, "STREAMS", "s", ">")
    server.call("XDEL", "s", ids[12])
    told = server.call("XINFO", "GROUPS", "s")
    assert all(None in entry for entry in told), "otherwise this tests nothing"
    adapter = connected(server.address)
    assert await adapter.answer([lag("middle", "s"), lag("start", "s")]) == [9, 14]
    server.call("EVAL", f"for i = 1, {COUNTED + 5} do redis.call('XADD', 's', '*', 'n', i) end", 0)
    assert await adapter.answer([lag("middle", "s")]) == [COUNTED]


async def test_a_lag_needs_redis_7_and_the_rest_does_not(
    start_redis: Callable[..., RedisProcess], connected: Any
) -> None:
    server = start_redis(program=redis_of(6))
    server.call("XADD", "orders", "*", "a", 1)
    server.call("XGROUP", "CREATE", "orders", "some", "0")
    answers = await connected(server.address).answer([length(), pending("some"), lag("some")])
    assert answers[:2] == [1, 0]
    assert isinstance(answers[2], Misconfigured)
    assert "redis version 7+ required for lag" in str(answers[2])


async def test_a_restarted_server_answers_the_next_question(
    start_redis: Callable[..., RedisProcess], connected: Any
) -> None:
    server = start_redis(program=redis_of(7))
    adapter = connected(server.address)
    assert await adapter.answer([length()]) == [0]
    server.stop()
    server.start()
    assert await adapter.answer([length()]) == [0]


async def test_each_stream_of_a_cluster_is_asked_for_at_its_owner(
    start_redis: Callable[..., RedisProcess], connected: Any
) -> None:
    nodes = make_cluster(start_redis)
    for node, key in zip(nodes, KEYS, strict=True):
        node.call("XADD", key, "*", "a", 1)
        node.call("XGROUP", "CREATE", key, "g", "0")
        node.call("XREADGROUP", "GROUP", "g", "me", "STREAMS", key, ">")
    adapter = connected(nodes[0].address, mode="cluster")
    asked = [question for key in KEYS for question in (length(key), pending("g", key))]
    await adapter.answer(asked)
    before = adapter.round_trips
    assert await adapter.answer(asked) == [1, 1] * 3
    assert adapter.round_trips - before == 3
