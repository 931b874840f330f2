"""What the client library tells of the process itself: memory, CPU time, open files, Python's collector."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.telemetry.metrics.families import Family, Metric, Type

_TYPES: dict[str, Type] = {"gauge": "gauge", "counter": "counter"}


class ProcessMetrics:
    """`process_*` and `python_*` under the names that every Prometheus client in Python gives them."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def metrics(self) -> Iterator[Metric]:
        """As they are now; what this machine cannot tell is left out."""
        for found in self._registry.collect():
            kind = _TYPES.get(found.type)
            samples = [one for one in found.samples if not one.name.endswith("_created")]
            if kind is None or not samples:
                continue
            names = tuple(samples[0].labels)
            family = Family(samples[0].name, kind, names, found.documentation, "framework")
            yield Metric(family, {tuple(one.labels.values()): one.value for one in samples})
