"""What the environment of this program says of Vaults: the variables of HashiCorp's own programs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.base.errors import Misconfigured

if TYPE_CHECKING:
    from tidegate.kit.systems.vault import VaultDefaults
    from tidegate.kit.tls import Tls

_TRUE = ("1", "t", "T", "TRUE", "true", "True")


def vault_defaults(environment: Mapping[str, str]) -> VaultDefaults:
    """`VAULT_TOKEN`, `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT` and `VAULT_SKIP_VERIFY`. Misconfigured
    where one of them is of no use."""
    from tidegate.kit.systems.http import header_problem, read_url
    from tidegate.kit.systems.vault import VaultDefaults

    address = environment.get("VAULT_ADDR", "").strip()
    if address:
        try:
            address = read_url(address).origin
        except ValueError as error:
            raise Misconfigured("use VAULT_ADDR", answer=f"it {error}") from None
    token = environment.get("VAULT_TOKEN", "").strip()
    if header_problem("X-Vault-Token", token):
        raise Misconfigured("use VAULT_TOKEN", answer="it cannot be sent in a header")
    return VaultDefaults(token, address, environment.get("VAULT_NAMESPACE", "").strip(), _tls(environment))


def _tls(environment: Mapping[str, str]) -> Tls | None:
    from tidegate.kit.tls import Tls

    file = environment.get("VAULT_CACERT", "").strip()
    is_verified = environment.get("VAULT_SKIP_VERIFY", "").strip() not in _TRUE
    if not file:
        return None if is_verified else Tls(is_verified=False)
    try:
        return Tls(ca=Path(file).read_text(), is_verified=is_verified)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "it is no text").lower()
        raise Misconfigured("use VAULT_CACERT", answer=f"{file}: {why}") from None
