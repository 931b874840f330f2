"""A server that speaks MongoDB's protocol: counts, filters, logins, TLS, everything a network does to us."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Int64, ObjectId
from bson.regex import Regex

from parts import faults
from parts.ferretdb_server import FerretdbServer
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.mongodb import CONNECTIONS, MongodbConnection, typed
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.mongodb import MongodbCount, MongodbServer
from tidegate.kit.tls import Tls

pytestmark = [
    pytest.mark.real,
    pytest.mark.xdist_group("ferretdb"),
    # The client library forgets a socket that it was still connecting when it was closed.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

ALL = "{}"
Connect = Callable[..., MongodbConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]
MOMENT = datetime(2026, 3, 4, tzinfo=UTC)
ONE_ID = ObjectId("65e500000000000000000001")


@pytest.fixture(scope="module")
def process(servers: Servers) -> FerretdbServer:
    """A database `shop` with three documents in `orders`."""
    process = servers.get(FerretdbServer)
    with process.client() as client:
        orders = client["shop"]["orders"]
        orders.drop()
        orders.insert_many(
            [
                {"_id": ONE_ID, "state": "waiting", "size": Int64(5), "at": MOMENT, "name": "hunter2-row"},
                {"state": "waiting", "size": Int64(7), "at": MOMENT.replace(year=2025), "name": "abc"},
                {"state": "done", "size": Int64(9), "at": MOMENT.replace(year=2024), "name": "xyz"},
            ]
        )
    return process


@pytest.fixture
async def connect(process: FerretdbServer) -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, uri=…, tls=…, timeout_s=…)`; they end with the test."""
    made: list[MongodbConnection] = []

    def make(address: str = "", *, uri: str = "", tls: Tls | None = None, **around: Any) -> MongodbConnection:
        server = MongodbServer(uri or process.uri(address), tls)
        made.append(MongodbConnection(server, Surroundings(**{"timeout_s": 5.0, **around})))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()
    gc.collect()


def counts(*filters: str, collection: str = "orders", database: str = "shop") -> list[MongodbCount]:
    return [MongodbCount(MongodbServer("mongodb://any"), database, collection, one) for one in filters]


async def answers(adapter: MongodbConnection, *filters: str) -> list[Any]:
    return list(await adapter.answer(counts(*filters)))


async def answer(adapter: MongodbConnection, text: str = ALL, **where: str) -> Any:
    (one,) = await adapter.answer(counts(text, **where))
    return one


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (ALL, 3),
        ('{"state": "waiting"}', 2),
        ('{"state": {"$in": ["waiting", "done"]}, "size": {"$gt": 5}}', 2),
        ('{"size": {"$gt": {"$numberLong": "6"}}}', 2),
        ('{"at": {"$gte": {"$date": {"$numberLong": "1740000000000"}}}}', 2),
        ('{"at": {"$gte": {"$date": "2026-01-01T00:00:00Z"}}}', 1),
        ('{"_id": {"$oid": "65e500000000000000000001"}}', 1),
        ('{"_id": {"$exists": true}}', 3),
        ('{"name": {"$regex": "^[ax]"}}', 2),
        ('{"name": {"$regex": "^[ax]", "$ne": "abc"}}', 1),
        ('{"name": {"$regex": "^ABC", "$options": "i"}}', 1),
        ('{"$or": [{"state": "done"}, {"size": 5}]}', 2),
        ('{"missing": 1}', 0),
    ],
)
async def test_what_matches_is_counted(connect: Connect, text: str, count: int) -> None:
    got = await answer(connect(), text)
    assert (got, type(got)) == (count, int)


async def test_what_is_not_there_counts_zero(connect: Connect) -> None:
    adapter = connect()
    assert await answer(adapter, collection="nowhere") == 0
    assert await answer(adapter, database="nowhere") == 0


def test_extended_json_is_read_as_it_is_meant() -> None:
    assert typed({"a": {"$oid": str(ONE_ID)}}) == {"a": ONE_ID}
    assert typed({"$gt": {"$numberLong": "5"}}) == {"$gt": Int64(5)}
    assert typed({"a": {"$regularExpression": {"pattern": "x", "options": ""}}}) == {"a": Regex("x")}
    assert typed({"a": {"$regex": "x", "$ne": "y"}}) == {"a": {"$regex": "x", "$ne": "y"}}
    assert list(typed({"b": 1, "a": [2, {"c": None}]})) == ["b", "a"]


