"""PredictKube: the history from Prometheus, the prediction from its service by gRPC.

The messages are made from `ml_engine.proto`, a part of its API.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.grpc_channel import quiet
from tidegate.kit.systems.predictkube import PredictServer


def connect(server: PredictServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. gRPC is imported here."""
    quiet()
    from tidegate.connections.predictkube.connection import PredictConnection

    return PredictConnection(server, surroundings)
