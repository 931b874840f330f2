"""`hashiCorpVault`: which paths of which Vault the parameters come from, and with which login.

Paths are questions: parameters of one path are read together. A token of the autoscaler's own, and a token in
a file of its machine, are used where its identity is lent.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.vaults import HashiCorpVault, VaultSecret
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.base.errors import Misconfigured
from tidegate.kit.systems.http import Url, header_problem, read_url
from tidegate.kit.systems.vault import KubernetesLogin, TokenLogin, VaultIssue, VaultRead, VaultServer

OWN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
"""Where Kubernetes puts the token of a pod's own ServiceAccount."""

_FIELDS = ("common_name", "alt_names", "ip_sans", "uri_sans", "other_sans", "ttl", "format")


def wanted(place: Place, vault: HashiCorpVault) -> Iterator[Wanted | Found]:
    """One question for each path (and kind, and certificate); one server for each login."""
    server = _server(place, vault)
    for secret in vault.secrets:
        path = secret.path.strip("/")
        if not path or ".." in path.split("/"):
            answer = f'"{secret.path}" is no path of a secret'
            yield secret.parameter, _wrong(place.attempted(secret.parameter), answer, "correct the path")
            continue
        yield Wanted(secret.parameter, _question(server, path, secret), secret.key)


def _question(server: VaultServer, path: str, secret: VaultSecret) -> VaultRead | VaultIssue:
    if secret.type != "pki":
        return VaultRead(server, path, secret.type or "")
    written = ((name, getattr(secret.pki_data, name, None)) for name in _FIELDS)
    return VaultIssue(server, path, tuple((name, text) for name, text in written if text))


def _server(place: Place, vault: HashiCorpVault) -> VaultServer:
    attempted, defaults = f"read hashiCorpVault of {place.about}", place.scope.options.vault
    try:
        url = read_url(vault.address)
    except ValueError as error:
        step = "write it with http:// or https:// and a host"
        raise _wrong(attempted, f"address {error}", step) from None
    login: TokenLogin | KubernetesLogin
    if vault.authentication == "token":
        login = _token(place, vault, url, attempted)
    else:
        login = _kubernetes(place, vault, attempted)
    namespace = vault.namespace or defaults.namespace
    if header_problem("X-Vault-Namespace", namespace):
        raise _wrong(attempted, "namespace cannot be sent in a header", "correct it")
    return VaultServer(url.origin, login, namespace, url.path.rstrip("/"), defaults.tls)


def _token(place: Place, vault: HashiCorpVault, url: Url, attempted: str) -> TokenLogin:
    """The autoscaler's own where it is lent, as in KEDA; else the one that is written."""
    own = place.scope.options.vault
    is_here = not own.address or own.address == url.origin
    if own.token and is_here and place.lending.is_lent:
        return TokenLogin(own.token)
    token = ((vault.credential.token if vault.credential else None) or "").strip()
    if not token:
        step = "set credential.token"
        if own.token:
            step += f", or {place.lending.next_step()}"
        raise _wrong(attempted, "could not get Vault token", step)
    if header_problem("X-Vault-Token", token):
        raise _wrong(attempted, "credential.token cannot be sent in a header", "correct it")
    return TokenLogin(token)


def _kubernetes(place: Place, vault: HashiCorpVault, attempted: str) -> KubernetesLogin:
    if not vault.mount:
        raise _wrong(attempted, "auth mount not in config", "set mount, often kubernetes")
    if not vault.role:
        raise _wrong(attempted, "k8s role not in config", "set role")
    mount = vault.mount.strip("/")
    if not mount or ".." in mount.split("/"):
        raise _wrong(attempted, f'"{vault.mount}" is no mount of an auth method', "correct mount")
    credential = vault.credential
    if credential is not None and credential.service_account_name:
        account = f"{place.scope.namespace}/{credential.service_account_name}"
        return KubernetesLogin(mount, vault.role, account=account)
    if not place.lending.is_lent:
        answer = f"the autoscaler's own token is not lent to namespace {place.scope.namespace}"
        step = f"set credential.serviceAccountName, or {place.lending.next_step()}"
        raise _wrong(attempted, answer, step)
    file = (credential.service_account if credential is not None else None) or OWN_FILE
    return KubernetesLogin(mount, vault.role, file=file)


def _wrong(attempted: str, answer: str, next_step: str) -> Misconfigured:
    return Misconfigured(attempted, answer=answer, next_step=next_step)
