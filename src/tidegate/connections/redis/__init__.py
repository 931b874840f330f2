"""Redis: one connection per server (per node of a cluster), one round trip for a batch of keys.

`link.py` is the wire, `lengths.py` and `streams.py` the questions on it, `single.py` and `cluster.py` the
adapters; `tracking.py` is told of changes.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.redis import RedisServer


def connect(server: RedisServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. Redis' client library is imported here."""
    from tidegate.connections.redis.cluster import ClusterConnection
    from tidegate.connections.redis.single import SingleConnection

    kind = ClusterConnection if server.mode == "cluster" else SingleConnection
    return kind(server, surroundings)
