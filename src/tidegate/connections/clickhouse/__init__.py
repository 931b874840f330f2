"""ClickHouse by its native protocol: one connection per server, one query after the other.

`wire.py` is the connection, `columns.py` reads what comes back, `session.py` is the adapter. There is no
client library in it: what is wanted is one number, and libraries want newer servers than many have.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.clickhouse import ClickhouseServer


def connect(server: ClickhouseServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.clickhouse.session import ClickhouseConnection

    return ClickhouseConnection(server, surroundings)
