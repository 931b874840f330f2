"""`azureServicePrincipal`: an application of Azure asks, with a secret or a certificate of its own."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.vaults import AzureServicePrincipal, SecretValue
from tidegate.auth.sources.place import Place
from tidegate.base.errors import Misconfigured
from tidegate.base.problems import Problem
from tidegate.kit.identity import Identity, ServicePrincipal
from tidegate.kit.systems.azure_clouds import cloud_of, cloud_problems, endpoint_problems, is_private


def application_of(place: Place, given: AzureServicePrincipal) -> Identity:
    """The application, in the place of an identity. Misconfigured where it lacks something."""
    for problem in problems_of(given):
        attempted = f"resolve azureServicePrincipal of {place.about}"
        raise Misconfigured(attempted, answer=f"{problem.path}: {problem.message}")
    cloud, endpoint = given.cloud or "", given.active_directory_endpoint or ""

    def text(value: SecretValue | None, what: str) -> str:
        return place.secret(value, what).strip() if value is not None else ""

    login = cloud_of(cloud).login if cloud else ""
    application = ServicePrincipal(
        given.client_id,
        given.tenant_id,
        text(given.client_secret, "the client secret"),
        text(given.client_certificate, "the client certificate"),
        text(given.client_certificate_password, "the password of the client certificate"),
        endpoint if is_private(cloud) else login,
    )
    return Identity("azure-workload", application=application)


def problems_of(given: AzureServicePrincipal) -> Iterator[Problem]:
    """What keeps any such application from logging in; paths are its fields."""
    cloud, endpoint = given.cloud or "", given.active_directory_endpoint or ""
    yield from cloud_problems(cloud, activeDirectoryEndpoint=endpoint)
    yield from endpoint_problems("activeDirectoryEndpoint", endpoint)
    if (given.client_secret is None) == (given.client_certificate is None):
        message = "either clientSecret or clientCertificate is expected"
        yield Problem("clientSecret", message, "FieldValueRequired")
