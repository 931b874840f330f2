"""One real PostgreSQL whose channels are listened to: over how many connections, and when it is in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.pgbouncer_server import PgbouncerServer
from parts.postgresql_server import PostgresqlServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.waiting import until_so
from parts.watched import watched
from tidegate.base.errors import Denied, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.postgresql.session import PostgresqlConnection
from tidegate.kit.systems.postgresql import PostgresqlChannel, PostgresqlServer, parse_connection
from tidegate.kit.systems.sql import SqlQuery

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("postgresql")]

ProxyFor = Callable[[int], Awaitable[Proxy]]
ANY = PostgresqlServer(())


@pytest.fixture(scope="module")
def process(servers: Servers) -> Process:
    return servers.get(Process)


def adapter_of(port: int, more: str = "", *, login: str = "", **around: Any) -> PostgresqlConnection:
    login = login or f"user=postgres password={Process.password}"
    text = f"host=127.0.0.1 port={port} dbname=postgres {login} {more}"
    server = PostgresqlServer(parse_connection(text))
    return PostgresqlConnection(server, Surroundings(**{"timeout_s": 10.0, **around}))


def channel(name: str) -> PostgresqlChannel:
    return PostgresqlChannel(ANY, name)


async def query(process: Process, statement: str) -> Any:
    return await asyncio.to_thread(process.query, statement)


async def listeners(process: Process) -> int:
    found = await query(process, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate'")
    return int(found[0][0])


async def test_each_notification_is_told_to_those_of_its_channel(process: Process) -> None:
    adapter, orders, odd = adapter_of(process.port), channel("orders"), channel("Ord-ers.'x")
    async with watched(adapter, orders, odd) as heard:
        await heard.until_open()
        await query(process, "NOTIFY Orders, 'hunter2-payload'")
        await heard.told(orders)
        await query(process, "SELECT pg_notify('Ord-ers.''x', '')")
        await heard.told(odd)
        await query(process, "NOTIFY nobodys")
        await query(process, "NOTIFY orders")
        await heard.told(orders)
        assert await adapter.answer([SqlQuery(ANY, "SELECT 7")]) == [7]
        await query(process, "NOTIFY orders")
        await heard.told(orders)
    assert adapter.connections == 2


async def test_a_thousand_channels_are_one_connection_and_it_goes_with_the_last(process: Process) -> None:
    adapter, questions = adapter_of(process.port), [channel(f"c{n}") for n in range(1000)]
    before = await listeners(process)
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        assert adapter.connections == 1
        assert await listeners(process) == before + 1
        await query(process, "NOTIFY c999")
        await heard.told(questions[999])
        for question in questions[1:]:
            await heard.leave(question)
        await query(process, "NOTIFY c5; NOTIFY c0")
        await heard.told(questions[0])
        await heard.leave(questions[0])

        async def is_gone() -> bool:
            return await listeners(process) == before

        await until_so(is_gone)


async def test_a_pooler_is_told_and_the_trigger_is_polled(process: Process) -> None:
    with PgbouncerServer(process) as pooler:
        adapter, orders = adapter_of(pooler.port, f"dbname={pooler.token}"), channel("orders")
        await _is_told_of_the_pooler(adapter, orders)


async def _is_told_of_the_pooler(adapter: PostgresqlConnection, orders: PostgresqlChannel) -> None:
    async with watched(adapter, orders) as heard:
        assert "a pooler answers in its place (as PgBouncer does)" in await heard.why(orders)
        assert isinstance(heard.ended[orders], Unsupported)
        assert await adapter.answer([SqlQuery(ANY, "SELECT 7")]) == [7]


async def test_a_session_that_was_ended_is_told_and_comes_back(process: Process) -> None:
    adapter, orders = adapter_of(process.port, "application_name=mortal"), channel("orders")
    async with watched(adapter, orders) as heard:
        await heard.until_open()
        await query(
            process,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mortal'",
        )
        assert "cannot listen to channels on PostgreSQL" in await heard.why(orders)
        assert isinstance(heard.ended[orders], Unreachable)
        await heard.reopened(orders)
        await query(process, "NOTIFY orders")
        await heard.told(orders)


async def test_a_connection_that_is_cut_or_stalls_is_told(process: Process, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(process.port)
    adapter, orders, late = adapter_of(proxy.port, timeout_s=1.0), channel("orders"), channel("late")
    async with watched(adapter, orders) as heard:
        await heard.until_open()
        proxy.mode = "stall"
        heard.watch(late)
        assert "no answer within 1 s" in await heard.why(orders)
        proxy.mode = "pass"
        await heard.reopened(orders)
        proxy.cut()
        assert "the connection was closed" in await heard.why(orders)


async def test_a_wrong_password_is_told_without_it(process: Process) -> None:
    adapter, orders = (
        adapter_of(process.port, login="user=postgres password=hunter2-wrong"),
        channel("orders"),
    )
    async with watched(adapter, orders) as heard:
        assert "hunter2" not in await heard.why(orders)
        assert isinstance(heard.ended[orders], Denied)


async def test_an_address_that_may_not_be_asked_is_not_listened_to(process: Process) -> None:
    adapter, orders = adapter_of(process.port, policy=AddressPolicy.on_a_cluster()), channel("orders")
    async with watched(adapter, orders) as heard:
        assert "which triggers may not ask" in await heard.why(orders)
        assert isinstance(heard.ended[orders], Misconfigured)
        assert adapter.connections == 0


async def test_a_server_that_says_nothing_or_is_not_there_is_told() -> None:
    async with faults.silent() as bad:
        adapter, orders = adapter_of(bad.port, timeout_s=0.3), channel("orders")
        async with watched(adapter, orders) as heard:
            assert "no answer within 0.3 s" in await heard.why(orders)
    async with watched(adapter_of(1), orders) as heard:
        assert "refused" in await heard.why(orders)
