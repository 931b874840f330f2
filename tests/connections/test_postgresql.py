"""One real PostgreSQL: flights of queries, logins, bad and hostile queries, everything a network does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from ssl import TLSVersion
from typing import Any

import psycopg
import pytest

from parts import faults
from parts.pgbouncer_server import PgbouncerServer
from parts.postgresql_server import PostgresqlServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import (
    Denied,
    Malformed,
    Misconfigured,
    TidegateError,
    Unreachable,
    Unsupported,
)
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.postgresql.session import IN_FLIGHT, PostgresqlConnection
from tidegate.connections.queries import Spoiling, TooSlow
from tidegate.connections.tls_policy import TlsPolicy
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.postgresql import PostgresqlServer, parse_connection
from tidegate.kit.systems.sql import NO_ROW, SqlQuery

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("postgresql")]

PASSWORD = "hunter2-reader"
Connect = Callable[..., PostgresqlConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def process(servers: Servers) -> Process:
    """PostgreSQL with a table of three rows, and a user who may read it and no other."""
    process = servers.get(Process)
    for statement in (
        "DROP TABLE IF EXISTS jobs, hidden",
        "DROP ROLE IF EXISTS reader",
        "CREATE TABLE jobs (id int, name text)",
        "INSERT INTO jobs VALUES (1, 'a'), (2, 'b'), (3, 'hunter2-row')",
        "CREATE TABLE hidden (id int)",
        f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
        "GRANT SELECT ON jobs TO reader",
    ):
        process.query(statement)
    return process


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters: `connect(port, user=…, queries_s=…)`; they end with the test."""
    made: list[PostgresqlConnection] = []

    def make(
        port: int | str, more: str = "", *, host: str = "127.0.0.1", login: str = "", **around: Any
    ) -> PostgresqlConnection:
        login = login or f"user=postgres password={Process.password}"
        text = f"host={host} port={port} dbname=postgres {login} {more}"
        surroundings = Surroundings(**{"timeout_s": 5.0, **around})
        made.append(PostgresqlConnection(PostgresqlServer(parse_connection(text)), surroundings))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def queries(*statements: str) -> list[SqlQuery]:
    return [SqlQuery(PostgresqlServer(()), statement) for statement in statements]


async def answers(adapter: PostgresqlConnection, *statements: str) -> list[Any]:
    return list(await adapter.answer(queries(*statements)))


async def answer(adapter: PostgresqlConnection, statement: str) -> Any:
    (one,) = await answers(adapter, statement)
    return one


def sessions(process: Process) -> int:
    ((count,),) = process.query("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tidegate'")
    return int(count)


COUNT = "SELECT count(*) FROM jobs"


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        (COUNT, 3),
        ("SELECT -5::smallint", -5),
        ("SELECT 2.5::float8", 2.5),
        ("SELECT 1.25::numeric", Decimal("1.25")),
        ("SELECT '42'::text", "42"),
        ("SELECT true", True),
        ("SELECT NULL::int", None),
        ("SELECT id FROM jobs WHERE id > 9", NO_ROW),
        ("SELECT id FROM jobs ORDER BY id DESC", 3),
        ("SHOW max_connections", "30"),
        ("VALUES (7)", 7),
        ("WITH w AS (SELECT 8) SELECT * FROM w; ", 8),
        ("SELECT date '2026-03-04'", "2026-03-04"),
    ],
)
async def test_the_first_column_of_the_first_row_is_the_answer(
    process: Process, connect: Connect, statement: str, value: Any
) -> None:
    got = await answer(connect(process.port), statement)
    assert (got, type(got)) == (value, type(value))


async def test_not_a_number_stays_that(process: Process, connect: Connect) -> None:
    got = await answers(connect(process.port), "SELECT 'NaN'::float8", "SELECT 'NaN'::numeric")
    assert [one != one for one in got] == [True, True]