BAD = [
    ('{"$nonsense": 1}', Malformed, "(code "),
    ('{"a": {"$nonsense": 1}}', Malformed, "(code "),
    ('{"$and": "hunter2"}', Malformed, "BadValue (code 2)"),
    ('{"_id": {"$oid": "hunter2"}}', Misconfigured, "cannot be sent (InvalidId)"),
    ('{"a": {"$numberLong": "hunter2"}}', Misconfigured, "cannot be sent (ValueError)"),
    ('{"a": 99999999999999999999999999}', Misconfigured, "cannot be sent (OverflowError)"),
]


@pytest.mark.parametrize(("text", "kind", "words"), BAD, ids=[one[0] for one in BAD])
async def test_a_bad_filter_fails_alone(
    connect: Connect, text: str, kind: type[TidegateError], words: str
) -> None:
    adapter = connect()
    for _ in range(2):
        first, bad, last = await answers(adapter, ALL, text, '{"state": "done"}')
        assert (first, last) == (3, 1)
        assert type(bad) is kind, bad
        assert words in str(bad)
        assert "hunter2" not in str(bad)


async def test_a_name_that_cannot_be_fails_alone(connect: Connect) -> None:
    adapter = connect()
    for where in ({"collection": "a..b"}, {"collection": "$a"}, {"database": "a b"}):
        assert isinstance(await answer(adapter, **where), Misconfigured | Malformed)
    assert await answer(adapter) == 3


async def test_a_thousand_counts_share_a_few_connections(
    process: FerretdbServer, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.address)
    wanted = counts(*(f'{{"size": {{"$lt": {number}}}}}' for number in range(1000)))
    assert adapter.batch == len(wanted)
    assert (await adapter.answer(wanted))[4:11] == [0, 0, 1, 1, 2, 2, 3]
    assert adapter.round_trips == 1000
    assert proxy.connections <= CONNECTIONS + 1
    assert (await adapter.answer(wanted[:3]), adapter.connections) == ([0, 0, 0], 1)
    assert proxy.connections <= CONNECTIONS + 1


async def test_a_question_of_another_system_is_refused_alone(connect: Connect) -> None:
    other, count = await connect().answer([PodCount("shop", "app=web"), *counts(ALL)])
    assert isinstance(other, Unsupported)
    assert count == 3


@pytest.mark.parametrize(("user", "password"), [("tidegate", "hunter2-wrong"), ("nobody", "hunter2")])
async def test_whom_the_server_does_not_know_is_denied(
    process: FerretdbServer, connect: Connect, user: str, password: str
) -> None:
    adapter = connect(uri=f"mongodb://{user}:{password}@{process.address}/?authSource={process.token}")
    for _ in range(2):
        with pytest.raises(Denied, match=f"MongoDB {process.address}") as caught:
            await answer(adapter)
        assert "hunter2" not in str(caught.value)


async def test_without_a_login_nothing_is_counted(process: FerretdbServer, connect: Connect) -> None:
    got = await answer(connect(uri=f"mongodb://{process.address}/"))
    assert isinstance(got, Denied | Malformed)


async def test_a_string_that_cannot_be_used_is_a_mistake(process: FerretdbServer, connect: Connect) -> None:
    for uri in (
        f"mongodb://us%er:hunter2@{process.address}/",
        f"mongodb://{process.address}/?tls=hunter2",
        "mongodb://a:hunter2/",
        f"mongodb://{process.address}/?authMechanism=PLAIN",
    ):
        got = await answer(connect(uri=uri))
        assert isinstance(got, Misconfigured)
        assert "hunter2" not in got.answer


# --- TLS


