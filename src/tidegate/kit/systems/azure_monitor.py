"""Azure Monitor: the newest point of a resource's metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tidegate.kit.systems.azure_api import AzureApi

Aggregation = Literal["Average", "Count", "Maximum", "Minimum", "Total"]


@dataclass(frozen=True, slots=True)
class MonitorServer(AzureApi):
    """The resource manager of a cloud, or, with a `region`, that region's metrics interface, which tells of
    many resources at once."""

    system: ClassVar[str] = "azure_monitor"
    product: ClassVar[str] = "Azure Monitor"

    region: str = ""


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


def window_s(text: str) -> int | None:
    """The seconds of `hh:mm:ss`; None where it is none, or comes to nothing."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    hours, minutes, seconds = map(int, parts)
    return hours * 3600 + minutes * 60 + seconds or None
