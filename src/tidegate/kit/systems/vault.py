"""HashiCorp Vault, and what speaks its API (OpenBao): whom to ask, and for what.

Source: https://developer.hashicorp.com/vault/api-docs
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from tidegate.kit.tls import Tls

Kind = Literal["", "secret", "secretV2"]


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """A token that somebody has made."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KubernetesLogin:
    """`role` of the auth method at `mount`, proved by a token: of the ServiceAccount `account`
    ("namespace/name"), or the one in `file` of this machine."""

    mount: str
    role: str
    account: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class VaultServer:
    """`origin` is `scheme://host[:port]`, `base` what of a path comes before `/v1`."""

    system: ClassVar[str] = "vault"

    origin: str
    login: TokenLogin | KubernetesLogin
    namespace: str = ""
    base: str = ""
    tls: Tls | None = None

    def label(self) -> str:
        where = f"Vault {self.origin}{self.base}"
        return f"{where}, namespace {self.namespace}" if self.namespace else where


@dataclass(frozen=True, slots=True)
class VaultRead:
    """What is at a path; of key/value secrets (version 2) what is in the newest version. Kind "": as the
    answer looks."""

    server: VaultServer
    path: str
    kind: Kind = ""

    def label(self) -> str:
        return f"hashiCorpVault {self.path}"


@dataclass(frozen=True, slots=True)
class VaultIssue:
    """A certificate that the PKI engine makes at a path, for these fields."""

    server: VaultServer
    path: str
    fields: tuple[tuple[str, str], ...] = ()

    def label(self) -> str:
        return f"hashiCorpVault {self.path}"


@dataclass(frozen=True, slots=True)
class VaultDefaults:
    """What the administrator says of Vaults (`VAULT_…`): a `token` of the autoscaler's own, which goes to the
    origin `address` alone where one is named; the namespace where none is written; how to speak TLS."""

    token: str = field(default="", repr=False)
    address: str = ""
    namespace: str = ""
    tls: Tls | None = None
