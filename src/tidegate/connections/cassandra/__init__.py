"""Cassandra by its native protocol: one connection per server, on which many queries are under way at a time.

`frames.py` is what goes over the wire, `session.py` the adapter. There is no client library in it: they keep
threads and connections to every node of a cluster, and what is wanted here is one number from one of them.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.cassandra import CassandraServer


def connect(server: CassandraServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.cassandra.session import CassandraConnection

    return CassandraConnection(server, surroundings)
