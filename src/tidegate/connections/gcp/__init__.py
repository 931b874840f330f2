"""Google Cloud: REST calls as a service account, or as an identity.

`calls.py` sends calls, with tokens of `connections/identities`, and says what their errors mean,
`monitoring.py` knows the calls of Cloud Monitoring, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.gcp import GcpServer


def connect(server: GcpServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.gcp.connection import GcpConnection

    return GcpConnection(server, surroundings)
