"""Azure Monitor: the newest point of a resource's metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tidegate.kit.systems.azure_api import AzureApi
from tidegate.kit.systems.calls import Calls

Aggregation = Literal["Average", "Count", "Maximum", "Minimum", "Total"]


@dataclass(frozen=True, slots=True)
class MonitorServer(AzureApi):
    """The resource manager of a cloud, or, with a `region`, that region's metrics interface, which tells of
    many resources at once."""

    system: ClassVar[str] = "azure_monitor"
    product: ClassVar[str] = "Azure Monitor"

    region: str = ""


_SHARED = ("aggregation", "window_s", "namespace", "filter")
OF_RESOURCE = Calls(
    together=20, alike=("resource", *_SHARED), more="with `region` one for up to 50 resources, by metric"
)
OF_REGION = Calls(together=50, alike=("subscription", "kind", "metric", *_SHARED))


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The newest value of a metric within the last `window_s` seconds: a float.

    `resource` is its whole path (`/subscriptions/…/providers/…`), `kind` its type, such as
    `Microsoft.Storage/storageAccounts`.
    """

    server: MonitorServer
    resource: str
    kind: str
    metric: str
    aggregation: Aggregation
    window_s: int = 300
    namespace: str = ""
    filter: str = ""

    @property
    def calls(self) -> Calls:
        return OF_REGION if self.server.region else OF_RESOURCE

    @property
    def subscription(self) -> str:
        """The subscription of the resource."""
        return "".join(self.resource.casefold().split("/")[2:3])


def window_s(text: str) -> int | None:
    """The seconds of `hh:mm:ss`; None where it is none, or comes to nothing."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return hours * 3600 + minutes * 60 + seconds or None
