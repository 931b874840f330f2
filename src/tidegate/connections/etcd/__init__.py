"""etcd over the JSON gateway that every member serves beside gRPC: 128 keys in one transaction.

`calls.py` makes one call, of whichever member answers, logged in; `connection.py` is the adapter;
`watches.py` keeps one stream open for all keys that are watched.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.etcd import EtcdServer


def connect(server: EtcdServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.etcd.connection import EtcdConnection

    return EtcdConnection(server, surroundings)
