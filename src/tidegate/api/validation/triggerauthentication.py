"""What KEDA's webhook refuses about a (Cluster)TriggerAuthentication.

KEDA skips the oauth2 rules where podIdentity is none, gcp or aws-eks; here they always hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from tidegate.api.validation.triggers import Object, invalid, part, required, text
from tidegate.base.problems import Problem

_IDENTITY = "spec.podIdentity"


def authentication_problems(body: Object) -> Iterator[Problem]:
    spec = part(body, "spec")
    identity = part(spec, "podIdentity")
    if identity.get("provider") == "azure-workload":
        yield from _azure_problems(identity)
    if identity.get("provider") == "aws":
        yield from _aws_problems(identity)
    if isinstance(spec.get("oauth2"), dict):
        yield from _oauth2_problems(part(spec, "oauth2"))


def _azure_problems(identity: Object) -> Iterator[Problem]:
    for name in ("identityId", "identityTenantId"):
        if identity.get(name) == "":
            message = (
                f'{name} of PodIdentity should not be empty. If it\'s set, {name} has to be different than ""'
            )
            yield invalid(f"{_IDENTITY}.{name}", "", message)
    if text(identity, "identityAuthorityHost") and identity.get("identityTenantId") is None:
        yield required(f"{_IDENTITY}.identityTenantId", "identityAuthorityHost is set")


def _aws_problems(identity: Object) -> Iterator[Problem]:
    role = text(identity, "roleArn")
    if role and identity.get("identityOwner") == "workload":
        message = "roleArn of PodIdentity can't be set if identityOwner is workload"
        yield invalid(f"{_IDENTITY}.roleArn", role, message)
    if text(identity, "externalID") and not role:
        yield required(f"{_IDENTITY}.roleArn", "externalID is set")


def _oauth2_problems(oauth2: Object) -> Iterator[Problem]:
    if oauth2.get("clientId") == "":
        yield required("spec.oauth2.clientId")
    url = oauth2.get("tokenUrl")
    if url == "":
        yield required("spec.oauth2.tokenUrl")
    elif isinstance(url, str) and not _is_http_url(url):
        yield invalid("spec.oauth2.tokenUrl", url, "must be an http or https URL with a host")


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False
