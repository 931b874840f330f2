"""Azure Service Bus: counts from the management interface of a namespace, over one HTTP session.

`entries.py` reads its Atom documents, `connection.py` is the adapter.
"""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.azure_servicebus import ServiceBusServer


def connect(server: ServiceBusServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.azure_servicebus.connection import ServiceBusConnection

    return ServiceBusConnection(server, surroundings)
