"""HashiCorp Vault over its HTTP API: secrets, dynamic secrets with their leases, certificates."""

from __future__ import annotations

from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.systems.vault import VaultServer


def connect(server: VaultServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    from tidegate.connections.vault.connection import VaultConnection

    return VaultConnection(server, surroundings)
