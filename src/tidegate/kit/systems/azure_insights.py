"""Application Insights: one metric of an application, aggregated over a span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.kit.systems.azure_api import AzureApi
from tidegate.kit.systems.calls import Calls


@dataclass(frozen=True, slots=True)
class InsightsServer(AzureApi):
    """The query interface of a cloud."""

    system: ClassVar[str] = "azure_insights"
    product: ClassVar[str] = "Application Insights"


@dataclass(frozen=True, slots=True)
class InsightsMetric:
    """An aggregation of a metric over a span (`PT1H30M`): the number, None where the span has none."""

    calls: ClassVar[Calls] = Calls(together=20, alike=("application",))

    server: InsightsServer
    application: str
    metric: str
    aggregation: str
    span: str
    filter: str = ""


def span(text: str) -> str | None:
    """The span `hh:mm` as the service writes it, None where it is none."""
    parts = text.split(":")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        return None
    return f"PT{int(parts[0]):02}H{int(parts[1]):02}M"
