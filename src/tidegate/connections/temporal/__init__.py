"""Temporal: gRPC calls of a frontend. The messages are made from `task_queues.proto`, a part of its API.

`calls.py` makes a call and knows the connection, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.grpc_channel import quiet
from tidegate.kit.systems.temporal import TemporalServer


def connect(server: TemporalServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. gRPC is imported here."""
    quiet()
    from tidegate.connections.temporal.connection import TemporalConnection

    return TemporalConnection(server, surroundings)
