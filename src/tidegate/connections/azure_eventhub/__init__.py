"""Azure Event Hubs: where the partitions of hubs stand, over one AMQP 1.0 connection for a namespace and key.

`values.py` has AMQP's types, `frames.py` its frames, `link.py` is a connection, `connection.py` the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.azure_eventhub import EventHubServer


def connect(server: EventHubServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.azure_eventhub.connection import EventHubConnection

    return EventHubConnection(server, surroundings)
