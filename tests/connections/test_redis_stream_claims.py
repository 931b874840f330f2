"""Streams of a real Redis that are claimed from: what the laws of all sources do not say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts.claimant import Claimant, Claimants
from parts.proxy import Proxy
from parts.redis_servers import RedisProcess
from tidegate.base.errors import Denied, Misconfigured
from tidegate.connections.claims.redis_stream_scripts import RESTING, delivery
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Deliveries, Done, Renewals
from tidegate.kit.systems.redis import Login, RedisServer
from tidegate.kit.systems.redis_claims import RedisStreamSource

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("redis-stream-claims")]

PASSWORD = "hunter2-hunter2"
OWN = "{orders}:tidegate:workers:"


@pytest.fixture(scope="module")
def server(start_redis: Callable[..., RedisProcess]) -> RedisProcess:
    return start_redis()


@pytest.fixture
def claimant(server: RedisProcess, claimants: Claimants) -> Claimants:
    """Makes claimants of an empty Redis."""
    server.call("FLUSHALL")

    def make(holder: str = "one", address: str = "", lease_s: float = 60.0, **fields: Any) -> Claimant:
        redis = RedisServer((address or server.address,), login=fields.pop("login", Login()))
        source = RedisStreamSource(redis, "orders", "workers", **fields)
        return claimants(source, holder, lease_s=lease_s)

    return make


def add(server: RedisProcess, *bodies: str) -> list[str]:
    return [server.call("XADD", "orders", "*", "body", body).decode() for body in bodies]


def pending(server: RedisProcess) -> dict[str, str]:
    """Who has which entry."""
    script = "return redis.call('XPENDING', 'orders', 'workers', '-', '+', 1000)"
    return {id.decode(): who.decode() for id, who, *_ in server.call("EVAL", script, 0)}


@pytest.mark.parametrize(
    ("fields", "field", "body", "attributes"),
    [
        ([b"a", b"1"], "", {"a": "1"}, {}),
        ([b"a", b"1", b"b", b"\xff"], "", {"a": "1", "b": {"base64": "/w=="}}, {}),
        ([b"a", b"1", b"a", b"2"], "", {"a": ["1", "2"]}, {}),
        ([b"a", b"\xff\x00", b"b", "ü".encode()], "a", b"\xff\x00", {"b": "ü"}),
        ([b"a", b"1"], "lacking", b"", {"a": "1"}),
        ([b"a", b"1", b"long", b"x" * 20_000, b"b", b"2"], "a", b"1", {"b": "2"}),
    ],
)
def test_an_entry_is_its_fields_or_the_one_that_was_named(
    fields: list[bytes], field: str, body: Any, attributes: dict[str, str]
) -> None:
    found = delivery(
        RedisStreamSource(RedisServer(("r:1",)), "orders", "workers", field), b"1-0", fields, b"2"
    )
    assert (found.id, found.finished, dict(found.attributes)) == ("1-0", 2, attributes)
    assert (found.body if field else json.loads(found.body)) == body


async def test_a_group_that_is_not_there_begins_with_the_first_entry(
    server: RedisProcess, claimant: Claimants
) -> None:
    one = claimant()
    assert await one.take(5) == Deliveries()
    assert server.call("EXISTS", "orders") == 0
    ids = add(server, "a", "b")
    assert await one.take(0) == Deliveries()
    assert [item.id for item in (await one.take(5)).items] == ids


async def test_an_entry_is_its_consumers_until_it_is_done(server: RedisProcess, claimant: Claimants) -> None:
    a, b, c = add(server, "a", "b", "c")
    one = claimant()
    await one.take(3)
    assert pending(server) == dict.fromkeys((a, b, c), "one")
    await one.ask(Acknowledge(a, "job"), Release(b, 1, 60.0, "job"))
    assert pending(server) == {b: RESTING, c: "one"}
    assert server.call("XLEN", "orders") == 3, "other groups may read it"


async def test_what_was_trimmed_is_told_and_never_empty_or_lost_to_somebody(
    server: RedisProcess, claimant: Claimants
) -> None:
    a, b, c, d = add(server, "a", "b", "c", "d")
    one = claimant(dead_letter="bad")
    await one.take(4)
    server.call("XTRIM", "orders", "MAXLEN", 0)
    # Their Jobs run: nobody has taken anything.
    for _ in range(2):
        assert await one.ask(Renew((a, b, c))) == [Renewals()]
    assert (
        await one.ask(Acknowledge(a, "job"), Release(b, 1, 0.0, "job"), DeadLetter(c, 1, "job", ""))
        == [Done()] * 3
    )
    await asyncio.sleep(0.01)
    found = await one.take(4)
    # The one that was released, and the one whose Job there never was.
    assert (found.items, sorted(found.gone)) == ((), [b, d])
    assert (await one.take(4)).gone == ()
    assert pending(server) == {}
    assert server.call("XLEN", "bad") == 1, "its identity is all that is left of it"
    assert server.call("KEYS", OWN + "*") == []


async def test_an_entry_that_nobody_has_touched_for_a_lease_is_claimed_from_any_consumer(
    server: RedisProcess, claimant: Claimants
) -> None:
    a, b, c = add(server, "a", "b", "c")
    server.call("XGROUP", "CREATE", "orders", "workers", "0")
    server.call("XREADGROUP", "GROUP", "workers", "stranger", "COUNT", 1, "STREAMS", "orders", ">")
    two = claimant("two", lease_s=600)
    assert [item.id for item in (await two.take(1)).items] == [b]
    server.call("XCLAIM", "orders", "workers", "stranger", 0, a, "IDLE", 61_000)
    server.call("XCLAIM", "orders", "workers", "two", 0, b, "IDLE", 61_000)
    one = claimant("one")
    # The other's lease is longer than ours, and holds.
    assert [item.id for item in (await one.take(5)).items] == [a, c]
    assert pending(server) == {a: "one", b: "two", c: "one"}


async def test_what_stands_beside_a_stream_may_be_lost_and_no_entry_with_it(
    server: RedisProcess, claimant: Claimants
) -> None:
    a, b = add(server, "a", "b")
    one = claimant()
    await one.take(2)
    await one.ask(Release(b, 1, 60.0, "job"))
    server.call("DEL", OWN + "leases", OWN + "waiting", OWN + "ended")
    assert (await claimant("two").take(5)).items == (), "they are not idle for long"
    assert await one.ask(Renew((a,))) == [Renewals()]
    server.call("XCLAIM", "orders", "workers", RESTING, 0, b, "IDLE", 61_000)
    assert [item.id for item in (await one.take(5, a)).items] == [b]


async def test_renewed_entries_look_busy_to_those_who_claim_idle_ones(
    server: RedisProcess, claimant: Claimants
) -> None:
    (a,) = add(server, "a")
    one = claimant()
    await one.take(1)
    server.call("XCLAIM", "orders", "workers", "one", 0, a, "IDLE", 61_000)
    await one.ask(Renew((a,)))
    server.call("XAUTOCLAIM", "orders", "workers", "stranger", 60_000, "0")
    assert pending(server) == {a: "one"}


async def test_what_was_given_back_is_any_consumers_at_once_and_ours_is_gone(
    server: RedisProcess, claimant: Claimants
) -> None:
    a, b = add(server, "a", "b")
    one = claimant()
    await one.take(2)
    await one.ask(Release(a, 1, 60.0, "job"), GiveBack((b,)))
    assert pending(server) == dict.fromkeys((a, b), RESTING)
    assert server.call("KEYS", OWN + "*") == []
    names = server.call("EVAL", "return redis.call('XINFO', 'CONSUMERS', 'orders', 'workers')", 0)
    assert [fields[1] for fields in names] == [RESTING.encode()]
    server.call("XAUTOCLAIM", "orders", "workers", "stranger", 60_000, "0")
    assert pending(server) == dict.fromkeys((a, b), "stranger")


async def test_what_somebody_has_acknowledged_by_hand_is_not_claimed_again(
    server: RedisProcess, claimant: Claimants
) -> None:
    (a,) = add(server, "a")
    one = claimant()
    await one.take(1)
    await one.ask(Release(a, 1, 0.0, "job"))
    server.call("XACK", "orders", "workers", a)
    await asyncio.sleep(0.01)
    assert await one.take(5) == Deliveries()
    assert server.call("KEYS", OWN + "*") == []


@pytest.mark.parametrize("key", ["orders", "bad"])
async def test_a_key_that_is_no_stream_is_told_and_nothing_is_done(
    server: RedisProcess, claimant: Claimants, key: str
) -> None:
    one = claimant(dead_letter="bad")
    server.call("RPUSH", key, "text")
    (error,) = await one.ask(Take(1))
    assert isinstance(error, Misconfigured)
    assert f"the key {key} holds something else than a stream" in str(error)
    assert server.call("DBSIZE") == 1


async def test_a_user_who_may_not_write_is_told(server: RedisProcess, claimant: Claimants) -> None:
    add(server, "a")
    server.call("ACL", "SETUSER", "reader", "on", f">{PASSWORD}", "~*", "+type", "+xinfo", "+eval", "+time")
    (error,) = await claimant(login=Login("reader", PASSWORD)).ask(Take(1))
    assert isinstance(error, Denied)
    assert "let the user run EVAL with the commands for streams" in str(error)
    assert server.call("EVAL", "return #redis.call('XINFO', 'GROUPS', 'orders')", 0) == 0


async def test_a_thousand_entries_are_renewed_in_one_round_trip(
    server: RedisProcess, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    add(server, *map(str, range(1000)))
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
    assert len(pending(server)) == 980


async def test_an_entry_of_very_many_fields_is_put_aside_by_its_id(
    server: RedisProcess, claimant: Claimants
) -> None:
    server.call("XADD", "orders", "*", *(str(number) for number in range(10_000)))
    one = claimant()
    (item,) = (await one.take(1)).items
    assert await one.ask(DeadLetter(item.id, 5, "job", "why")) == [Done()]
    ((_, letter),) = server.call("XRANGE", OWN + "dead", "-", "+")
    assert letter == {b"tidegate.dev/id": item.id.encode()}
    assert server.call("XLEN", "orders") == 1
