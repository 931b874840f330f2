"""External scalers: KEDA's gRPC protocol. The messages are made from `externalscaler.proto`.

`adapter.py` answers, `pushes.py` follows the two streams by which a server pushes.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.grpc_channel import quiet
from tidegate.kit.systems.external import ExternalServer


def connect(server: ExternalServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network. gRPC is imported here."""
    quiet()
    from tidegate.connections.external.adapter import ExternalConnection

    return ExternalConnection(server, surroundings)
