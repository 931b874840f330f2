"""NATS over its clients' port: one connection on which requests, answers and news go their ways.

The protocol is spoken here and not by a library: which addresses may be dialled, how much may come back, and
what a refusal means, is ours to say.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.nats.session import NatsConnection
from tidegate.kit.systems.nats_client import NatsServer


def connect(server: NatsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return NatsConnection(server, surroundings)
