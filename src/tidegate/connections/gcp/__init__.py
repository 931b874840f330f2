"""Google Cloud: REST calls as a service account, or as an identity.

`calls.py` sends calls, with tokens of `connections/identities`, and says what their errors mean,
`connection.py` is the adapter. Each service has its calls: `monitoring.py` and `filters.py`, `secrets.py`,
`spanner.py`, `storage.py`.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.gcp import GcpServer


def connect(server: GcpServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.gcp.connection import GcpConnection

    return GcpConnection(server, surroundings)
