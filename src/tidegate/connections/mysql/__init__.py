"""MySQL and MariaDB: one connection per server, one query after the other.

`wire.py` is the connection, `session.py` the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.mysql import MysqlServer


def connect(server: MysqlServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. The client library is imported here."""
    from tidegate.connections.mysql.session import MysqlConnection

    return MysqlConnection(server, surroundings)
