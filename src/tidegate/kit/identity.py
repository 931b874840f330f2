"""Identities of clouds: one that a TriggerAuthentication names instead of a secret (`podIdentity`), an
application of Azure or an account of Google with a secret of its own, and the token of each."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from tidegate.base.errors import Unsupported

Provider = Literal["aws", "aws-eks", "azure-workload", "gcp"]


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application of Azure that proves itself by a secret, or by a certificate with its key.

    `certificate` is PEM, or PKCS #12 in base64, opened by `certificate_password`. `authority_host` issues
    its tokens; empty: whoever issues the autoscaler's own.
    """

    provider: ClassVar[Provider] = "azure-workload"

    client_id: str
    tenant_id: str
    secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    certificate_password: str = field(default="", repr=False)
    authority_host: str = ""

    def label(self) -> str:
        """For people: which application."""
        return f"Azure application {self.client_id}"


TOKEN_URI = "https://oauth2.googleapis.com/token"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account of Google, by a key of its own: `key` is PEM, `key_id` the key's name, `project` where the
    account lives, `token_uri` who takes the key."""

    provider: ClassVar[str] = "gcp"

    email: str
    key: str = field(repr=False)
    key_id: str = ""
    project: str = ""
    token_uri: str = TOKEN_URI

    def label(self) -> str:
        """For people: which account."""
        return self.email


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. Servers carry it, never a token: tokens rotate, and a connection stays.

    `client_id`, `tenant_id` and `authority_host` belong to azure-workload, as does an `application` that logs
    in instead (`azureServicePrincipal`), `role_arn`, `external_id` and
    `owner` ("workload": the role of the workload's ServiceAccount) to aws. Empty: the autoscaler's own.
    `service_account` ("namespace/name") is the one whose token proves it; empty: the autoscaler's. With
    `may_borrow` the autoscaler's own credentials may stand in where that token does not help.
    """

    provider: Provider
    client_id: str = ""
    tenant_id: str = ""
    authority_host: str = ""
    role_arn: str = ""
    external_id: str = ""
    owner: str = ""
    service_account: str = ""
    may_borrow: bool = False
    application: ServicePrincipal | None = None

    @property
    def is_borrowed(self) -> bool:
        """Whether it rests on the autoscaler's own credentials, which must have been lent."""
        return not self.service_account and self.application is None

    def label(self) -> str:
        """For people: which identity, as far as the manifest says it."""
        if self.application is not None:
            return self.application.label()
        which = self.role_arn or self.client_id
        return f"{self.provider} identity {which}".strip()


AnyIdentity = Identity | ServicePrincipal | ServiceAccount


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """The access token of an identity for an audience, in a server's value: whoever connects fetches it."""

    identity: AnyIdentity
    audience: str


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """An access key of AWS; `session_token` comes with temporary ones."""

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AwsLogin:
    """What requests of a server are signed with: an identity's keys of the moment, or `keys`."""

    region: str
    keys: AwsKeys | None = None
    identity: Identity | None = None


@dataclass(frozen=True, slots=True)
class AwsSignature:
    """Requests of a server are signed for this service of AWS (`aps`)."""

    service: str
    login: AwsLogin


def aws_identity(named: Identity | None, owner: str, role_arn: str) -> Identity | None:
    """Who asks AWS, the first of: the authentication's identity, the autoscaler's (`owner`, which is the
    metadata's `identityOwner`), the workload's by aws-eks, a role. None: keys are used.

    Source: KEDA, order of AWS credentials.
    """
    if named is not None and named.provider == "aws":
        return replace(named, role_arn=role_arn) if role_arn and not named.role_arn else named
    if owner not in ("", "pod"):
        return Identity("aws", owner="keda")
    if named is not None and named.provider == "aws-eks":
        return named
    return Identity("aws", role_arn=role_arn) if role_arn else None


def not_offered(identity: Identity, attempted: str, on: str) -> Unsupported:
    """Identities are read and checked; measuring with one comes in a later version."""
    return Unsupported(
        attempted,
        on=on,
        answer=f"this version cannot log in with the {identity.label()} yet",
        next_step="use keys or a connection string until it can",
    )
