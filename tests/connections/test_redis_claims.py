"""Lists of a real Redis that are claimed from: what the laws of all sources do not say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts.claimant import Claimant, Claimants
from parts.proxy import Proxy
from parts.redis_servers import RedisProcess
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable
from tidegate.core.claims.values import Acknowledge, Ask, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Deliveries, Renewals
from tidegate.kit.systems.redis import Login, RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-claims")]

PASSWORD = "hunter2-hunter2"
OWN = "{jobs}:tidegate:"
NOBODY = Login()


@pytest.fixture(scope="module")
def server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    return start_redis()


def jobs(address: str, login: Login = NOBODY, **fields: Any) -> RedisListSource:
    return RedisListSource(RedisServer((address,), login=login), "jobs", **fields)


@pytest.fixture
def claimant(server: RedisProcess, claimants: Claimants) -> Claimants:
    """Makes claimants of an empty Redis."""
    server.call("FLUSHALL")

    def make(holder: str = "one", address: str = "", **fields: Any) -> Claimant:
        return claimants(jobs(address or server.address, **fields), holder)

    return make


def stored(server: RedisProcess) -> dict[str, int]:
    """Every key of ours beside the list, and how much is in it."""
    sizes = {"leases": "ZCARD", "waiting": "ZCARD", "bodies": "HLEN", "holders": "HLEN", "ended": "HLEN"}
    counts = {name: server.call(size, OWN + name) for name, size in sizes.items()}
    return {name: count for name, count in counts.items() if count}


async def test_messages_are_claimed_in_order_whatever_their_bytes(
    server: RedisProcess, claimant: Claimants
) -> None:
    bodies = [b"one", b"\x00\xff", "ü$(PATH)".encode(), b"", b"x" * 100_000]
    server.call("RPUSH", "jobs", *bodies)
    one = claimant()
    first = await one.take(3)
    assert [item.body for item in first.items] == bodies[:3]
    assert [item.finished for item in first.items] == [0, 0, 0]
    assert (await one.take(3, *(item.id for item in first.items))).items == ()
    rest = await one.take(10, *(item.id for item in first.items))
    assert [item.body for item in rest.items] == bodies[3:]
    assert server.call("EXISTS", "jobs") == 0
    assert stored(server) == {"leases": 5, "bodies": 5, "holders": 5}


async def test_the_tail_is_claimed_from_where_it_was_asked_for(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("RPUSH", "jobs", "a", "b", "c")
    one = claimant(end="tail")
    taken = await one.take(2)
    assert [item.body for item in taken.items] == [b"c", b"b"]
    await one.ask(GiveBack(tuple(item.id for item in taken.items)))
    assert server.call("LRANGE", "jobs", 0, -1) == [b"a", b"c", b"b"]


async def test_dead_letters_go_to_the_list_that_was_named_or_to_one_beside(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("RPUSH", "jobs", "a", "b")
    one, two = claimant(), claimant("two", dead_letter="bad")
    (first,), (second,) = (await one.take(1)).items, (await two.take(1)).items
    await one.ask(DeadLetter(first.id, 5, "", "why"))
    await two.ask(DeadLetter(second.id, 5, "", "why"), DeadLetter(second.id, 5, "", "why"))
    assert server.call("LRANGE", OWN + "dead", 0, -1) == [b"a"]
    assert server.call("LRANGE", "bad", 0, -1) == [b"b"]
    assert stored(server) == {}


async def test_what_is_given_back_stands_where_it_was_and_others_claims_stay(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("RPUSH", "jobs", "a", "b", "c", "d")
    one, two = claimant(), claimant("two")
    taken = (await one.take(2)).items
    await one.ask(Release(taken[0].id, 1, 60.0, "job"))
    (other,) = (await two.take(1)).items
    await one.ask(GiveBack((taken[1].id, other.id)))
    # Somebody else claims here: what was released is theirs as well.
    assert server.call("LRANGE", "jobs", 0, -1) == [b"b", b"d"]
    await two.ask(Acknowledge(other.id, "job"))
    await one.ask(GiveBack(()))
    assert server.call("LRANGE", "jobs", 0, -1) == [b"a", b"b", b"d"]
    assert stored(server) == {}


@pytest.mark.parametrize("key", ["jobs", "bad"])
async def test_a_key_that_is_no_list_is_told_and_nothing_is_done(
    server: RedisProcess, claimant: Claimants, key: str
) -> None:
    one = claimant(dead_letter="bad")
    if key == "bad":
        server.call("RPUSH", "jobs", "a")
        (item,) = (await one.take(1)).items
    server.call("SET", key, "text")
    before = server.call("DBSIZE")
    asked: Ask = Take(1) if key == "jobs" else DeadLetter(item.id, 5, "", "why")
    (error,) = await one.ask(asked)
    assert isinstance(error, Misconfigured)
    assert f"the key {key} holds something else than a list" in str(error)
    assert server.call("DBSIZE") == before


async def test_a_thousand_claims_are_renewed_in_one_round_trip(
    server: RedisProcess, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    server.call("RPUSH", "jobs", *range(1000))
    proxy = await proxy_for(server.port)
    one = claimant(address=proxy.address)
    ids: tuple[str, ...] = ()
    while len(ids) < 1000:
        ids += tuple(item.id for item in (await one.take(1000, *ids)).items)
    before = proxy.turns
    assert await one.ask(Renew(ids)) == [Renewals()]
    await one.ask(*(Acknowledge(id, "job") for id in ids[:20]))
    assert proxy.turns == before + 2
    assert proxy.connections == 1
    assert stored(server) == {"leases": 980, "bodies": 980, "holders": 980}


async def test_a_user_who_may_not_write_is_told_and_nothing_else_is(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("RPUSH", "jobs", "a")
    server.call("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+type", "+llen", "+eval")
    (error,) = await claimant(login=Login("reader", PASSWORD)).ask(Take(1))
    assert isinstance(error, Denied)
    assert "let the user run EVAL" in str(error)
    with pytest.raises(TidegateError) as refused:
        await claimant(login=Login("reader", "wrong-wrong")).ask(Take(1))
    assert "wrong-wrong" not in str(refused.value)
    assert server.call("LLEN", "jobs") == 1


@pytest.mark.parametrize("denied", ["hset", "zadd", "hexists", "zrem", "lpop", "hdel"])
async def test_a_user_who_may_not_do_half_of_a_claim_loses_no_message(
    server: RedisProcess, claimant: Claimants, denied: str
) -> None:
    server.call("RPUSH", "jobs", "a", "b")
    server.call("ACL", "SETUSER", "half", "reset", "on", f">{PASSWORD}", "~*", "+@all", f"-{denied}")
    half = claimant(login=Login("half", PASSWORD))
    for _ in range(2):
        (found,) = await half.ask(Take(1))
        assert isinstance(found, Denied | Deliveries)
    server.call("ACL", "SETUSER", "half", "+@all")
    ours, others = await claimant().take(1), await claimant("two").take(9)
    assert sorted(item.body for item in (*ours.items, *others.items)) == [b"a", b"b"]


async def test_a_body_that_the_server_has_evicted_is_told_once(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("RPUSH", "jobs", "a", "b")
    one = claimant()
    gone, kept = (item.id for item in (await one.take(2)).items)
    server.call("HDEL", OWN + "bodies", gone)
    found = await one.take(0)
    assert (found.gone, [item.id for item in found.items]) == ((gone,), [kept])
    assert (await one.take(0)).gone == ()
    assert stored(server) == {"leases": 1, "bodies": 1, "holders": 1}


async def test_a_server_that_comes_back_is_asked_again(start_redis: Callable[..., RedisProcess]) -> None:
    server = start_redis()
    one = Claimant(jobs(server.address))
    try:
        server.call("RPUSH", "jobs", "a")
        await one.take(1)
        server.kill()
        with pytest.raises(Unreachable):
            await one.ask(Take(1))
        server.start()
        server.call("RPUSH", "jobs", "b")
        assert [item.body for item in (await one.take(1)).items] == [b"b"]
    finally:
        await one.writers.close()


async def test_writers_are_kept_while_somebody_claims(claimant: Claimants) -> None:
    one = claimant()
    await one.take(0)
    assert len(one.writers) == 1
    await one.writers.leave("another")
    assert len(one.writers) == 1
    await one.writers.leave("user")
    assert len(one.writers) == 0
