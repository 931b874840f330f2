"""Prometheus and servers with its API: the settings by which a trigger names one, and how it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tidegate.base.errors import Unsupported
from tidegate.base.problems import Problem
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    Duration,
    KeyValue,
    declared,
    setting,
)
from tidegate.kit.systems.http import HttpRequest, header_problem
from tidegate.kit.tls import Tls


@declared
class PrometheusAccess(HttpAccess):
    """Whom a trigger asks in PromQL."""

    product: ClassVar[str] = "Prometheus"

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
    aws_region: str = setting(
        "awsRegion", doc="Region of a workspace at Amazon.", default="", sources=(METADATA, AUTHENTICATION)
    )
    cloud: str = setting("cloud", doc="Azure's cloud.", default="")
    azure_resource: str = setting(
        "azureManagedPrometheusResourceURL", doc="Resource in the cloud `Private`.", default=""
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
        "credentialsFromEnvFile", doc="Variable with the path of that JSON.", default=""
    )

    def address(self) -> tuple[str, str]:
        return "serverAddress", self.server_address

    def tls(self) -> Tls:
        is_pinned = bool(self.auth_modes) and ("tls" in self.auth_modes or bool(self.ca))
        return self.tls_of(is_verified=is_pinned or not self.unsafe_ssl)

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
        yield from HttpAccess.check(self)

    def query_request(self, query: str) -> HttpRequest:
        """The instant query. Unsupported where the server wants an identity that we cannot prove yet."""
        if identity := self._identity():
            raise Unsupported(
                "run the query",
                on=self.server().label(),
                answer=f"requests with {identity} are not offered yet; they come with a later version",
                next_step="ask through a proxy that signs in, with authModes",
            )
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

    def _identity(self) -> str:
        """Whose identity the server wants, "" for none; a login by `authModes` comes before it."""
        if self.auth_modes:
            return ""
        if self.aws_region:
            return "an AWS signature"
        if self.google_credentials or self.google_credentials_file:
            return "a Google service account"
        return "an Azure identity" if self.cloud or self.azure_resource else ""
