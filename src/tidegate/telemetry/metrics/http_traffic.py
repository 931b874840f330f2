"""Requests over HTTP as they went over the wire, by what came back: counted where they are sent."""

from __future__ import annotations

from tidegate.telemetry.metrics.catalogue import HTTP_DURATION
from tidegate.telemetry.metrics.families import Histogram

LOST = "error"
"""Stands for a status where no answer came."""


class HttpTraffic:
    """How long requests took until their answer began, by its status (`200`, or `error`)."""

    def __init__(self) -> None:
        self.seconds: dict[str, Histogram] = {}

    def add(self, status: str, seconds: float) -> None:
        self.seconds.setdefault(status, Histogram(HTTP_DURATION.buckets)).add(seconds)