BAD = [
    ("SELECT * FROM jobs", Malformed, "it gives 2 columns"),
    ("SELECT FROM jobs", Malformed, "it gives 0 columns"),
    ("SET search_path = x", Malformed, "a statement that gives no rows"),
    ("SELEC 1", Malformed, 'syntax error at or near "SELEC" (SQLSTATE 42601)'),
    ("SELECT 1; SELECT 2", Malformed, "cannot insert multiple commands"),
    ("SELECT count(*) FROM nowhere", Malformed, 'relation "nowhere" does not exist (SQLSTATE 42P01)'),
    ("SELECT 1/0", Malformed, "division by zero (SQLSTATE 22012)"),
    ("SELECT name::int FROM jobs WHERE id = 3", Malformed, "invalid text representation (SQLSTATE 22P02)"),
    ("SELECT $1::int", Malformed, "SQLSTATE 08P01"),
    ("", Malformed, "a statement that gives no rows"),
    ("COMMIT", Malformed, "a statement that gives no rows"),
    ("INSERT INTO jobs VALUES (9, 'x') RETURNING id", Misconfigured, "read-only transaction"),
    ("SELECT nextval('s')", Malformed, "does not exist"),
    ("CREATE TABLE more (id int)", Misconfigured, "let it read and not write"),
    ("SELECT id FROM jobs FOR UPDATE", Misconfigured, "SQLSTATE 25006"),
]


@pytest.mark.parametrize(("statement", "kind", "words"), BAD, ids=[one[0] for one in BAD])
async def test_a_bad_query_fails_alone(
    process: Process, connect: Connect, statement: str, kind: type[TidegateError], words: str
) -> None:
    adapter = connect(process.port)
    for _ in range(2):
        first, bad, last = await answers(adapter, COUNT, statement, "SELECT 4")
        assert (first, last) == (3, 4)
        assert type(bad) is kind, bad
        assert words in str(bad)
        assert "hunter2" not in str(bad)
    assert (process.query(COUNT), adapter.connections) == ([(3,)], 1)


async def test_what_a_function_says_of_a_table_is_not_repeated(process: Process, connect: Connect) -> None:
    told = (
        "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '42P01', MESSAGE = (SELECT max(name) FROM jobs); END $$"
    )
    named = "DO $$ BEGIN EXECUTE (SELECT 'SELECT * FROM \"' || max(name) || '\"' FROM jobs); END $$"
    for got in await answers(connect(process.port), told, named):
        assert "undefined table (SQLSTATE 42P01)" in str(got)
        assert "hunter2" not in str(got)


@pytest.mark.parametrize(
    "made",
    [
        "{}::regclass",
        "{}::regproc",
        "{}::regtype",
        "{}::regrole",
        "current_setting({})",
        "nextval({})",
        "has_table_privilege({}, 'select')",
        "has_column_privilege('jobs', {}, 'select')",
        "to_tsquery({} || ' x')",
        "query_to_xml('SELECT * FROM \"' || {} || '\"', true, true, '')",
        "query_to_xml('SELECT \"' || {} || '\"()', true, true, '')",
    ],
)
async def test_what_a_table_holds_is_not_told_as_a_name_that_does_not_exist(
    process: Process, connect: Connect, made: str
) -> None:
    (got,) = await answers(connect(process.port), "SELECT " + made.format("(SELECT max(name) FROM jobs)"))
    assert isinstance(got, TidegateError)
    assert "SQLSTATE" in str(got)
    assert "hunter2" not in str(got)


async def test_what_a_query_sets_is_gone_for_the_next(process: Process, connect: Connect) -> None:
    adapter = connect(process.port)
    for _ in range(2):
        got = await answers(
            adapter,
            "SELECT set_config('search_path', 'elsewhere', false)",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
            "SET statement_timeout = 0",
            "SET ROLE reader",
            "COMMIT",
            COUNT,
            "SHOW statement_timeout",
            "SHOW transaction_read_only",
            "SELECT current_user::text",
        )
        assert got[-4:] == [3, "6s", "on", "postgres"]


