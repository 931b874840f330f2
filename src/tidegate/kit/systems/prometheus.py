"""Prometheus and servers with its API: the settings by which a trigger names one, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.identity import IdentityToken, Provider
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    Duration,
    KeyValue,
    declared,
    setting,
)
from tidegate.kit.systems.azure_api import sdk_cloud, sdk_cloud_problems
from tidegate.kit.systems.azure_clouds import endpoint_problems, is_private, scope_of
from tidegate.kit.systems.gcp import MONITORING_READ, is_google, read_account
from tidegate.kit.systems.http import HttpLogin, HttpRequest, header_problem, read_url
from tidegate.kit.systems.prometheus_aws import AmazonAccess
from tidegate.kit.tls import Tls


@declared
class PrometheusAccess(AmazonAccess):
    """Whom a trigger asks in PromQL."""

    product: ClassVar[str] = "Prometheus"
    identities: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks", "azure-workload", "gcp")
    measured_with: ClassVar[tuple[Provider, ...]] = ("aws", "aws-eks", "azure-workload", "gcp")

    server_address: str = setting("serverAddress", doc="Base URL; `/api/v1/query` is added.", hidden=True)
    namespace: str = setting("namespace", doc="Sent as the parameter `namespace`.", default="")
    query_parameters: tuple[KeyValue, ...] = setting(
        "queryParameters", doc="Further parameters of the request.", default=()
    )
    custom_headers: tuple[KeyValue, ...] = setting("customHeaders", doc="Further headers.", default=())
    unsafe_ssl: bool = setting(
        "unsafeSsl", doc="Accept any certificate; not beside `ca` or mode `tls`.", default=False
    )
    timeout: Duration = setting("timeout", doc="Bound of a request; 3 s without it.", default=0.0)
    cloud: str = setting("cloud", doc="Azure's cloud, where a workload identity asks.", default="")
    azure_resource: str = setting(
        "azureManagedPrometheusResourceURL",
        doc="For whom tokens are in the cloud `Private`; the server's host must be below it.",
        default="",
    )
    google_credentials: str = setting(
        "GoogleApplicationCredentials",
        "credentials",
        doc="Google's service account (JSON).",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    google_credentials_file: str = setting(
        "credentialsFromEnvFile",
        doc="Refused: files of the autoscaler are not read for a trigger.",
        default="",
    )

    def address(self) -> tuple[str, str]:
        return "serverAddress", self.server_address

    def tls(self) -> Tls:
        is_pinned = bool(self.auth_modes) and ("tls" in self.auth_modes or bool(self.ca))
        # Whoever could read a signature or a token could use it.
        is_proved = self._is_of_azure() or self.signature() is not None or self._token() is not None
        return self.tls_of(is_verified=is_pinned or is_proved or not self.unsafe_ssl)

    def timeout_s(self) -> float | None:
        return self.timeout or None

    def check(self) -> Iterator[Problem]:
        for name, value in self.custom_headers:
            if problem := header_problem(name, value):
                yield Problem("customHeaders", problem)
        if self.cloud == "Private" and not self.azure_resource:
            yield Problem(
                "azureManagedPrometheusResourceURL", "is required when cloud is Private", "FieldValueRequired"
            )
        if self._is_of_azure():
            yield from self._azure_problems()
        yield from self._google_problems()
        yield from self.aws_problems()
        yield from HttpAccess.check(self)

    def notices(self) -> Iterator[Problem]:
        yield from self.aws_notices()

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        """An identity's token, where one asks; or a signature."""
        made, token = AmazonAccess.login(self, given), self._token()
        return made if token is None else replace(made, token=token)

    def _token(self) -> IdentityToken | None:
        """Whose token requests carry; a login by `authModes` comes before it, a signature too."""
        identity = self.identity
        if self.auth_modes or self.signature() is not None:
            return None
        if self._is_of_azure() and identity is not None:
            return IdentityToken(identity, scope_of(self._azure_audience()))
        if identity is not None:
            return IdentityToken(identity, MONITORING_READ) if identity.provider == "gcp" else None
        try:
            account = read_account(self.google_credentials) if self.google_credentials else None
        except ValueError:
            account = None
        return IdentityToken(account, MONITORING_READ) if account is not None else None

    def query_request(self, query: str) -> HttpRequest:
        """The instant query."""
        parameters = [("query", query)]
        if self.namespace:
            parameters.append(("namespace", self.namespace))
        own = f"?{self.url().query}" if self.url().query else ""
        return HttpRequest(
            self.server(),
            f"{self.base()}/api/v1/query{own}",
            (*parameters, *self.query_parameters),
            headers=self.custom_headers,
            attempted="run the query",
        )

    def _google_problems(self) -> Iterator[Problem]:
        if self.identity is not None:
            if self.identity.provider == "gcp" and self.auth_modes:
                yield Problem("authModes", "pod identity cannot be enabled with other auth types")
            elif self.identity.provider == "gcp" and not is_google(self.server().origin):
                message = "a Google identity's token goes to https://….googleapis.com alone"
                yield Problem("serverAddress", message, "FieldValueNotSupported")
        elif self.auth_modes:
            return
        elif self.google_credentials:
            try:
                read_account(self.google_credentials)
            except ValueError as error:
                yield Problem("GoogleApplicationCredentials", f"its value {error}")
        elif self.google_credentials_file:
            message = "is not offered: files of the autoscaler are not read for a trigger"
            yield Problem("credentialsFromEnvFile", message, "FieldValueNotSupported")

    def _is_of_azure(self) -> bool:
        return self.identity is not None and self.identity.provider == "azure-workload"

    def _azure_audience(self) -> str:
        return self.azure_resource if is_private(self.cloud) else sdk_cloud(self.cloud).prometheus

    def _azure_problems(self) -> Iterator[Problem]:
        if self.auth_modes:
            yield Problem("authModes", "pod identity cannot be enabled with other auth types")
        if self.cloud != "Private":
            yield from sdk_cloud_problems(
                self.cloud, "azureManagedPrometheusResourceURL", self.azure_resource
            )
        yield from endpoint_problems("azureManagedPrometheusResourceURL", self.azure_resource)
        try:
            url = read_url(self.server_address)
            audience = read_url(self._azure_audience()).origin.partition("://")[2]
        except ValueError:
            return
        host = url.origin.partition("://")[2]
        if not url.origin.startswith("https:") or not f".{host}".endswith(f".{audience}"):
            message = f"an identity's token for {audience} goes to https hosts of that name alone"
            yield Problem("serverAddress", message)
