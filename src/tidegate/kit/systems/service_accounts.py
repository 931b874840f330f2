"""Tokens of ServiceAccounts, as values of a TriggerAuthentication."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

TOKEN = "token"
"""The one key of the answer."""


@dataclass(frozen=True, slots=True)
class AccountsServer:
    """The API server of the cluster."""

    system: ClassVar[str] = "service_accounts"

    def label(self) -> str:
        return "the API server"


@dataclass(frozen=True, slots=True)
class BoundToken:
    """A token of that ServiceAccount for `life_s` seconds, for the API server's own audience."""

    server: AccountsServer
    namespace: str
    name: str
    life_s: int

    def label(self) -> str:
        return f"boundServiceAccountToken of ServiceAccount {self.namespace}/{self.name}"