async def test_a_thousand_queries_are_ten_round_trips_on_one_connection(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    wanted = queries(*(f"SELECT {number} + count(*) FROM jobs" for number in range(1000)))
    assert adapter.batch == len(wanted)
    await adapter.answer(wanted[:1])
    for _ in range(2):
        assert await adapter.answer(wanted) == [number + 3 for number in range(1000)]
    assert adapter.round_trips == 1 + 2 * 1000 // IN_FLIGHT
    assert (proxy.connections, adapter.connections, sessions(process)) == (1, 1, 1)


async def test_no_transaction_is_left_open(process: Process, connect: Connect) -> None:
    adapter = connect(process.port)
    await answers(adapter, COUNT, "SELEC")
    state = process.query("SELECT state FROM pg_stat_activity WHERE application_name = 'tidegate'")
    assert state == [("idle",)]


async def test_equal_statements_get_the_same_answer(process: Process, connect: Connect) -> None:
    assert await answers(connect(process.port), COUNT, "SELECT 1", COUNT) == [3, 1, 3]


async def test_a_question_of_another_system_is_refused_alone(process: Process, connect: Connect) -> None:
    other, count = await connect(process.port).answer([PodCount("shop", "app=web"), *queries(COUNT)])
    assert isinstance(other, Unsupported)
    assert count == 3


async def test_a_table_the_user_may_not_read_is_denied_alone(process: Process, connect: Connect) -> None:
    adapter = connect(process.port, login=f"user=reader password={PASSWORD}")
    allowed, forbidden = await answers(adapter, COUNT, "SELECT count(*) FROM hidden")
    assert allowed == 3
    assert isinstance(forbidden, Denied)
    assert "permission denied for table hidden" in str(forbidden)


async def test_behind_pgbouncer_each_query_is_read_only_and_limited_too(
    process: Process, connect: Connect
) -> None:
    with PgbouncerServer(process) as pooled:
        adapter = connect(pooled.port, f"dbname={pooled.token} default_query_exec_mode=simple_protocol")
        many = [f"SELECT {number} + count(*) FROM jobs" for number in range(300)]
        for _ in range(2):
            got = await answers(adapter, *many, "SELEC", "SHOW statement_timeout", "DELETE FROM jobs", COUNT)
            assert got[:300] == [number + 3 for number in range(300)]
            assert [type(one) for one in got[300:]] == [Malformed, str, Misconfigured, int]
            assert got[301] == "6s"
        assert adapter.connections == 1
        # What is left on the sessions that others will get is as it was.
        where = f"host=127.0.0.1 port={pooled.port} dbname={pooled.token} user=postgres"
        with psycopg.connect(
            f"{where} password={process.password}", autocommit=True, prepare_threshold=None
        ) as other:
            assert other.execute("SHOW statement_timeout").fetchall() == [("0",)]


# --- hostile queries


async def test_a_slow_query_is_stopped_by_the_server_and_rests(process: Process, connect: Connect) -> None:
    adapter = connect(process.port, queries_s=3.0)
    first, slow, last = await answers(adapter, COUNT, "SELECT pg_sleep(300)", "SELECT 4")
    assert (first, last) == (3, 4)
    assert isinstance(slow, TooSlow)
    assert "stopped after 2 s" in str(slow)
    assert process.query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%'") == [(1,)]
    asked = adapter.round_trips
    again = await answers(adapter, "SELECT pg_sleep(300)")
    assert again == [slow]
    assert (adapter.round_trips, adapter.connections) == (asked, 1)


async def test_of_many_slow_queries_each_is_told_so_and_no_quick_one_waits_twice(
    process: Process, connect: Connect
) -> None:
    adapter = connect(process.port, queries_s=3.0)
    slow = [f"SELECT pg_sleep(300), {number}" for number in range(3)]
    got = await answers(adapter, *slow, COUNT)
    assert isinstance(got[0], TooSlow)
    assert all(isinstance(one, Unreachable) for one in got)
    assert "not answered within 3 s" in str(got[3])
    got = await answers(adapter, slow[0], COUNT)
    assert isinstance(got[0], TooSlow)
    assert got[1] == 3


TOO_MUCH = [
    ("SELECT generate_series(1, 1000000)", "more than 1,000 rows"),
    ("SELECT repeat('9', 10000000)", "more than 1 MiB"),
    ("SELECT repeat('9', 40000000)", "more than 1 MiB"),
    ("COPY jobs TO STDOUT", "a copy"),
]


@pytest.mark.parametrize(("statement", "words"), TOO_MUCH, ids=[one[0] for one in TOO_MUCH])
async def test_what_is_too_much_is_not_read_and_the_others_are_answered(
    process: Process, connect: Connect, statement: str, words: str
) -> None:
    adapter = connect(process.port, queries_s=60.0)
    first, much, last = await answers(adapter, COUNT, statement, "SELECT 4")
    assert (first, last) == (3, 4)
    assert isinstance(much, Spoiling)
    assert words in str(much)
    opened = adapter.connections
    assert opened <= 2
    assert await answers(adapter, COUNT, statement, "SELECT 4") == [3, much, 4]
    assert adapter.connections == opened


async def test_a_thousand_rows_are_not_too_many(process: Process, connect: Connect) -> None:
    assert await answer(connect(process.port), "SELECT generate_series(5, 1004)") == 5


async def test_a_query_that_ends_its_own_session_harms_itself_alone(
    process: Process, connect: Connect
) -> None:
    adapter = connect(process.port)
    fatal = "SELECT pg_terminate_backend(pg_backend_pid())"
    for connections in (2, 3):
        first, *others = await answers(adapter, fatal, COUNT, "SELECT 4")
        assert others == [3, 4]
        assert isinstance(first, Unreachable)
        assert "ends its own session" in str(first)
        assert adapter.connections == connections
    assert await answer(adapter, COUNT) == 3


# --- logins


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ("user=postgres password=hunter2-wrong", "password authentication failed"),
        ("user=postgres", "no password supplied"),
        ("user=nobody password=hunter2-wrong", "password authentication failed"),
        (f"user=postgres password={Process.password} dbname=nowhere", 'database "nowhere" does not exist'),
    ],
)
async def test_whom_the_server_does_not_know_is_denied(
    process: Process, connect: Connect, login: str, words: str
) -> None:
    adapter = connect(process.port, login=login)
    for _ in range(2):
        with pytest.raises(Denied, match=words) as caught:
            await answer(adapter, COUNT)
        assert f"127.0.0.1:{process.port}" in str(caught.value)
        assert "hunter2" not in str(caught.value)


