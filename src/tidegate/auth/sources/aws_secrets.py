"""`awsSecretManager`: a secret, or one member of a secret that is a JSON object, is the value of a parameter.

Keys or an identity ask. KEDA reads no session token beside the keys; here `accessToken` counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.vaults import AwsSecretStore
from tidegate.auth.identities import identity_of
from tidegate.auth.sources.place import Found, Place, Wanted
from tidegate.base.errors import Misconfigured
from tidegate.kit.identity import AwsKeys, Identity
from tidegate.kit.systems.aws import WHOLE, AwsServer, SecretVersion

_ATTEMPTED = "ask AWS Secrets Manager"


def wanted(place: Place, store: AwsSecretStore) -> Iterator[Wanted | Found]:
    """One question for each version of a secret, however many of its members are parameters. Raises where
    nobody may ask."""
    server = _server(place, store)
    for one in store.secrets:
        question = SecretVersion(
            server,
            one.name,
            one.version_id or "",
            one.version_stage or "",
            is_object=bool(one.secret_key),
        )
        yield Wanted(one.parameter, question, one.secret_key or WHOLE)


def _server(place: Place, store: AwsSecretStore) -> AwsServer:
    region = (store.region or "").strip()
    identity = _identity(place, store)
    if identity is not None:
        refusal = place.lending.refusal(identity, f"{_ATTEMPTED} for {place.about}")
        if refusal is not None:
            raise refusal
        return AwsServer("secretsmanager", region, identity=identity)
    given = store.credentials
    if given is None:
        raise Misconfigured(
            f"{_ATTEMPTED} for {place.about}",
            answer="awsSecretManager has neither credentials nor podIdentity",
            next_step="give one of them",
        )
    keys = AwsKeys(
        place.secret(given.access_key, "accessKey of awsSecretManager"),
        place.secret(given.access_secret_key, "accessSecretKey of awsSecretManager"),
        place.secret(given.access_token, "accessToken of awsSecretManager") if given.access_token else "",
    )
    if not keys.access_key_id or not keys.secret_access_key:
        answer = "accessKey and accessSecretKey of awsSecretManager are required, and one is empty"
        raise Misconfigured(f"{_ATTEMPTED} for {place.about}", answer=answer)
    return AwsServer("secretsmanager", region, keys)


def _identity(place: Place, store: AwsSecretStore) -> Identity | None:
    given = store.pod_identity
    if given is None or given.provider == "none":
        return None
    if given.provider != "aws":
        answer = f"pod identity provider {given.provider} not supported"
        step = "use aws, or credentials"
        raise Misconfigured(f"{_ATTEMPTED} for {place.about}", answer=answer, next_step=step)
    return identity_of(place.scope, f"awsSecretManager of {place.about}", given, place.lending)
