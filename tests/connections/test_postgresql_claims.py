"""Rows of a real PostgreSQL that are claimed: what the laws of all sources do not say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from parts import faults
from parts.claimant import Claimant, Claimants
from parts.claimed_rows import LEASES
from parts.pgbouncer_server import PgbouncerServer
from parts.postgresql_server import PostgresqlServer as Process
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.addresses import AddressPolicy
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.core.claims.wishes import Statements
from tidegate.kit.systems.claims import Done, Renewals
from tidegate.kit.systems.postgresql import PostgresqlServer, parse_connection
from tidegate.kit.systems.sql_claims import TableSource

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("postgresql")]

PASSWORD = "hunter2-worker"
STATEMENTS = Statements(
    table="orders_claims",
    take="UPDATE orders SET state = 'claimed' WHERE id IN (SELECT id FROM orders WHERE state = 'waiting'"
    " ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id, payload AS body, customer",
    done="UPDATE orders SET state = 'done' WHERE id = :id AND state = 'claimed'",
    failed="UPDATE orders SET state = 'failed' WHERE id = :id AND state = 'claimed'",
    back="UPDATE orders SET state = 'waiting' WHERE id = :id AND state = 'claimed'",
)


@pytest.fixture(scope="module")
def server(servers: Servers) -> Process:
    """PostgreSQL with a queue, and a user who may do what claiming needs and nothing else."""
    process = servers.get(Process)
    for statement in (
        "DROP TABLE IF EXISTS orders, orders_claims",
        "CREATE TABLE orders (id serial PRIMARY KEY, payload text, state text DEFAULT 'waiting',"
        " customer text)",
        LEASES.format(table="orders_claims"),
        "DROP ROLE IF EXISTS worker, nobody",
        f"CREATE ROLE worker LOGIN PASSWORD '{PASSWORD}'",
        f"CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}'",
        "GRANT SELECT, UPDATE ON orders TO worker",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON orders_claims TO worker",
        "GRANT SELECT ON orders TO nobody",
    ):
        process.query(statement)
    return process


def table(
    port: int,
    *,
    user: str = "worker",
    password: str = PASSWORD,
    database: str = "postgres",
    **statements: str,
) -> TableSource:
    login = f"host=127.0.0.1 port={port} dbname={database} user={user} password={password}"
    wanted = replace(STATEMENTS, **statements)
    return TableSource(PostgresqlServer(parse_connection(login)), wanted.table, wanted)


@pytest.fixture
def claimant(server: Process, claimants: Claimants) -> Claimants:
    """Makes claimants of empty tables."""
    empty(server)

    def make(holder: str = "one", port: int = 0, **fields: Any) -> Claimant:
        around = {name: fields.pop(name) for name in ("queries_s", "policy") if name in fields}
        return claimants(table(port or server.port, **fields), holder, **{"queries_s": 9.0, **around})

    return make


def empty(server: Process) -> None:
    server.query("TRUNCATE orders, orders_claims RESTART IDENTITY")


def push(server: Process, *bodies: str | None) -> None:
    for body in bodies:
        server.query("INSERT INTO orders (payload) VALUES (%s)", body)


def states(server: Process) -> str:
    """The state of every row, by its first letter."""
    return "".join(state[0] for (state,) in server.query("SELECT state FROM orders ORDER BY id"))


def claimed(server: Process) -> int:
    ((count,),) = server.query("SELECT count(*) FROM orders_claims")
    return int(count)


async def test_rows_are_claimed_in_order_with_what_stands_beside_the_body(
    server: Process, claimant: Claimants
) -> None:
    push(server, "one", "ü$(PATH)", "", None, "x" * 100_000)
    server.query("UPDATE orders SET customer = 'Ada' WHERE id = 2")
    one = claimant()
    first = await one.take(3)
    # Which they are is the statement's order; how they come, nobody promises.
    items = sorted(first.items, key=lambda item: item.id)
    assert [item.body.decode() for item in items] == ["one", "ü$(PATH)", ""]
    assert [item.id.partition(".")[0] for item in items] == ["1", "2", "3"]
    assert [dict(item.attributes) for item in items] == [
        {"id": "1"},
        {"id": "2", "customer": "Ada"},
        {"id": "3"},
    ]
    rest = await one.take(10, *(item.id for item in first.items))
    assert sorted(item.body for item in rest.items) == [b"", b"x" * 100_000]
    assert states(server) == "ccccc"
    assert claimed(server) == 5


async def test_a_body_of_bytes_comes_as_it_is(server: Process, claimant: Claimants) -> None:
    push(server, "a")
    take = STATEMENTS.take.replace("payload AS body", r"'\x00ff'::bytea AS body")
    (item,) = (await claimant(take=take).take(1)).items
    assert item.body == b"\x00\xff"


async def test_a_message_that_was_acknowledged_is_gone_and_again_changes_nothing(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a", "b")
    one = claimant()
    first, second = (await one.take(2)).items
    both = (Acknowledge(first.id, "job"), Acknowledge(second.id, "job"))
    assert await one.ask(*both) == [Done(), Done()]
    assert await one.ask(*both, *both[:1]) == [Done(), Done(), Done()]
    assert (states(server), claimed(server)) == ("dd", 0)


async def test_a_released_message_comes_back_when_it_is_due_with_its_count(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a")
    one = claimant()
    (item,) = (await one.take(1)).items
    assert await one.ask(Release(item.id, 1, 60.0, "job"), Release(item.id, 1, 60.0, "job")) == [
        Done(),
        Done(),
    ]
    early = await one.take(1)
    assert early.items == ()
    assert early.retry_s is not None
    assert 0 < early.retry_s <= 60
    assert states(server) == "c"
    server.query("UPDATE orders_claims SET until = now()")
    (again,) = (await one.take(1)).items
    assert (again.id, again.body, again.finished) == (item.id, b"a", 1)
    # A release that comes late, of an attempt that was counted, takes nothing from the next one.
    assert await one.ask(Release(item.id, 1, 0.0, "job")) == [Done()]
    assert (await one.take(1)).items == (again,)


async def test_two_who_claim_at_a_time_get_different_rows(server: Process, claimant: Claimants) -> None:
    push(server, *map(str, range(40)))
    claimants = [claimant(f"h{number}") for number in range(4)]
    found = list(await asyncio.gather(*(one.take(10) for one in claimants)))
    # What another one has just locked is skipped, and comes with the next request.
    for one, before in zip(claimants, tuple(found), strict=True):
        found.append(await one.take(10, *(item.id for item in before.items)))
    bodies = sorted(int(item.body) for one in found for item in one.items)
    assert bodies == list(range(40))


async def test_who_asks_twice_in_one_name_never_holds_more_than_its_maximum(
    server: Process, claimant: Claimants
) -> None:
    push(server, *map(str, range(40)))
    await asyncio.gather(*(claimant().take(10) for _ in range(4)))
    assert claimed(server) == 10


async def test_dead_letters_and_what_is_given_back_are_the_statements_doing(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a", "b", "c", "d")
    one, two = claimant(), claimant("two")
    first, second, third = sorted((await one.take(3)).items, key=lambda item: item.id)
    dead = DeadLetter(first.id, 5, "", "why")
    assert await one.ask(dead, dead) == [Done(), Done()]
    await one.ask(Release(second.id, 1, 60.0, "job"))
    (other,) = (await two.take(1)).items
    await one.ask(GiveBack((third.id, other.id)))
    # Somebody else claims here: what was released is theirs as well.
    assert states(server) == "fcwc"
    await two.ask(Acknowledge(other.id, "job"))
    await one.ask(GiveBack(()))
    assert (states(server), claimed(server)) == ("fwwd", 0)
    (again,) = (await one.take(1)).items
    assert again.body == b"b"
    assert again.id != second.id, "a row that waits again is another message"


async def test_a_row_that_was_set_back_by_hand_while_it_is_claimed_is_no_other_message(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a", "b")
    one = claimant()
    (item,) = (await one.take(1)).items
    server.query("UPDATE orders SET state = 'waiting' WHERE id = 1")
    assert [item.body for item in (await one.take(5, item.id)).items] == [b"b"]
    assert await one.ask(Acknowledge(item.id, "job")) == [Done()]
    assert states(server) == "dc"


async def test_a_row_that_somebody_took_away_is_told_and_holds_up_nothing(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a", "b")
    one = claimant()
    first, second = sorted((await one.take(2)).items, key=lambda item: item.id)
    server.query("DELETE FROM orders WHERE id = 1")
    told = await one.ask(Acknowledge(first.id, "job"), Acknowledge(second.id, "job"))
    assert told == [Done(is_elsewhere=True), Done()]
    assert (states(server), claimed(server)) == ("d", 0)


TAKEN = "SELECT id, payload AS body FROM orders WHERE state = 'waiting' ORDER BY id LIMIT :limit"


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        ({"take": TAKEN}, "it gives a row again that it took before"),
        ({"take": STATEMENTS.take.replace(" AS body", "")}, "it returns the columns id, payload, customer"),
        ({"take": STATEMENTS.take.replace("RETURNING id", "RETURNING 7 AS id")}, "have the same id"),
        ({"take": STATEMENTS.take.replace("RETURNING id", "RETURNING NULL AS id")}, "a row is empty"),
        ({"take": STATEMENTS.take.replace("LIMIT :limit", "LIMIT 2 * :limit")}, "it took 4 rows where 2"),
        (
            {"take": STATEMENTS.take.replace("customer", "repeat('x', 20000) AS customer")},
            "the columns beside the body have more than 16 KiB",
        ),
        ({"done": STATEMENTS.done.replace("'claimed'", "'running'")}, "it changed 0 rows"),
        ({"done": "UPDATE orders SET state = 'done' WHERE :id <> ''"}, "it changed 4 rows"),
        ({"failed": STATEMENTS.failed.replace("'failed'", "'waiting'")}, "could be taken again after it"),
        ({"back": STATEMENTS.back.replace("id = :id", "id = :id::int + 3")}, "it changed 0 rows"),
    ],
)  # fmt: skip
async def test_a_statement_that_does_the_wrong_thing_is_told_before_anything_is_claimed(
    server: Process, claimant: Claimants, statements: dict[str, str], told: str
) -> None:
    push(server, "a", "b", "c", "d")
    (error,) = await claimant(**statements).ask(Take(2))
    assert isinstance(error, Misconfigured), error
    assert told in str(error)
    assert (states(server), claimed(server)) == ("wwww", 0)
    assert [item.body for item in (await claimant().take(1)).items] == [b"a"], "nothing is left of it"


@pytest.mark.parametrize(
    ("fields", "kind", "told"),
    [
        ({"done": "UPDATE orders SET nothing = 1 WHERE id = :id"}, Malformed, 'column "nothing"'),
        ({"table": "no_claims"}, Malformed, 'relation "no_claims" does not exist'),
        ({"user": "nobody"}, Denied, "let the user change what the statements change"),
        ({"user": "nobody", "password": "wrong-wrong"}, Denied, "password authentication failed"),
        ({"take": STATEMENTS.take.replace("'claimed'", "(1 / (id - id))::text")}, Malformed, "by zero"),
    ],
)  # fmt: skip
async def test_what_the_server_refuses_is_told_without_secrets_and_nothing_is_claimed(
    server: Process, claimant: Claimants, fields: dict[str, str], kind: type[TidegateError], told: str
) -> None:
    push(server, "hunter2-row")
    try:
        (error,) = await claimant(**fields).ask(Take(1))
    except TidegateError as raised:
        error = raised
    assert isinstance(error, kind), error
    assert told in str(error)
    assert "hunter2" not in str(error)
    assert "wrong-wrong" not in str(error)
    assert (states(server), claimed(server)) == ("w", 0)


async def test_a_command_that_fails_fails_alone(server: Process, claimant: Claimants) -> None:
    push(server, "a", "b", "c")
    one = claimant()
    items = (await one.take(3)).items
    one.source = replace(one.source, statements=replace(STATEMENTS, failed="UPDATE orders SET x = :id"))
    told = await one.ask(
        Acknowledge(items[0].id, ""), DeadLetter(items[1].id, 5, "", ""), Renew((items[2].id,))
    )
    assert told[0] == Done()
    assert isinstance(told[1], Malformed)
    assert told[2] == Renewals()
    assert (states(server), claimed(server)) == ("dcc", 2)


async def test_what_a_statement_does_to_its_session_is_undone_before_others_have_theirs(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a", "b")
    harm = (
        "set_config('search_path', 'nowhere, public', false) AS one,"
        " set_config('application_name', 'theirs', false) AS two, pg_advisory_lock(4711)::text AS three"
    )
    one = claimant(take=STATEMENTS.take.replace("customer", harm))
    other = claimant(
        "two",
        take=STATEMENTS.take.replace(
            "customer",
            "current_setting('search_path') AS path, current_setting('application_name') AS name,"
            " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) AS locks",
        ),
    )
    (before,) = (await other.take(1)).items
    await other.writers.close()
    other.writers = one.writers
    assert len((await one.take(1)).items) == 1
    push(server, "c")
    (after,) = (await other.take(2, before.id)).items
    assert {**dict(after.attributes), "id": ""} == {**dict(before.attributes), "id": ""}
    assert dict(after.attributes)["locks"] == "0"


async def test_a_column_that_is_no_text_is_told_and_nothing_is_claimed(
    server: Process, claimant: Claimants
) -> None:
    push(server, "ü")
    latin = "payload AS other, set_config('client_encoding', 'LATIN1', true) AS"
    one = claimant(take=STATEMENTS.take.replace("customer", f"{latin} encoding"))
    (error,) = await one.ask(Take(1))
    assert isinstance(error, Misconfigured)
    assert "a column beside the body is not UTF-8" in str(error)
    assert states(server) == "w"
    assert [item.body.decode() for item in (await claimant("two").take(1)).items] == ["ü"]


async def test_a_thousand_claims_are_renewed_and_acknowledged_together(
    server: Process, claimant: Claimants, proxy_for: Callable[[int], Awaitable[Proxy]]
) -> None:
    server.query("INSERT INTO orders (payload) SELECT generate_series(1, 1000)")
    proxy = await proxy_for(server.port)
    one = claimant(port=proxy.port)
    ids: tuple[str, ...] = ()
    while len(ids) < 1000:
        ids += tuple(item.id for item in (await one.take(1000, *ids)).items)
    before = proxy.turns
    assert await one.ask(Renew(ids)) == [Renewals()]
    assert proxy.turns <= before + 4
    before = proxy.turns
    assert await one.ask(*(Acknowledge(id, "job") for id in ids)) == [Done()] * 1000
    assert proxy.turns <= before + 40
    assert proxy.connections == 1
    assert (set(states(server)), claimed(server)) == ({"d"}, 0)


async def test_a_server_that_never_answers_is_given_up_and_nothing_is_empty(claimant: Claimants) -> None:
    async with faults.silent() as silent:
        with pytest.raises(Unreachable):
            await claimant(port=silent.port, queries_s=0.3).ask(Take(1))


async def test_a_row_that_somebody_locks_is_waited_for_no_longer_than_a_statement_may(
    server: Process, claimant: Claimants
) -> None:
    push(server, "a")
    one, hasty = claimant(), claimant(queries_s=0.6)
    (item,) = (await one.take(1)).items
    with psycopg.connect(server.address_of("postgres")) as other:
        other.execute("SELECT * FROM orders FOR UPDATE")
        try:
            (error,) = await hasty.ask(Acknowledge(item.id, "job"))
        except Unreachable as raised:
            # A busy machine may need all the time for the connection.
            error = raised
        assert isinstance(error, Unreachable)
    assert await one.ask(Acknowledge(item.id, "job")) == [Done()]
    assert states(server) == "d"


async def test_the_autoscalers_own_machine_is_not_dialled_on_a_cluster(claimant: Claimants) -> None:
    async with faults.silent() as listening:
        one = claimant(port=listening.port, policy=AddressPolicy.on_a_cluster())
        with pytest.raises(Misconfigured):
            await one.ask(Take(1))
        assert listening.connections == 0


async def test_a_server_that_comes_back_is_asked_again() -> None:
    with Process() as server:
        server.query("CREATE TABLE orders (id serial, payload text, state text, customer text)")
        server.query(LEASES.format(table="orders_claims"))
        server.query("INSERT INTO orders (payload, state) VALUES ('a', 'waiting'), ('b', 'waiting')")
        one = Claimant(table(server.port, user=Process.login, password=Process.password), queries_s=9.0)
        try:
            (first,) = (await one.take(1)).items
            server.kill()
            with pytest.raises(Unreachable):
                await one.ask(Take(1))
            server.start()
            assert [item.body for item in (await one.take(2, first.id)).items] == [b"b"]
            assert await one.ask(Acknowledge(first.id, "job")) == [Done()]
        finally:
            await one.writers.close()


async def test_a_pool_that_hands_out_its_sessions_by_the_transaction_is_no_obstacle(server: Process) -> None:
    empty(server)
    push(server, "a", "b")
    with PgbouncerServer(server) as pool:
        login = {"user": Process.login, "password": Process.password, "database": pool.token}
        one = Claimant(table(pool.port, **login), queries_s=9.0)
        try:
            first, second = (await one.take(2)).items
            assert await one.ask(Renew((first.id,))) == [Renewals()]
            done = await one.ask(Acknowledge(first.id, ""), Acknowledge(second.id, ""))
            assert done == [Done(), Done()]
        finally:
            await one.writers.close()
    assert (states(server), claimed(server)) == ("dd", 0)