async def test_tls_is_spoken_and_verified(process: FerretdbServer, connect: Connect) -> None:
    ca = faults.authority().cert_pem.bytes().decode()
    leaf = faults.authority().issue_cert("client@shop")
    cert, key = leaf.cert_chain_pems[0].bytes().decode(), leaf.private_key_pem.bytes().decode()
    async with faults.in_tls(process.port) as front:
        assert await answer(connect(front.address, tls=Tls(ca=ca))) == 3
        with pytest.raises(Unreachable, match="not trusted"):
            await answer(connect(front.address, tls=Tls(), timeout_s=1.0))
    async with faults.in_tls(process.port, is_client_asked=True) as front:
        assert await answer(connect(front.address, tls=Tls(ca, cert, key))) == 3
    async with faults.in_tls(process.port, "other.shop") as front:
        with pytest.raises(Unreachable, match="not trusted"):
            await answer(connect(front.address, tls=Tls(ca=ca), timeout_s=1.0))
    with pytest.raises(Unreachable):
        await answer(connect(tls=Tls(ca=ca), timeout_s=1.0))


async def test_a_certificate_that_cannot_be_read_is_a_mistake(connect: Connect) -> None:
    for tls, words in (
        (Tls(ca="nonsense"), "TLS parameter ca"),
        (Tls(cert="nonsense", key="nonsense"), "cert and key"),
    ):
        got = await answer(connect(tls=tls))
        assert isinstance(got, Misconfigured)
        assert words in str(got)


# --- what a network does


@pytest.mark.parametrize("fault", faults.UNREACHABLE, ids=lambda fault: fault.__name__)
async def test_a_bad_server_is_named(connect: Connect, fault: Any) -> None:
    async with fault() as bad:
        adapter = connect(bad.address, timeout_s=0.3)
        for _ in range(2):
            with pytest.raises(Unreachable, match=bad.address) as caught:
                await answer(adapter)
            assert "hunter2" not in str(caught.value)


async def test_another_protocol_is_a_failure(connect: Connect) -> None:
    async with faults.saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as bad:
        with pytest.raises(Unreachable, match=bad.address):
            await answer(connect(bad.address, timeout_s=0.5))


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=f"{faults.NOWHERE}:27017.*name or service not known"):
        await answer(connect(f"{faults.NOWHERE}:27017", timeout_s=0.5))


async def test_hosts_that_the_dns_does_not_know_are_told(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=rf"{faults.NOWHERE}: its hosts cannot be looked up \(SRV"):
        await answer(connect(uri=f"mongodb+srv://{faults.NOWHERE}/", timeout_s=0.5))


async def test_a_name_is_resolved_before_it_is_dialled(process: FerretdbServer, connect: Connect) -> None:
    adapter = connect(f"mongo.shop:{process.port}", resolve=lambda host: "127.0.0.1")
    assert await answer(adapter) == 3


async def test_on_a_cluster_the_autoscalers_own_machine_is_not_asked(connect: Connect) -> None:
    got = await answer(connect(policy=AddressPolicy.on_a_cluster()))
    assert isinstance(got, Misconfigured)
    assert "--allow-address" in str(got)
    assert await answer(connect(policy=AddressPolicy.on_a_cluster(["127.0.0.1"]))) == 3


async def test_a_server_that_falls_silent_is_given_up_and_asked_again_later(
    process: FerretdbServer, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.address, queries_s=1.5)
    assert await answer(adapter) == 3
    proxy.mode = "stall"
    with pytest.raises(Unreachable):
        await answer(adapter)
    proxy.mode = "pass"
    assert await answer(adapter) == 3


async def test_a_connection_that_was_cut_in_between_is_not_noticed(
    process: FerretdbServer, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.address)
    for _ in range(3):
        assert await answers(adapter, ALL, '{"state": "done"}') == [3, 1]
        proxy.cut()


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    process: FerretdbServer, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.address)
    await answer(adapter)
    proxy.heard.clear()
    asking = asyncio.ensure_future(answers(adapter, ALL, '{"state": "done"}'))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await answers(adapter, '{"state": "done"}', ALL) == [1, 3]


async def test_a_restart_is_healed_at_the_next_question(connect: Connect) -> None:
    with FerretdbServer() as own:
        adapter = connect(uri=own.uri(), timeout_s=1.0)
        assert await answer(adapter) == 0
        own.stop()
        for _ in range(2):
            with pytest.raises(Unreachable, match=f"{own.address}: connection refused"):
                await answer(adapter)
        own.start()
        assert await answer(adapter) == 0


async def test_closing_is_safe_before_opening_and_twice(connect: Connect) -> None:
    adapter = connect()
    await adapter.close()
    assert await answer(adapter) == 3
    await adapter.close()
    await adapter.close()
    assert await answer(adapter) == 3
