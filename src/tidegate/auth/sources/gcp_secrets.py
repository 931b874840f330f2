"""`gcpSecretManager`: versions of secrets of Google's Secret Manager are the values of parameters."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.vaults import GcpSecretStore
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.base.errors import Misconfigured, Unsupported
from tidegate.kit.identity import ServiceAccount
from tidegate.kit.systems.gcp import GOOGLE, GcpServer, read_account
from tidegate.kit.systems.gcp_secrets import VALUE, SecretVersion

_LATEST = "latest"


def wanted(place: Place, store: GcpSecretStore) -> Iterator[Wanted | Found]:
    """One question for each version of a secret, however many parameters name it."""
    server, project = _asked(place, store)
    for one in store.secrets:
        question = SecretVersion(server, project, one.id, one.version or _LATEST)
        yield Wanted(one.parameter, question, VALUE)


def _asked(place: Place, store: GcpSecretStore) -> tuple[GcpServer, str]:
    """Who is asked as whom, and the project; "" for the identity's own."""
    attempted = f"resolve gcpSecretManager of {place.about}"
    provider = store.pod_identity.provider if store.pod_identity is not None else "none"
    if provider == "gcp":
        refusal = place.lending.refusal(GOOGLE, attempted)
        if refusal is not None:
            raise refusal
        return GcpServer("secretmanager", identity=GOOGLE), ""
    if provider != "none":
        answer = f"pod identity provider {provider} not supported"
        raise Unsupported(attempted, answer=answer, next_step="use provider gcp, or credentials")
    if store.credentials is None:
        step = "give credentials.clientSecret, or podIdentity with provider gcp"
        raise Misconfigured(attempted, answer="it names nobody who asks", next_step=step)
    text = place.secret(store.credentials.client_secret, "credentials.clientSecret of gcpSecretManager")
    account = _account(text, attempted)
    return GcpServer("secretmanager", account), account.project


def _account(text: str, attempted: str) -> ServiceAccount:
    try:
        account = read_account(text)
    except ValueError as error:
        raise Misconfigured(attempted, answer=f"the value of credentials.clientSecret {error}") from None
    if not account.project:
        answer = "the value of credentials.clientSecret has no project_id"
        raise Misconfigured(attempted, answer=answer, next_step="give the whole text of the key file")
    return account