async def test_nobody_logs_in_with_what_the_account_of_the_autoscaler_has(
    process: Process, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", Process.password)
    with pytest.raises(Denied):
        await answer(connect(process.port, login="user=postgres"), COUNT)


@pytest.mark.parametrize(
    "option", ["port=hunter2", "connect_timeout=hunter2", "keepalives=hunter2", "DateStyle=hunter2"]
)
async def test_an_option_that_cannot_be_is_each_querys_mistake(
    process: Process, connect: Connect, option: str
) -> None:
    for got in await answers(connect(process.port, option), COUNT, "SELECT 1"):
        assert isinstance(got, Misconfigured), got
        assert "hunter2" not in got.answer


async def test_settings_and_options_of_the_go_driver_may_stand_in_the_string(
    process: Process, connect: Connect
) -> None:
    more = (
        "search_path='\"a b\"' default_query_exec_mode=simple_protocol statement_cache_capacity=0 "
        "options='-c lock_timeout=7s'"
    )
    got = await answers(connect(process.port, more), "SHOW search_path", "SHOW lock_timeout")
    assert got == ['"a b"', "7s"]


async def test_of_several_hosts_the_first_that_fits_is_asked(process: Process, connect: Connect) -> None:
    async with faults.nobody() as bad, faults.silent() as silent:
        ports = f"{bad.port},{process.port}"
        adapter = connect(ports, host="127.0.0.1,127.0.0.1")
        assert await answer(adapter, COUNT) == 3
        adapter = connect(ports, "target_session_attrs=read-write", host="127.0.0.1,127.0.0.1")
        assert await answer(adapter, COUNT) == 3
        standby = connect(process.port, "target_session_attrs=standby")
        with pytest.raises(Unreachable, match="not in hot standby mode"):
            await answer(standby, COUNT)
        ports = f"{silent.port},{process.port}"
        adapter = connect(ports, host="127.0.0.1,127.0.0.1", timeout_s=2.5)
        assert await answer(adapter, COUNT) == 3


async def test_a_name_is_resolved_before_it_is_dialled(process: Process, connect: Connect) -> None:
    names = {"db.shop": "127.0.0.1", "alias.shop": "localhost"}

    def resolve(host: str) -> str:
        return names.get(host, host)

    for host in ("db.shop", "alias.shop", "alias.shop,db.shop", "localhost,db.shop"):
        assert await answer(connect(process.port, host=host, resolve=resolve), COUNT) == 3
    with pytest.raises(Unreachable, match=r"db\.shop:1/postgres"):
        await answer(connect(1, host="db.shop", resolve=resolve), COUNT)
    (got,) = await answers(connect(f"{process.port},1", host="db.shop", resolve=resolve), COUNT)
    assert isinstance(got, Misconfigured)


@pytest.mark.parametrize(
    "place", ["host=127.0.0.1", "host=localhost", "hostaddr=127.0.0.1 host=x", "host=/run"]
)
async def test_on_a_cluster_the_autoscalers_own_machine_is_not_asked(
    process: Process, connect: Connect, place: str
) -> None:
    closed = AddressPolicy.on_a_cluster()
    got = await answer(connect(process.port, place, policy=closed), COUNT)
    assert isinstance(got, Misconfigured)
    assert "--allow-address" in str(got)
    opened = AddressPolicy.on_a_cluster(["127.0.0.0/8", "::1"])
    if place != "host=/run":
        assert await answer(connect(process.port, place, policy=opened), COUNT) == 3


async def test_tls_is_spoken_verified_and_refused(process: Process, connect: Connect, tmp_path: Any) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(faults.authority().cert_pem.bytes())
    with pytest.raises(Unreachable, match="does not support SSL"):
        await answer(connect(process.port, "sslmode=require"), COUNT)
    with Process() as own:
        leaf = faults.authority().issue_cert("postgresql.shop")
        own.write("data/server.crt", leaf.cert_chain_pems[0].bytes().decode())
        own.write("data/server.key", leaf.private_key_pem.bytes().decode())
        own.query("ALTER SYSTEM SET ssl = on")
        own.query("SELECT pg_reload_conf()")
        names = {"postgresql.shop": "127.0.0.1", "other.shop": "127.0.0.1"}
        how: dict[str, Any] = {"host": "postgresql.shop", "resolve": lambda host: names.get(host, host)}
        in_use = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await answer(connect(own.port, "sslmode=require", **how), in_use) is True
        assert await answer(connect(own.port, "sslmode=prefer", **how), in_use) is True
        assert await answer(connect(own.port, "sslmode=disable", **how), in_use) is False
        verified = f"sslmode=verify-full sslrootcert={ca}"
        assert await answer(connect(own.port, verified, **how), in_use) is True
        with pytest.raises(Unreachable, match="does not match host name"):
            await answer(connect(own.port, verified, **{**how, "host": "other.shop"}), in_use)
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await answer(connect(own.port, "sslmode=verify-full", **how), in_use)
        # The administrator's authorities count where the string names none.
        trusting = {**how, "tls": TlsPolicy(authorities=ca.read_text())}
        assert await answer(connect(own.port, "sslmode=verify-full", **trusting), in_use) is True
        newest = {**trusting, "tls": TlsPolicy(TLSVersion.TLSv1_3, authorities=ca.read_text())}
        version = "SELECT version = 'TLSv1.3' FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert await answer(connect(own.port, "sslmode=verify-full", **newest), version) is True
        own.query("ALTER SYSTEM SET ssl_max_protocol_version = 'TLSv1.2'")
        own.query("SELECT pg_reload_conf()")
        with pytest.raises(Unreachable, match="protocol"):
            await answer(connect(own.port, "sslmode=verify-full", **newest), in_use)


# --- what a network does


@pytest.mark.parametrize("fault", faults.UNREACHABLE, ids=lambda fault: fault.__name__)
async def test_a_bad_server_is_named(connect: Connect, fault: Any) -> None:
    async with fault() as bad:
        adapter = connect(bad.port, timeout_s=0.3)
        for _ in range(2):
            with pytest.raises(Unreachable, match=bad.address) as caught:
                await answer(adapter, COUNT)
            assert "hunter2" not in str(caught.value)


async def test_a_host_that_has_no_address_is_named(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=rf"{faults.NOWHERE}:5432.*has no address"):
        await answer(connect(5432, host=faults.NOWHERE), COUNT)


@pytest.mark.parametrize("words", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"N"])
async def test_another_protocol_is_malformed(connect: Connect, words: bytes) -> None:
    async with faults.saying(words, is_closing=len(words) > 1) as bad:
        got = await answer(connect(bad.port), COUNT)
        assert isinstance(got, Malformed)
        assert "not the PostgreSQL protocol" in str(got)


