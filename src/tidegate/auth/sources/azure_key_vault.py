"""`azureKeyVault`: secrets of a vault are the values of parameters.

A token for vaults goes to hosts of the cloud's vaults alone, or of the resource that a private cloud names:
whoever writes a TriggerAuthentication must not have it sent to a host of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.vaults import AzureCloud, AzureKeyVault
from tidegate.auth.identities import identity_of
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.base.errors import Misconfigured, Unsupported
from tidegate.kit.identity import AnyIdentity, IdentityToken, ServicePrincipal
from tidegate.kit.systems.azure_api import SDK_CLOUDS, split_endpoint
from tidegate.kit.systems.azure_clouds import is_private, scope_of
from tidegate.kit.systems.azure_keyvault import VALUE, KeyVaultServer, VaultSecret

_CREDENTIALS = "clientID, tenantID and clientSecret are expected when not using a pod identity provider"


def wanted(place: Place, source: AzureKeyVault) -> Iterator[Wanted | Found]:
    """One question for each secret. One of the five where the vault cannot be asked."""
    attempted = f"resolve azureKeyVault of {place.about}"
    checked(source, attempted)
    resource, authority = _cloud(source.cloud, attempted)
    origin, base = _vault(source.vault_uri, resource, attempted)
    identity = _identity(place, source, authority, attempted)
    server = KeyVaultServer(origin, base, IdentityToken(identity, scope_of(resource)))
    for secret in source.secrets:
        yield Wanted(secret.parameter, VaultSecret(server, secret.name, secret.version or ""), VALUE)


def checked(source: AzureKeyVault, attempted: str) -> None:
    """Misconfigured or Unsupported where nobody could ask such a vault, whoever lends what."""
    resource, _ = _cloud(source.cloud, attempted)
    _vault(source.vault_uri, resource, attempted)
    provider = source.pod_identity.provider if source.pod_identity is not None else "none"
    given = source.credentials
    if provider == "none" and (given is None or not (given.client_id and given.tenant_id)):
        raise Misconfigured(attempted, answer=_CREDENTIALS, next_step="give credentials or podIdentity")
    if provider not in ("none", "azure-workload"):
        answer = f"key vault does not support pod identity provider {provider}"
        raise Unsupported(attempted, answer=answer, next_step="use azure-workload")


def _identity(place: Place, source: AzureKeyVault, authority: str, attempted: str) -> AnyIdentity:
    """Who asks the vault: its own application, or an identity that was lent."""
    identity = identity_of(place.scope, place.about, source.pod_identity, place.lending)
    if identity is None:
        given = source.credentials
        assert given is not None
        secret = place.secret(given.client_secret, "the client secret")
        return ServicePrincipal(given.client_id, given.tenant_id, secret.strip(), authority_host=authority)
    refused = place.lending.refusal(identity, attempted)
    if refused is not None:
        raise refused
    return identity


def _cloud(given: AzureCloud | None, attempted: str) -> tuple[str, str]:
    """For whom tokens are there, and who issues those of an application."""
    name = given.type if given is not None else ""
    if given is not None and is_private(name):
        resource, authority = given.key_vault_resource_url or "", given.active_directory_endpoint or ""
        for field, text in (("keyVaultResourceURL", resource), ("activeDirectoryEndpoint", authority)):
            if not text:
                answer = f"{field} must be provided for Private cloud type"
                raise Misconfigured(attempted, answer=answer, next_step=f"add {field} to cloud")
        return resource.rstrip("/"), authority
    found = SDK_CLOUDS.get(name.casefold())
    if found is None:
        answer = f"there is no cloud environment matching the name {name}"
        raise Misconfigured(attempted, answer=answer, next_step="correct cloud.type")
    return found.vault, found.login if name else ""


def _vault(uri: str, resource: str, attempted: str) -> tuple[str, str]:
    """Origin and path of the vault; Misconfigured where it is none of the resource's."""
    try:
        origin, base = split_endpoint(uri)
        host = split_endpoint(resource)[0].partition("://")[2]
    except ValueError as error:
        raise Misconfigured(attempted, answer=f"a URL of it {error}", next_step="correct vaultUri") from error
    if not origin.startswith("https:") or not f".{origin.partition('://')[2]}".endswith(f".{host}"):
        answer = f"vaultUri is no https URL of a host below {host}"
        raise Misconfigured(attempted, answer=answer, next_step="correct vaultUri, or cloud")
    return origin, base
