"""TriggerAuthentication and ClusterTriggerAuthentication: where parameters of triggers come from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tidegate.api.kinds import Column, Kind
from tidegate.api.meta import ObjectMeta
from tidegate.api.vaults import (
    AwsSecretStore,
    AzureKeyVault,
    AzureServicePrincipal,
    GcpSecretStore,
    HashiCorpVault,
    PodIdentity,
    SecretValue,
)
from tidegate.api.wire import Wire


class TargetRef(Wire, frozen=True):
    """One key of a Secret or ConfigMap."""

    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    name: Annotated[str, Meta(description="Name of the Secret or ConfigMap.")]
    key: Annotated[str, Meta(description="Key in the Secret or ConfigMap.")]


class EnvRef(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    name: Annotated[str, Meta(description="Name of the environment variable.")]
    container_name: Annotated[
        str | None, Meta(description="Container of the scaled workload; the first if not set.")
    ] = None


class ServiceAccountTokenRef(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    service_account_name: Annotated[str, Meta(description="Service account for which a token is requested.")]


class OAuth2(Wire, frozen=True):
    client_id: Annotated[str, Meta(description="Client id.")]
    token_url: Annotated[str, Meta(description="URL of the token endpoint, http or https.")]
    type: Annotated[Literal["clientCredentials"], Meta(description="The flow.")] = "clientCredentials"
    client_secret: Annotated[SecretValue | None, Meta(description="Client secret.")] = None
    scopes: Annotated[tuple[str, ...] | None, Meta(description="Scopes asked for.")] = None
    token_url_params: Annotated[
        dict[str, str] | None, Meta(description="Further parameters of the token request.")
    ] = None


ALLOWED_NAMESPACES = "tidegate.dev/allowed-namespaces"
"""Annotation of a ClusterTriggerAuthentication that names an identity: the namespaces that may use it, with
commas between, or `*`."""


class TriggerAuthenticationSpec(Wire, frozen=True):
    pod_identity: Annotated[PodIdentity | None, Meta(description="Workload identity of a cloud.")] = None
    secret_target_ref: Annotated[
        tuple[TargetRef, ...] | None, Meta(description="Parameters from Secrets.")
    ] = None
    config_map_target_ref: Annotated[
        tuple[TargetRef, ...] | None, Meta(description="Parameters from ConfigMaps.")
    ] = None
    env: Annotated[
        tuple[EnvRef, ...] | None, Meta(description="Parameters from the environment of the workload.")
    ] = None
    file_path: Annotated[
        str | None,
        Meta(
            description="ClusterTriggerAuthentication only: a JSON file of parameters, below the root path."
        ),
    ] = None
    hashi_corp_vault: Annotated[HashiCorpVault | None, Meta(description="Parameters from Vault.")] = None
    azure_key_vault: Annotated[AzureKeyVault | None, Meta(description="Parameters from Azure Key Vault.")] = (
        None
    )
    azure_service_principal: Annotated[
        AzureServicePrincipal | None, Meta(description="A service principal that asks Azure.")
    ] = None
    gcp_secret_manager: Annotated[
        GcpSecretStore | None, Meta(description="Parameters from Google Secret Manager.")
    ] = None
    aws_secret_manager: Annotated[
        AwsSecretStore | None, Meta(description="Parameters from AWS Secrets Manager.")
    ] = None
    bound_service_account_token: Annotated[
        tuple[ServiceAccountTokenRef, ...] | None, Meta(description="Tokens of service accounts.")
    ] = None
    oauth2: Annotated[OAuth2 | None, Meta(description="Access tokens by OAuth 2.")] = None

    @property
    def names_identity(self) -> bool:
        """Whether an identity is named, for the triggers or for one of the sources."""
        stores = (self.azure_key_vault, self.gcp_secret_manager, self.aws_secret_manager)
        named = (self.pod_identity, *(one.pod_identity for one in stores if one is not None))
        return any(one is not None and one.provider != "none" for one in named)


class TriggerAuthenticationStatus(Wire, frozen=True):
    scaledobjects: Annotated[
        str | None, Meta(description="Names of the ScaledObjects that refer to it, comma separated.")
    ] = None
    scaledjobs: Annotated[
        str | None, Meta(description="Names of the ScaledJobs that refer to it, comma separated.")
    ] = None


_FIRST = (
    Column("PodIdentity", ".spec.podIdentity.provider"),
    Column("Secret", ".spec.secretTargetRef[*].name"),
    Column("Env", ".spec.env[*].name"),
)
_LAST = (
    Column("VaultAddress", ".spec.hashiCorpVault.address"),
    Column("ScaledObjects", ".status.scaledobjects", priority=1),
    Column("ScaledJobs", ".status.scaledjobs", priority=1),
)


class TriggerAuthentication(Wire, frozen=True):
    """Parameters for triggers of its own namespace."""

    KIND: ClassVar[Kind] = Kind(
        "TriggerAuthentication", "triggerauthentications", ("ta", "triggerauth"), _FIRST + _LAST
    )

    metadata: ObjectMeta
    spec: Annotated[TriggerAuthenticationSpec, Meta(description="Where parameters come from.")]
    status: Annotated[TriggerAuthenticationStatus, Meta(description="Who refers to it.")] = (
        TriggerAuthenticationStatus()
    )


class ClusterTriggerAuthentication(Wire, frozen=True):
    """Parameters for triggers of all namespaces."""

    KIND: ClassVar[Kind] = Kind(
        "ClusterTriggerAuthentication",
        "clustertriggerauthentications",
        ("cta", "clustertriggerauth"),
        (*_FIRST, Column("FilePath", ".spec.filePath"), *_LAST),
        is_namespaced=False,
    )

    metadata: ObjectMeta
    spec: Annotated[TriggerAuthenticationSpec, Meta(description="Where parameters come from.")]
    status: Annotated[TriggerAuthenticationStatus, Meta(description="Who refers to it.")] = (
        TriggerAuthenticationStatus()
    )
