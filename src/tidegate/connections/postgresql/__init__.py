"""PostgreSQL: one connection per server, the queries of a list in flights of a hundred.

`opening.py` connects, `flight.py` is the wire, `refusals.py` reads errors, `session.py` is the adapter,
`channels.py` is told of changes.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.postgresql import PostgresqlServer


def connect(server: PostgresqlServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. The client library is imported here."""
    from tidegate.connections.postgresql.session import PostgresqlConnection

    return PostgresqlConnection(server, surroundings)
