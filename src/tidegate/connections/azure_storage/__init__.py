"""Azure Storage: signed requests over one HTTP session for each service of an account.

`requests.py` signs and sends and says what an error code means, `pages.py` reads XML, `queues.py` and
`blobs.py` know the calls of a service, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.azure_storage import StorageServer


def connect(server: StorageServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.azure_storage.connection import StorageConnection

    return StorageConnection(server, surroundings)
