"""The clickhouse trigger against a real ClickHouse: types, refusals, faults, TLS, what a round costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from parts import faults
from parts.clickhouse_server import PASSWORD, ClickhouseProcess
from parts.http_trigger import build
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.clickhouse import connect
from tidegate.kit.systems.clickhouse import ClickhouseServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("clickhouse")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def clickhouse(servers: Servers) -> ClickhouseProcess:
    server = servers.get(ClickhouseProcess)
    server.query(
        "CREATE TABLE IF NOT EXISTS orders (state String, cost Nullable(Decimal(9, 2))) ENGINE = Memory"
    )
    server.query("INSERT INTO orders VALUES ('waiting', 2.50), ('waiting', NULL), ('done', 4)")
    return server


def server(port: int, **fields: Any) -> ClickhouseServer:
    return replace(ClickhouseServer((("127.0.0.1", port),), "shop", PASSWORD), **fields)


@asynccontextmanager
async def asking(at: ClickhouseServer, **around: Any) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    adapter = connect(at, Surroundings(**around))

    async def ask(*statements: str) -> Any:
        try:
            answers = await adapter.answer([SqlQuery(at, one) for one in statements])
        except TidegateError as error:
            return error
        return answers[0] if len(statements) == 1 else answers

    try:
        yield ask
    finally:
        await adapter.close()
        await adapter.close()


def trigger(port: int, query: str, **metadata: str) -> Any:
    texts = {
        "host": "127.0.0.1",
        "port": str(port),
        "username": "shop",
        "query": query,
        "targetQueryValue": "5",
    }
    return build("clickhouse", {**texts, **metadata}, {"password": PASSWORD})


async def test_numbers_of_every_type_are_read(clickhouse: ClickhouseProcess) -> None:
    wanted = {
        "SELECT count() FROM orders WHERE state = 'waiting'": 2,
        "SELECT toUInt8(255)": 255,
        "SELECT toInt8(-3)": -3,
        "SELECT toUInt64(18446744073709551615)": 2.0**64,
        "SELECT toInt64(-9223372036854775808)": -9223372036854775808,
        "SELECT toFloat32(2.5)": 2.5,
        "SELECT -1.25": -1.25,
        "SELECT toDecimal32(12.34, 2)": 12.34,
        "SELECT toDecimal64(-0.5, 4)": -0.5,
        "SELECT toDecimal128(7, 10)": 7,
        "SELECT sum(cost) FROM orders": 6.5,
        "SELECT toString(42)": 42,
        "SELECT toFixedString('17', 5)": 17,
        "SELECT number FROM system.numbers LIMIT 1000": 0,
        "SELECT 7 WHERE 0": 0,
        "SELECT count() FROM orders WHERE state = 'none' GROUP BY state": 0,
        "SELECT 3;": 3,
    }
    round = await one_round([trigger(clickhouse.port, query) for query in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_what_is_no_number_is_told_and_the_others_are_answered(clickhouse: ClickhouseProcess) -> None:
    wanted = {
        "SELECT NULL": "the query gave NULL",
        "SELECT cost FROM orders WHERE cost IS NULL": "the query gave NULL",
        "SELECT avg(length(state)) FROM orders WHERE 0": "the query gave no finite number",
        "SELECT 1 / 0": "the query gave no finite number",
        "SELECT 'hunter2'": "a text of 7 characters where a number was expected",
        "SELECT toDate('2026-01-01')": "its column is of a type that is no number",
        "SELECT [1, 2]": "its column is of a type that is no number",
        "SELECT 1, 2": "it gives 2 columns",
        "SELECT number FROM system.numbers LIMIT 100000": "more than 1000 rows came back",
        "SELECT hunter2 FROM orders": "error 47, it names a column that there is not; check the query",
        "SELECT 1 FROM hunter2": "error 60, it reads a table that there is not",
        "SELEC hunter2": "error 62, it has an error of syntax",
        "CREATE TABLE hunter2 (a UInt8) ENGINE = Memory": "error 164, the user may only read",
        "DROP TABLE orders": "error 164, the user may only read",
    }
    triggers = [trigger(clickhouse.port, query) for query in [*wanted, "SELECT 5"]]
    # Those that cost the connection are given up in rounds: each is told in the end.
    *told, value = [(await one_round([one])).values[0] for one in triggers]
    assert value == 5
    for text, said in zip(wanted.values(), told, strict=True):
        assert text in str(said)
        assert "hunter2" not in str(said)
    assert clickhouse.query("SELECT count() FROM orders") == "3"


async def test_a_bad_query_among_good_ones_fails_alone(clickhouse: ClickhouseProcess) -> None:
    async with asking(server(clickhouse.port)) as ask:
        bad = ("SELECT x", "SELECT [1]", "SELECT 1, 2")
        answers = await ask("SELECT 1", *bad, "SELECT 2", "SELECT 7 WHERE 0")
        assert [answers[0], *answers[4:]] == [1, 2, NO_ROW]
        assert all(isinstance(one, TidegateError) for one in answers[1:4])


async def test_a_user_who_may_change_no_settings_is_asked_with_its_own(clickhouse: ClickhouseProcess) -> None:
    async with asking(server(clickhouse.port, user="reader")) as ask:
        assert await ask("SELECT 1") == 1
        assert isinstance(await ask("DROP TABLE orders"), Denied)


async def test_a_slow_query_is_stopped_by_the_server_and_rests(clickhouse: ClickhouseProcess) -> None:
    async with asking(server(clickhouse.port), queries_s=1.5) as ask:
        slow = "SELECT count() FROM system.numbers WHERE NOT ignore(sipHash64(number))"
        answers = await ask("SELECT 1", slow, "SELECT 2")
        assert (answers[0], answers[2]) == (1, 2) or isinstance(answers[2], Unreachable)
        assert isinstance(answers[1], Unreachable)
        assert await ask("SELECT 3") == 3


@pytest.mark.parametrize("wrong", [{"password": "hunter2-wrong"}, {"user": "nobody"}, {"password": ""}])
async def test_who_is_not_known_is_denied(clickhouse: ClickhouseProcess, wrong: dict[str, str]) -> None:
    async with asking(server(clickhouse.port, **wrong)) as ask:
        error = await ask("SELECT 1")
    assert isinstance(error, Denied)
    assert "the login is not accepted" in str(error)
    assert "hunter2" not in str(error) + error.excerpt


async def test_a_database_that_there_is_not_is_told(clickhouse: ClickhouseProcess) -> None:
    async with asking(server(clickhouse.port, database="nowhere")) as ask:
        assert "error 81, there is no such database" in str(await ask("SELECT 1"))


async def test_settings_of_the_string_go_with_each_query(clickhouse: ClickhouseProcess) -> None:
    dsn = f"clickhouse://shop:{PASSWORD}@127.0.0.1:{clickhouse.port}/default?max_threads=1&compress=lz4"
    texts = {"query": "SELECT value FROM system.settings WHERE name = 'max_threads'", "targetQueryValue": "1"}
    made = build("clickhouse", texts, {"connectionString": dsn})
    assert (await one_round([made])).values == [1]
    unknown = build("clickhouse", texts, {"connectionString": f"{dsn}&no_such_setting=1"})
    assert "there is no such setting" in (await one_round([unknown])).values[0]


async def test_the_next_host_is_asked_where_one_is_gone(clickhouse: ClickhouseProcess) -> None:
    async with faults.nobody() as bad:
        at = server(0, places=(("127.0.0.1", bad.port), ("127.0.0.1", clickhouse.port)))
        async with asking(at) as ask:
            assert await ask("SELECT 1") == 1


async def test_over_http_the_same_comes_out(clickhouse: ClickhouseProcess) -> None:
    dsn = f"http://shop:{PASSWORD}@127.0.0.1:{clickhouse.ports[1]}/default"
    wanted = {
        "SELECT count() FROM orders": 3,
        "SELECT toUInt64(5)": 5,
        "SELECT 7 WHERE 0": 0,
        "SELECT 1 / 0": "the query gave NULL",
        "SELECT 1, 2": "it gives 2 columns",
        "SELECT x": "cannot run the query",
        "DROP TABLE orders": "cannot run the query",
    }
    texts = {"targetQueryValue": "1"}
    triggers = [build("clickhouse", {**texts, "query": one}, {"connectionString": dsn}) for one in wanted]
    round = await one_round(triggers)
    for said, value in zip(wanted.values(), round.values, strict=True):
        assert value == said or str(said) in str(value)
    wrong = build(
        "clickhouse", {**texts, "query": "SELECT 1"}, {"connectionString": dsn.replace("shop", "x")}
    )
    assert not isinstance((await one_round([wrong])).values[0], float)
    assert clickhouse.query("SELECT count() FROM orders") == "3"


async def test_a_thousand_triggers_ask_each_query_once_on_one_connection(
    clickhouse: ClickhouseProcess, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(clickhouse.port)
    many = [trigger(proxy.port, f"SELECT {n % 100}", targetQueryValue=str(n + 1)) for n in range(1000)]
    round = await one_round(many)
    assert round.values == [n % 100 for n in range(1000)]
    (adapter,) = round.adapters.values()
    assert (proxy.connections, adapter.round_trips) == (1, 100)


async def test_tls_is_spoken_and_the_certificate_checked(clickhouse: ClickhouseProcess) -> None:
    ca = faults.authority().cert_pem.bytes().decode()
    for tls, is_good in ((Tls(ca=ca), True), (Tls(is_verified=False), True), (Tls(), False)):
        async with asking(server(clickhouse.ports[2], tls=tls)) as ask:
            answer = await ask("SELECT 1")
            assert answer == 1 if is_good else "certificate is not trusted" in str(answer)


async def test_tls_to_a_plain_port_and_back_is_told(clickhouse: ClickhouseProcess) -> None:
    async with asking(server(clickhouse.port, tls=Tls())) as ask:
        assert isinstance(await ask("SELECT 1"), Unreachable)
    async with asking(server(clickhouse.ports[2])) as ask:
        assert isinstance(await ask("SELECT 1"), Unreachable)
    async with asking(server(clickhouse.ports[1]), timeout_s=1.0) as ask:
        assert isinstance(await ask("SELECT 1"), Unreachable)


async def test_half_an_answer_is_a_failure_and_the_next_question_is_answered(
    clickhouse: ClickhouseProcess, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(clickhouse.port)
    async with asking(server(proxy.port)) as ask:
        assert await ask("SELECT 1") == 1
        for broken in (10, 40, 60):
            proxy.cut_after = broken
            proxy.cut()
            assert isinstance(await ask("SELECT 1"), Unreachable)
        proxy.cut_after = None
        assert await ask("SELECT 2") == 2


async def test_a_server_that_hangs_and_one_that_restarts_answer_again() -> None:
    with ClickhouseProcess() as own:
        async with asking(server(own.port), queries_s=1.0, timeout_s=1.0) as ask:
            assert await ask("SELECT 1") == 1
            own.freeze()
            assert "within 1 s" in str(await ask("SELECT 1"))
            own.thaw()
            assert await ask("SELECT 1") == 1
            own.stop()
            assert isinstance(await ask("SELECT 1"), Unreachable)
            own.start()
            assert await ask("SELECT 1") == 1


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad, asking(server(bad.port), timeout_s=0.5) as ask:
        error = await ask("SELECT 1")
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)


async def test_a_name_that_does_not_resolve_is_told() -> None:
    async with asking(server(0, places=((faults.NOWHERE, 9000),))) as ask:
        assert isinstance(await ask("SELECT 1"), Unreachable)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100_000, b"\xff" * 100])
async def test_a_server_of_another_kind_is_told(said: bytes) -> None:
    async with faults.saying(said) as bad, asking(server(bad.port), timeout_s=0.5, queries_s=1) as ask:
        assert isinstance(await ask("SELECT 1"), Unreachable)
