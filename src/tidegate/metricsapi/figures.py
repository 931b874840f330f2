"""The figures of a metrics API server, for whoever collects metrics."""

from __future__ import annotations

from tidegate.metricsapi.link import Link
from tidegate.metricsapi.site import Site
from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Metric
from tidegate.telemetry.metrics.process import ProcessMetrics


class Figures:
    """Gathers what link and site have counted."""

    def __init__(self, link: Link, site: Site) -> None:
        self._link = link
        self._site = site
        self._process = ProcessMetrics()

    async def gather(self) -> list[Metric]:
        """All metrics in the order of the catalogue."""
        found = {family: Metric(family) for family in known.METRICS_API}
        for (part, status), count in self._site.requests.items():
            found[known.API_REQUESTS].set(float(count), part, str(status))
        found[known.API_SECONDS].distributions[()] = self._site.seconds.distribution()
        link = self._link
        found[known.API_ANSWERS].set(float(link.answers_from_memory), "memory")
        found[known.API_ANSWERS].set(float(link.questions), "operator")
        found[known.STREAM_MESSAGES].set(float(link.messages_in), "in")
        found[known.STREAM_MESSAGES].set(float(link.messages_out), "out")
        found[known.STREAM_OPEN].set(float(link.is_open))
        found[known.METRICS_KEPT].set(float(link.kept))
        return [*found.values(), *self._process.metrics()]
