"""Secret Manager: what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.kit.systems.gcp import GcpServer

VALUE = "value"
"""The one key of the answer."""


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """The text of a version of a secret, `latest` or a number: `Fetched`, with no end of its own.

    Without a `project` it is in that of the identity that asks.
    """

    server: GcpServer
    project: str
    name: str
    version: str

    def label(self) -> str:
        place = f"{self.project}/" if self.project else ""
        return f"gcpSecretManager {place}{self.name}, version {self.version}"
