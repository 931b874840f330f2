"""Azure's clouds: their hosts, who issues tokens there, and for whom a token is meant.

A token is as good as a password for all that its audience covers. So one goes to hosts of its audience
alone: to those of the cloud, or, where a manifest names a host of its own, as a token for that very host.

Source: Microsoft, "Azure Government endpoint mapping", "Azure China developer guide"; Azure SDK, "cloud".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidegate.base.problems import Problem
from tidegate.kit.systems.http import read_url

PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud. `storage` and `service_bus` (Event Hubs too) end the names of hosts, `login` issues tokens,
    the others are the origins of services; "" where the cloud has none."""

    storage: str
    service_bus: str
    login: str
    management: str = ""
    logs: str = ""
    insights: str = ""
    prometheus: str = ""
    vault: str = ""


PUBLIC = Cloud(
    "core.windows.net",
    "servicebus.windows.net",
    "https://login.microsoftonline.com",
    "https://management.azure.com",
    "https://api.loganalytics.io",
    "https://api.applicationinsights.io",
    "https://prometheus.monitor.azure.com",
    "https://vault.azure.net",
)
GOVERNMENT = Cloud(
    "core.usgovcloudapi.net",
    "servicebus.usgovcloudapi.net",
    "https://login.microsoftonline.us",
    "https://management.usgovcloudapi.net",
    "https://api.loganalytics.us",
    "https://api.applicationinsights.us",
    "https://prometheus.monitor.azure.us",
    "https://vault.usgovcloudapi.net",
)
CHINA = Cloud(
    "core.chinacloudapi.cn",
    "servicebus.chinacloudapi.cn",
    "https://login.chinacloudapi.cn",
    "https://management.chinacloudapi.cn",
    "https://api.loganalytics.azure.cn",
    "https://api.applicationinsights.azure.cn",
    "https://prometheus.monitor.azure.cn",
    "https://vault.azure.cn",
)
GERMANY = Cloud("core.cloudapi.de", "servicebus.cloudapi.de", "https://login.microsoftonline.de")

CLOUDS: Mapping[str, Cloud] = {
    "": PUBLIC,
    "azurepubliccloud": PUBLIC,
    "azurecloud": PUBLIC,
    "azureusgovernmentcloud": GOVERNMENT,
    "azureusgovernment": GOVERNMENT,
    "azurechinacloud": CHINA,
    "azuregermancloud": GERMANY,
}
"""By its folded name."""

CHINA_PARTNER = "https://login.partner.microsoftonline.cn"
"""The other name of who issues tokens in China."""

LOGINS = frozenset(cloud.login for cloud in CLOUDS.values()) | {CHINA_PARTNER}
"""Who may be shown what proves the autoscaler's own identity."""

_STACK = "azurestackcloud"

POSTGRESQL = {
    ".postgres.database.azure.com": "https://ossrdbms-aad.database.windows.net/.default",
    ".postgres.database.usgovcloudapi.net": "https://ossrdbms-aad.database.usgovcloudapi.net/.default",
    ".postgres.database.chinacloudapi.cn": "https://ossrdbms-aad.database.chinacloudapi.cn/.default",
}
SQL_SERVER = {
    ".database.windows.net": "https://database.windows.net/.default",
    ".sql.azuresynapse.net": "https://database.windows.net/.default",
    ".database.fabric.microsoft.com": "https://database.windows.net/.default",
    ".datawarehouse.fabric.microsoft.com": "https://database.windows.net/.default",
    ".database.usgovcloudapi.net": "https://database.usgovcloudapi.net/.default",
    ".database.chinacloudapi.cn": "https://database.chinacloudapi.cn/.default",
}
"""Ends of the names of Azure's databases, and for whom the tokens are that log in there."""


def is_private(cloud: str) -> bool:
    return cloud.casefold() == PRIVATE


def cloud_problems(cloud: str, **given: str) -> Iterator[Problem]:
    """What is wrong with a `cloud`. `given`, by their settings' names, are what a private one needs."""
    folded = cloud.casefold()
    if folded == PRIVATE:
        for name, text in given.items():
            if not text:
                yield Problem(name, f"{name} must be provided for Private cloud type", "FieldValueRequired")
    elif folded == _STACK:
        names = ", ".join(f"`{name}`" for name in given) or "its endpoints"
        message = f"an Azure Stack has hosts of its own: use cloud `Private` with {names}"
        yield Problem("cloud", message, "FieldValueNotSupported")
    elif folded not in CLOUDS:
        yield Problem("cloud", f"invalid cloud environment {cloud}", "FieldValueNotSupported")


def cloud_of(name: str) -> Cloud:
    """The cloud of that name; for a private one, whose hosts a manifest names, the public one."""
    return CLOUDS.get(name.casefold(), PUBLIC)


def scope_of(url: str) -> str:
    """The audience that is the service at `url`, as token requests write it."""
    return f"{url.rstrip('/')}/.default"


def endpoint_problems(name: str, text: str) -> Iterator[Problem]:
    """What is wrong with an endpoint that gets tokens or secrets; nothing is where none is given."""
    if not text:
        return
    try:
        url = read_url(text)
    except ValueError as error:
        yield Problem(name, f"its value {error}")
        return
    if not url.origin.startswith("https:") or url.username or url.password:
        yield Problem(name, "must be an https URL, without a user in it")


def database_audience(hosts: str, known: Mapping[str, str]) -> str:
    """For whom the token is that logs in at these hosts (`h1,h2`); "" where one is none of Azure's databases,
    or they are of several clouds."""
    found = {_audience_of(host.casefold(), known) for host in hosts.split(",")}
    return found.pop() if len(found) == 1 else ""


def _audience_of(host: str, known: Mapping[str, str]) -> str:
    if not all(map(is_label, host.split("."))):
        return ""
    return next((audience for end, audience in known.items() if host.endswith(end)), "")


def is_label(text: str) -> bool:
    """Whether this may be a part of a host's name: whoever could put more there would choose the host."""
    return 0 < len(text) <= 63 and text.isascii() and text.replace("-", "").isalnum() and text[0] != "-"


def suffix_problems(name: str, suffix: str) -> Iterator[Problem]:
    """What is wrong with what ends the names of hosts; nothing is where none is given."""
    if suffix and not all(map(is_label, suffix.split("."))):
        yield Problem(name, "is no end of a host's name, such as core.private.example")


def namespace_host(name: str, cloud: str, suffix: str, usual: str) -> tuple[str, str]:
    """The host of a namespace of Service Bus or Event Hubs, and the audience of tokens for it: the `usual`
    one, or the namespace alone where a manifest names its host."""
    if is_private(cloud):
        return f"{name}.{suffix}", scope_of(f"https://{name}.{suffix}")
    return f"{name}.{cloud_of(cloud).service_bus}", usual
