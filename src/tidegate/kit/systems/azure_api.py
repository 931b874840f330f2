"""Interfaces of Azure over HTTPS that are asked with a token: whom to ask, and as whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.identity import AnyIdentity, IdentityToken, ServicePrincipal
from tidegate.kit.systems.azure_clouds import CHINA, GOVERNMENT, PRIVATE, PUBLIC, Cloud, is_private
from tidegate.kit.systems.http import HttpLogin, HttpServer, read_url
from tidegate.kit.tls import Tls

SDK_CLOUDS = {
    "": PUBLIC,
    "azurepubliccloud": PUBLIC,
    "azureusgovernmentcloud": GOVERNMENT,
    "azurechinacloud": CHINA,
}
"""Clouds of Azure's monitoring, by folded name: fewer than there are of storage."""


@dataclass(frozen=True, slots=True)
class AzureApi:
    """`origin` and the path that stands before all others. Without a `token` nobody logs in."""

    system: ClassVar[str] = ""
    product: ClassVar[str] = "Azure"

    origin: str
    base: str = ""
    token: IdentityToken | None = None
    timeout_s: float | None = None
    is_verified: bool = True

    def label(self) -> str:
        return f"{self.product} {self.origin}"

    def http(self, usual_s: float | None = None) -> HttpServer:
        """As the HTTP client wants it; `usual_s` bounds an exchange where nothing else does."""
        tls = Tls(is_verified=self.is_verified) if self.origin.startswith("https:") else None
        login = HttpLogin(token=self.token)
        return HttpServer(
            self.origin, login, tls, self.timeout_s or usual_s, self.product, follows_redirects=False
        )


def sdk_cloud_problems(cloud: str, name: str, endpoint: str) -> Iterator[Problem]:
    """What is wrong with a `cloud` of Azure's monitoring; its private one needs an endpoint, named `name`."""
    if is_private(cloud):
        if not endpoint:
            yield Problem(name, f"{name} must be provided for Private cloud type", "FieldValueRequired")
    elif cloud.casefold() not in SDK_CLOUDS:
        message = f"there is no cloud environment matching the name {cloud}"
        yield Problem("cloud", message, "FieldValueNotSupported")


def sdk_cloud(name: str) -> Cloud:
    return SDK_CLOUDS.get(name.casefold(), PUBLIC)


def authority_of(cloud: str, endpoint: str = "") -> str:
    """Who issues tokens to an application there; "" leaves it to the autoscaler's environment."""
    folded = cloud.casefold()
    if folded == PRIVATE:
        return endpoint
    return SDK_CLOUDS[folded].login if folded and folded in SDK_CLOUDS else ""


def application_problems(identity: object, **given: str) -> Iterator[Problem]:
    """What an application's login lacks, by the settings' names, where no identity asks."""
    if identity is not None:
        return
    for name, text in given.items():
        if not text:
            yield Problem(name, f"no {name} given", "FieldValueRequired")


def split_endpoint(text: str) -> tuple[str, str]:
    """Origin and path of an endpoint. ValueError where it is none."""
    url = read_url(text)
    return url.origin, url.path.rstrip("/")


def asked_by(identity: AnyIdentity | None, application: ServicePrincipal, audience: str) -> IdentityToken:
    """The token of the identity where there is one, of the application where there is none."""
    return IdentityToken(identity or application, audience)
