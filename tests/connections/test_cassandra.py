"""The cassandra trigger against a real Cassandra: types, refusals, faults, what a round costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from parts import faults
from parts.cassandra_server import LOGIN, PASSWORD, CassandraProcess
from parts.http_trigger import build
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.cassandra import connect
from tidegate.kit.systems.cassandra import CassandraServer, CqlQuery
from tidegate.kit.systems.sql import NO_ROW
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("cassandra")]

ProxyFor = Callable[[int], Awaitable[Proxy]]

SCHEMA = (
    "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    "CREATE TABLE shop.orders (id int PRIMARY KEY, state text, cost decimal, big varint, small smallint, "
    "tiny tinyint, long bigint, d double, f float, moment timestamp, tags list<text>)",
    "CREATE TABLE shop.counts (queue text PRIMARY KEY, waiting counter)",
    "UPDATE shop.counts SET waiting = waiting + 7 WHERE queue = 'orders'",
    "INSERT INTO shop.orders (id, state, cost, big, small, tiny, long, d, f, moment, tags) VALUES "
    "(1, 'waiting', 2.50, 18446744073709551616, -3, -4, -5, 2.5, 1.5, 1000, ['a'])",
    "INSERT INTO shop.orders (id, state) VALUES (2, 'waiting')",
    "CREATE ROLE stranger WITH PASSWORD = 'hunter2-hunter2' AND LOGIN = true",
)


@pytest.fixture(scope="module")
def cassandra(servers: Servers) -> CassandraProcess:
    server = servers.get(CassandraProcess)
    server.run_cql(*SCHEMA)
    return server


def node(port: int, **fields: Any) -> CassandraServer:
    return replace(CassandraServer("127.0.0.1", port, LOGIN, PASSWORD), **fields)


@asynccontextmanager
async def asking(at: CassandraServer, **around: Any) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    adapter = connect(at, Surroundings(**around))

    async def ask(*statements: str) -> Any:
        try:
            answers = await adapter.answer([CqlQuery(at, one, 1) for one in statements])
        except TidegateError as error:
            return error
        return answers[0] if len(statements) == 1 else answers

    try:
        yield ask
    finally:
        await adapter.close()
        await adapter.close()


def trigger(port: int, query: str, password: str = PASSWORD, **metadata: str) -> Any:
    texts = {"clusterIPAddress": f"127.0.0.1:{port}", "username": LOGIN, "keyspace": "shop", "query": query}
    return build("cassandra", {**texts, "targetQueryValue": "5", **metadata}, {"password": password})


async def test_numbers_of_every_type_are_read(cassandra: CassandraProcess) -> None:
    one = "FROM shop.orders WHERE id = 1"
    wanted = {
        "SELECT waiting FROM shop.counts WHERE queue = 'orders'": 7,
        "SELECT COUNT(*) FROM shop.orders": 2,
        f"SELECT cost {one}": 2.5,
        f"SELECT big {one}": 2.0**64,
        f"SELECT small {one}": -3,
        f"SELECT tiny {one}": -4,
        f"SELECT long {one}": -5,
        f"SELECT d {one}": 2.5,
        f"SELECT f {one}": 1.5,
        f"SELECT moment {one}": 1000,
        "SELECT id FROM shop.orders WHERE id = 99": 0,
        f"-- it may have a comment\nSELECT id {one};": 1,
    }
    round = await one_round([trigger(cassandra.port, query) for query in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_what_is_no_number_is_told_and_the_others_are_answered(cassandra: CassandraProcess) -> None:
    wanted = {
        "SELECT cost FROM shop.orders WHERE id = 2": "the query gave NULL",
        "SELECT state FROM shop.orders WHERE id = 1": "a column of a type that is no number",
        "SELECT tags FROM shop.orders WHERE id = 1": "a column of a type that is no number",
        "SELECT id, cost FROM shop.orders": "it gives 2 columns",
        "SELECT hunter2 FROM shop.orders": "it is not valid",
        "SELECT id FROM shop.hunter2": "it is not valid",
        "SELECT FROM hunter2": "it has an error of syntax",
    }
    good = "SELECT id FROM shop.orders WHERE id = 2"
    round = await one_round([trigger(cassandra.port, query) for query in [*wanted, good]])
    *told, value = round.values
    assert value == 2
    for text, said in zip(wanted.values(), told, strict=True):
        assert text in str(said)
        assert "hunter2" not in str(said)


async def test_who_is_not_known_or_may_not_read_is_denied(cassandra: CassandraProcess) -> None:
    for wrong in ({"password": "hunter2-wrong"}, {"user": "nobody"}):
        async with asking(node(cassandra.port, **wrong)) as ask:
            error = await ask("SELECT id FROM shop.orders")
            assert isinstance(error, Denied)
            assert "the login is not accepted" in str(error)
            assert "hunter2" not in str(error) + error.excerpt
    async with asking(node(cassandra.port, user="stranger", password="hunter2-hunter2")) as ask:
        error = await ask("SELECT id FROM shop.orders")
        assert isinstance(error, Denied)
        assert "the user may not read this" in str(error)


async def test_a_consistency_that_cannot_be_had_is_told(cassandra: CassandraProcess) -> None:
    query = "SELECT id FROM shop.orders WHERE id = 1"
    triggers = [trigger(cassandra.port, query, consistency=one) for one in ("three", "local_quorum", "any")]
    said, value, other = (await one_round(triggers)).values
    assert "too few replicas are alive for the consistency" in said
    assert value == 1
    assert "it is not valid" in other


async def test_the_old_version_of_the_protocol_is_spoken(cassandra: CassandraProcess) -> None:
    async with asking(node(cassandra.port, version=3)) as ask:
        error = await ask("SELECT id FROM shop.orders WHERE id = 1")
        assert error == 1 or isinstance(error, TidegateError)


async def test_a_thousand_triggers_ask_each_query_once_on_one_connection(
    cassandra: CassandraProcess, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(cassandra.port)
    query = "SELECT id FROM shop.orders WHERE id = {}"
    many = [trigger(proxy.port, query.format(n % 200), targetQueryValue=str(n + 1)) for n in range(1000)]
    round = await one_round(many)
    assert round.values == [n % 200 if n % 200 in (1, 2) else 0 for n in range(1000)]
    (adapter,) = round.adapters.values()
    assert (proxy.connections, adapter.round_trips) == (1, 200)


async def test_half_an_answer_is_a_failure_and_the_next_question_is_answered(
    cassandra: CassandraProcess, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(cassandra.port)
    query = "SELECT id FROM shop.orders WHERE id = 1"
    async with asking(node(proxy.port)) as ask:
        assert await ask(query) == 1
        for broken in (5, 40, 90):
            proxy.cut_after = broken
            proxy.cut()
            assert isinstance(await ask(query), Unreachable)
        proxy.cut_after = None
        assert await ask(query.replace("1", "2")) == 2


async def test_a_node_that_hangs_answers_again(cassandra: CassandraProcess) -> None:
    async with asking(node(cassandra.port), queries_s=1.0, timeout_s=1.0) as ask:
        query = "SELECT id FROM shop.orders WHERE id = {}"
        assert await ask(query.format(1)) == 1
        cassandra.freeze()
        assert "within 1 s" in str(await ask(query.format(2)))
        cassandra.thaw()
        assert await ask(query.format(1)) == 1
        assert await ask(query.format(99)) is NO_ROW


async def test_after_a_connection_is_gone_the_next_question_is_answered(
    cassandra: CassandraProcess, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(cassandra.port)
    async with asking(node(proxy.port)) as ask:
        assert await ask("SELECT id FROM shop.orders WHERE id = 1") == 1
        proxy.cut()
        assert await ask("SELECT id FROM shop.orders WHERE id = 1") == 1
        assert proxy.connections == 2


async def test_tls_is_spoken_and_the_certificate_checked_where_there_is_a_ca(
    cassandra: CassandraProcess,
) -> None:
    ca = faults.authority().cert_pem.bytes().decode()
    async with faults.in_tls(cassandra.port) as front, faults.in_tls(cassandra.port, "other.shop") as wrong:
        for port, tls, is_good in (
            (front.port, Tls(ca=ca), True),
            (front.port, Tls(is_verified=False), True),
            (wrong.port, Tls(is_verified=False), True),
            (wrong.port, Tls(ca=ca), False),
        ):
            async with asking(node(port, tls=tls)) as ask:
                answer = await ask("SELECT id FROM shop.orders WHERE id = 1")
                assert answer == 1 if is_good else "certificate is not trusted" in str(answer)


async def test_tls_to_a_plain_port_is_told(cassandra: CassandraProcess) -> None:
    async with asking(node(cassandra.port, tls=Tls(is_verified=False)), timeout_s=1.0) as ask:
        assert isinstance(await ask("SELECT id FROM shop.orders"), Unreachable)


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad, asking(node(bad.port), timeout_s=0.5) as ask:
        error = await ask("SELECT a FROM b")
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)


async def test_a_name_that_does_not_resolve_is_told() -> None:
    async with asking(node(9042, host=faults.NOWHERE)) as ask:
        assert isinstance(await ask("SELECT a FROM b"), Unreachable)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x84\0\0\0\2\x7f\xff\xff\xff",
        b"\x84\0\0\0\x63\0\0\0\0",
        b"x" * 100_000,
    ],
)
async def test_a_server_of_another_kind_is_told(said: bytes) -> None:
    async with faults.saying(said) as bad, asking(node(bad.port), timeout_s=0.5, queries_s=1) as ask:
        error = await ask("SELECT a FROM b")
    assert isinstance(error, Unreachable | Malformed)
    assert "not Cassandra's protocol" in str(error)
