"""Liiklus: gRPC calls of its service. The messages are made from `liiklus.proto`, a part of its API."""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.grpc_channel import quiet
from tidegate.kit.systems.liiklus import LiiklusServer


def connect(server: LiiklusServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. gRPC is imported here."""
    quiet()
    from tidegate.connections.liiklus.connection import LiiklusConnection

    return LiiklusConnection(server, surroundings)