async def test_a_server_that_falls_silent_is_given_up_and_asked_again_later(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port, queries_s=1.5)
    assert await answer(adapter, COUNT) == 3
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"not answered within 1\.5 s"):
        await answer(adapter, COUNT)
    proxy.mode = "pass"
    assert await answer(adapter, COUNT) == 3


async def test_a_connection_that_was_cut_in_between_is_not_noticed(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    for _ in range(3):
        assert await answers(adapter, COUNT, "SELECT 4") == [3, 4]
        proxy.cut()
    assert adapter.connections == 3


async def test_a_connection_cut_in_the_middle_is_tried_once_more(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    await answer(adapter, COUNT)
    proxy.mode = "stall"
    proxy.heard.clear()
    asking = asyncio.ensure_future(answers(adapter, COUNT, "SELECT 4"))
    await proxy.heard.wait()
    proxy.mode = "pass"
    proxy.cut()
    assert await asking == [3, 4]
    assert adapter.connections == 2


async def test_an_answer_that_is_always_cut_fails_alone(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    proxy.cut_after = 5000
    long = "SELECT repeat('9', 100000)"
    first, cut, last = await answers(adapter, COUNT, long, "SELECT 4")
    assert (first, last) == (3, 4)
    assert isinstance(cut, Unreachable)
    with pytest.raises(Unreachable, match="the connection was closed"):
        await answer(adapter, f"{long} || 'x'")
    proxy.cut_after = None
    assert await answer(adapter, COUNT) == 3


async def test_garbage_is_a_failure_and_the_connection_is_not_used_again(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port, queries_s=1.5)
    await answer(adapter, COUNT)
    proxy.mode = "garble"
    with pytest.raises(Unreachable):
        await answer(adapter, COUNT)
    assert isinstance(await answer(adapter, COUNT), Malformed)
    proxy.mode = "pass"
    assert await answer(adapter, COUNT) == 3


async def test_an_answer_that_nobody_waits_for_is_never_taken_for_the_next(
    process: Process, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(process.port)
    adapter = connect(proxy.port)
    await answer(adapter, COUNT)
    proxy.heard.clear()
    asking = asyncio.ensure_future(answers(adapter, COUNT, "SELECT 4"))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await answers(adapter, "SELECT 5", "SELECT 6") == [5, 6]


async def test_questions_at_the_same_time_get_their_own_answers(process: Process, connect: Connect) -> None:
    adapter = connect(process.port)
    got = await asyncio.gather(*(answer(adapter, f"SELECT {number}") for number in range(20)))
    assert got == list(range(20))
    assert adapter.connections == 1


async def test_a_restart_is_healed_at_the_next_question(connect: Connect) -> None:
    with Process() as own:
        adapter = connect(own.port)
        assert await answer(adapter, "SELECT 1") == 1
        own.stop()
        for _ in range(2):
            with pytest.raises(Unreachable, match=f"127.0.0.1:{own.port}/postgres: connection refused"):
                await answer(adapter, "SELECT 1")
        own.start()
        assert await answer(adapter, "SELECT 1") == 1
        own.stop()
        own.start()
        assert await answer(adapter, "SELECT 1") == 1
        assert adapter.connections == 3


async def test_a_server_without_a_free_session_is_unreachable(process: Process, connect: Connect) -> None:
    taken = []
    try:
        with suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(process.address_of("postgres")))
        with pytest.raises(Unreachable, match="too many clients"):
            await answer(connect(process.port), COUNT)
    finally:
        for one in taken:
            one.close()


async def test_closing_is_safe_before_opening_and_twice(process: Process, connect: Connect) -> None:
    adapter = connect(process.port)
    await adapter.close()
    assert await answer(adapter, COUNT) == 3
    await adapter.close()
    await adapter.close()
    assert await answer(adapter, COUNT) == 3
