"""SolarWinds Observability: a measurement of a metric over the last seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class SolarwindsServer:
    """The API by its base URL, and a token."""

    system: ClassVar[str] = "solarwinds"

    origin: str
    token: str = field(repr=False)

    def label(self) -> str:
        return f"SolarWinds {self.origin}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What all values of a metric in the last `interval_s` seconds come to."""

    server: SolarwindsServer
    metric: str
    aggregation: str
    interval_s: int
    filter: str
