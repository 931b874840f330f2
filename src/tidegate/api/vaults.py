"""Where a TriggerAuthentication may fetch values from outside the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from tidegate.api.wire import Wire

Provider = Literal["azure-workload", "gcp", "aws", "aws-eks", "none"]


class PodIdentity(Wire, frozen=True):
    provider: Annotated[Provider, Meta(description="The cloud whose workload identity is used.")]
    identity_id: Annotated[
        str | None, Meta(description="azure-workload: client id instead of the default one.")
    ] = None
    identity_tenant_id: Annotated[
        str | None, Meta(description="azure-workload: tenant instead of the default one.")
    ] = None
    identity_authority_host: Annotated[
        str | None, Meta(description="azure-workload: authority instead of the default one.")
    ] = None
    role_arn: Annotated[str | None, Meta(description="aws: role to assume.")] = None
    external_id: Annotated[str | None, Meta(description="aws: external id, sent when assuming roleArn.")] = (
        field(default=None, name="externalID")
    )
    identity_owner: Annotated[
        Literal["keda", "workload"] | None,
        Meta(description="aws: whose identity is used, the autoscaler's or the workload's."),
    ] = None


class SecretKeyRef(Wire, frozen=True):
    name: Annotated[str, Meta(description="Name of the Secret.")]
    key: Annotated[str, Meta(description="Key in the Secret.")]


class ValueFromSecret(Wire, frozen=True):
    secret_key_ref: Annotated[SecretKeyRef, Meta(description="The Secret and its key.")]


class SecretValue(Wire, frozen=True):
    value_from: Annotated[ValueFromSecret, Meta(description="Where the value stands.")]


class VaultCredential(Wire, frozen=True):
    token: Annotated[str | None, Meta(description="Token, with authentication token.")] = None
    service_account: Annotated[
        str | None, Meta(description="Path of a file with a service account's token.")
    ] = None
    service_account_name: Annotated[
        str | None, Meta(description="Service account for which a token is requested.")
    ] = None


class VaultPki(Wire, frozen=True):
    common_name: Annotated[str | None, Meta(description="Common name of the certificate.")] = None
    alt_names: Annotated[str | None, Meta(description="Alternative names.")] = None
    ip_sans: Annotated[str | None, Meta(description="Alternative addresses.")] = None
    uri_sans: Annotated[str | None, Meta(description="Alternative URIs.")] = None
    other_sans: Annotated[str | None, Meta(description="Other alternative names.")] = None
    ttl: Annotated[str | None, Meta(description="Life time of the certificate.")] = None
    format: Annotated[str | None, Meta(description="Format of the certificate.")] = None


class VaultSecret(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    path: Annotated[str, Meta(description="Path of the secret.")]
    key: Annotated[str, Meta(description="Key in the secret.")]
    type: Annotated[
        Literal["", "secretV2", "secret", "pki"] | None,
        Meta(description="Kind of the secret; found out from the answer if not set."),
    ] = None
    pki_data: Annotated[VaultPki | None, Meta(description="With type pki: the certificate wanted.")] = None


class HashiCorpVault(Wire, frozen=True):
    address: Annotated[str, Meta(description="URL of the Vault.")]
    authentication: Annotated[Literal["token", "kubernetes"], Meta(description="How to log in.")]
    secrets: Annotated[tuple[VaultSecret, ...], Meta(min_length=1, description="What is read.")]
    namespace: Annotated[str | None, Meta(description="Namespace of the Vault.")] = None
    role: Annotated[str | None, Meta(description="With authentication kubernetes: role.")] = None
    mount: Annotated[str | None, Meta(description="With authentication kubernetes: mount.")] = None
    credential: Annotated[VaultCredential | None, Meta(description="What to log in with.")] = None


class AzureKeyVaultSecret(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    name: Annotated[str, Meta(description="Name of the secret.")]
    version: Annotated[str | None, Meta(description="Version of the secret; the latest if not set.")] = None


class AzureCredentials(Wire, frozen=True):
    client_id: Annotated[str, Meta(description="Client id.")]
    tenant_id: Annotated[str, Meta(description="Tenant id.")]
    client_secret: Annotated[SecretValue, Meta(description="Client secret.")]


class AzureServicePrincipal(Wire, frozen=True):
    """KEDA has it since 2.21."""

    client_id: Annotated[str, Meta(description="Client id.")]
    tenant_id: Annotated[str, Meta(description="Tenant id.")]
    client_secret: Annotated[SecretValue | None, Meta(description="Client secret.")] = None
    client_certificate: Annotated[
        SecretValue | None, Meta(description="Client certificate with its key, in place of a secret.")
    ] = None
    client_certificate_password: Annotated[
        SecretValue | None, Meta(description="Password of the certificate's key.")
    ] = None
    cloud: Annotated[str | None, Meta(description="Name of the cloud, if it is not the public one.")] = None
    active_directory_endpoint: Annotated[
        str | None, Meta(description="Endpoint that issues tokens, of a private cloud.")
    ] = None


class AzureCloud(Wire, frozen=True):
    type: Annotated[str, Meta(description="Name of the cloud.")]
    key_vault_resource_url: Annotated[str | None, Meta(description="Resource URL of the Key Vault.")] = field(
        default=None, name="keyVaultResourceURL"
    )
    active_directory_endpoint: Annotated[str | None, Meta(description="Endpoint that issues tokens.")] = None


class AzureKeyVault(Wire, frozen=True):
    vault_uri: Annotated[str, Meta(description="URI of the Key Vault.")]
    secrets: Annotated[tuple[AzureKeyVaultSecret, ...], Meta(min_length=1, description="What is read.")]
    credentials: Annotated[
        AzureCredentials | None, Meta(description="What to log in with, without podIdentity.")
    ] = None
    pod_identity: Annotated[PodIdentity | None, Meta(description="Identity to log in with.")] = None
    cloud: Annotated[AzureCloud | None, Meta(description="The cloud, if it is not the public one.")] = None


class GcpSecret(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    id: Annotated[str, Meta(description="Id of the secret.")]
    version: Annotated[str | None, Meta(description="Version of the secret; latest if not set.")] = None


class GcpCredentials(Wire, frozen=True):
    client_secret: Annotated[SecretValue, Meta(description="Service account key, as JSON.")]


class GcpSecretStore(Wire, frozen=True):
    secrets: Annotated[tuple[GcpSecret, ...], Meta(min_length=1, description="What is read.")]
    credentials: Annotated[
        GcpCredentials | None, Meta(description="What to log in with, without podIdentity.")
    ] = None
    pod_identity: Annotated[PodIdentity | None, Meta(description="Identity to log in with.")] = None


class AwsSecret(Wire, frozen=True):
    parameter: Annotated[str, Meta(description="Parameter of the trigger.")]
    name: Annotated[str, Meta(description="Name of the secret.")]
    version_id: Annotated[str | None, Meta(description="Id of the version.")] = None
    version_stage: Annotated[str | None, Meta(description="Stage of the version.")] = None
    secret_key: Annotated[str | None, Meta(description="Member, if the secret is a JSON object.")] = None


class AwsCredentials(Wire, frozen=True):
    access_key: Annotated[SecretValue, Meta(description="Access key.")]
    access_secret_key: Annotated[SecretValue, Meta(description="Secret access key.")]
    access_token: Annotated[SecretValue | None, Meta(description="Session token.")] = None


class AwsSecretStore(Wire, frozen=True):
    secrets: Annotated[tuple[AwsSecret, ...], Meta(min_length=1, description="What is read.")]
    credentials: Annotated[
        AwsCredentials | None, Meta(description="What to log in with, without podIdentity.")
    ] = None
    pod_identity: Annotated[PodIdentity | None, Meta(description="Identity to log in with.")] = None
    region: Annotated[str | None, Meta(description="Region of the secrets.")] = None
