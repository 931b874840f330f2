"""Rows of a real PostgreSQL as a source of claimed work, for the laws of claims."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from parts.asked_leases import AskedLeases
from parts.postgresql_server import PostgresqlServer as PostgresqlProcess
from tidegate.core.claims.wishes import Statements
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.postgresql import PostgresqlServer, parse_connection
from tidegate.kit.systems.sql_claims import TableSource

LEASES = """
CREATE TABLE {table} (
  key text PRIMARY KEY,
  id text NOT NULL UNIQUE,
  body bytea NOT NULL,
  attributes jsonb NOT NULL,
  holder text,
  until timestamptz NOT NULL,
  finished integer NOT NULL
)
"""
"""As docs/claims.md has it."""


class Rows(AskedLeases):
    """A table of PostgreSQL; the rows of one request come in order, by a statement that sees to it."""

    keeps_leases = True
    is_behind_proxy = True
    gives_receipts = False
    shortest_s = 1.0
    statements = Statements(
        table="law_claims",
        take="WITH due AS (SELECT id FROM laws WHERE state = 'waiting' ORDER BY id LIMIT :limit"
        " FOR UPDATE SKIP LOCKED), taken AS (UPDATE laws SET state = 'claimed' WHERE id IN (TABLE due)"
        " RETURNING id, payload AS body) SELECT * FROM taken ORDER BY id",
        done="DELETE FROM laws WHERE id = :id",
        failed="UPDATE laws SET state = 'failed' WHERE id = :id AND state = 'claimed'",
        back="UPDATE laws SET state = 'waiting' WHERE id = :id AND state = 'claimed'",
    )

    def __init__(self, server: PostgresqlProcess, connection: psycopg.Connection[Any]) -> None:
        self.server = server
        self.port = server.port
        self.connection = connection
        for statement in (
            "DROP TABLE IF EXISTS laws, law_claims",
            "CREATE TABLE laws (id serial PRIMARY KEY, payload bytea, state text DEFAULT 'waiting')",
            LEASES.format(table="law_claims"),
        ):
            connection.execute(statement.encode())

    def empty(self) -> None:
        self.connection.execute("TRUNCATE laws, law_claims RESTART IDENTITY")

    def push(self, *bodies: bytes) -> None:
        for body in bodies:
            self.connection.execute("INSERT INTO laws (payload) VALUES (%s)", (body,))

    def source(self, address: str) -> Source:
        host, _, port = address.rpartition(":")
        login = f"user={self.server.login} password={self.server.password}"
        options = parse_connection(f"host={host} port={port} dbname=postgres {login}")
        return TableSource(PostgresqlServer(options), self.statements.table, self.statements)

    def unclaimed(self) -> list[bytes]:
        return self._bodies("waiting")

    def dead(self) -> list[bytes]:
        return self._bodies("failed")

    def kept(self) -> int:
        ((count, marked),) = self.connection.execute(
            "SELECT (SELECT count(*) FROM law_claims), (SELECT count(*) FROM laws WHERE state = 'claimed')"
        )
        assert count == marked, "a row is taken off in one table alone"
        return int(count)

    def _bodies(self, state: str) -> list[bytes]:
        found = self.connection.execute("SELECT payload FROM laws WHERE state = %s ORDER BY id", (state,))
        return [body for (body,) in found]


@contextmanager
def rows() -> Iterator[Rows]:
    with (
        PostgresqlProcess() as server,
        psycopg.connect(server.address_of("postgres"), autocommit=True) as connection,
    ):
        yield Rows(server, connection)
