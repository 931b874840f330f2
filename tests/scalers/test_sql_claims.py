"""Statements that rows are claimed with: how they are read, and what is told of them without a server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tidegate.core.claims.wishes import Statements
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.sql_claims import TableSource, as_sent, statement_problems

GOOD = Statements(
    table="orders_claims",
    take="UPDATE orders SET state = 'claimed' WHERE id IN (SELECT id FROM orders WHERE state = 'waiting'"
    " LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id, payload AS body",
    done="DELETE FROM orders WHERE id = :id",
    failed="UPDATE orders SET state = 'failed' WHERE id = :id",
    back="UPDATE orders SET state = 'waiting' WHERE id = :id;",
)


@pytest.mark.parametrize(
    ("text", "sent", "names"),
    [
        ("DELETE FROM t WHERE id = :id", "DELETE FROM t WHERE id = $1", ("id",)),
        ("UPDATE t SET a = :id WHERE id = :id;", "UPDATE t SET a = $1 WHERE id = $1", ("id",)),
        ("UPDATE t SET a = ':id'::text WHERE b = :id::int",
         "UPDATE t SET a = ':id'::text WHERE b = $1::int", ("id",)),
        ("DELETE FROM \"a:id\" WHERE id = :id -- :id", "DELETE FROM \"a:id\" WHERE id = $1 -- :id", ("id",)),
        ("UPDATE t SET a = $q$ :id; $q$, b = :id", "UPDATE t SET a = $q$ :id; $q$, b = $1", ("id",)),
        (r"UPDATE t SET a = E'\':id' WHERE id = :id", r"UPDATE t SET a = E'\':id' WHERE id = $1", ("id",)),
        ("UPDATE t SET a = b[1:2] /* ; :id */ WHERE id = :id",
         "UPDATE t SET a = b[1:2] /* ; :id */ WHERE id = $1", ("id",)),
    ],
)  # fmt: skip
def test_parameters_are_found_where_the_server_would_read_them(
    text: str, sent: str, names: tuple[str, ...]
) -> None:
    found = as_sent(text)
    assert (found.text, found.names) == (sent, names)
    assert not list(statement_problems(replace(GOOD, done=text)))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("table", "", "names no table"),
        ("table", "Orders", "names no table"),
        ("table", "a.b.c", "names no table"),
        ("table", 'x" (key); DROP TABLE y', "names no table"),
        ("take", "", "no statement given"),
        ("done", "", "no statement given"),
        ("failed", "", "no statement given"),
        ("back", "", "no statement given"),
        ("take", "TRUNCATE orders", "begins with none of UPDATE"),
        ("done", "COMMIT", "begins with none of UPDATE"),
        ("take", GOOD.take.replace(":limit", "5"), "does not mention :limit"),
        ("take", GOOD.take.replace("RETURNING", "-- RETURNING"), "it returns nothing"),
        ("take", GOOD.take.replace(" FOR UPDATE SKIP LOCKED", ""), "FOR UPDATE SKIP LOCKED"),
        ("take", GOOD.take.replace("SKIP LOCKED", "SKIP /* */ ROWS"), "FOR UPDATE SKIP LOCKED"),
        ("take", GOOD.take.replace("'waiting'", ":id"), ":id stands for nothing"),
        ("done", "DELETE FROM orders", "does not mention :id"),
        ("done", "DELETE FROM orders WHERE id = ':id'", "does not mention :id"),
        ("done", "DELETE FROM orders WHERE id = $1", "$1 stands for nothing"),
        ("done", "DELETE FROM orders WHERE id = :id AND holder = :holder", ":holder stands for nothing"),
        ("done", "DELETE FROM a WHERE id = :id; DELETE FROM b", "more than one statement"),
        ("done", "DELETE FROM orders WHERE id = :id AND a = 'b", "does not end"),
        ("done", "DELETE FROM orders WHERE id = :id /* ", "does not end"),
        ("done", "DELETE FROM orders WHERE id = :id AND a = $q$b", "does not end"),
        ("done", "DELETE FROM orders WHERE id = :id" + " " * 9000, "more than 8192 characters"),
        ("done", "DELETE FROM orders WHERE id = :id\0", "NUL"),
    ],
)
def test_what_cannot_be_right_is_told_with_its_annotation(name: str, text: str, told: str) -> None:
    (problem,) = statement_problems(replace(GOOD, **{name: text}))
    assert told in problem.message
    assert problem.path == f"metadata.annotations.tidegate.dev/claim-{name}"


@pytest.mark.parametrize(
    "take", ["SELECT id, body FROM take_orders(:limit)", GOOD.take.lower(), f"{GOOD.take};\n"]
)
def test_a_function_may_take_rows_and_case_is_nothing(take: str) -> None:
    assert not list(statement_problems(replace(GOOD, take=take)))


def test_hostile_statements_are_read_at_once() -> None:
    for sign in ("$a$", "'", "/*", "E'\\", ":", "$", '"'):
        assert list(statement_problems(replace(GOOD, done=sign * (8192 // len(sign)))))


def test_other_statements_for_the_same_leases_are_the_same_queue() -> None:
    server = PostgresqlServer((("host", "db"),))
    one, other = TableSource(server, "t", GOOD), TableSource(server, "t", replace(GOOD, done="x"))
    assert one == other
    assert hash(one) == hash(other)
    assert one != TableSource(server, "u", GOOD)
