"""`/metrics`: the figures of a program as a page, in slices, as the collector wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from tidegate.cli.wiring.probe_site import Page
from tidegate.telemetry.metrics.exposition import Exposition
from tidegate.telemetry.metrics.families import Metric

METRICS = "/metrics"

Headers = Mapping[str, str]
Told = Callable[[Headers], tuple[Headers, AsyncIterator[bytes]]]
"""The headers of a request to those of its answer, and its body."""


class Figures(Protocol):
    """Whoever gathers a program's metrics."""

    async def gather(self) -> Sequence[Metric]: ...


def metrics_page(figures: Figures) -> Told:
    """Tells what `figures` gathers."""
    exposition = Exposition(figures.gather)

    def told(headers: Headers) -> tuple[Headers, AsyncIterator[bytes]]:
        answered = exposition.answer(headers.get("Accept", ""), headers.get("Accept-Encoding", ""))
        return answered.headers, answered.body

    return told


def as_page(told: Told, headers: Headers) -> Page:
    """The same for a plain site."""
    answered, body = told(headers)
    return Page(body, headers=answered)
