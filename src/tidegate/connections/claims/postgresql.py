"""Claims from PostgreSQL: each command a transaction, over one connection of their own."""

from __future__ import annotations

from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer
from tidegate.kit.systems.postgresql import PostgresqlServer


def connect(server: PostgresqlServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network. The client library is imported here."""
    from tidegate.connections.claims.postgresql_session import PostgresqlWriter

    return PostgresqlWriter(server, surroundings)
