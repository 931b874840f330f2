"""Azure Key Vault: secrets, as values of a TriggerAuthentication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.azure_api import AzureApi

VALUE = "value"
"""The one key of the answer."""


@dataclass(frozen=True, slots=True)
class KeyVaultServer(AzureApi):
    """A vault."""

    system: ClassVar[str] = "azure_keyvault"
    product: ClassVar[str] = "Azure Key Vault"


@dataclass(frozen=True, slots=True)
class VaultSecret:
    """A secret; its newest version where none is given."""

    server: KeyVaultServer
    name: str
    version: str = ""

    def label(self) -> str:
        return f"azureKeyVault secret {self.name}"
