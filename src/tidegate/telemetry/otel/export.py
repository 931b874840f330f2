"""Sends what is gathered to a receiver of OpenTelemetry's protocol, at the pace that OTEL_* say.

Where to, with what headers and certificates, is read by OpenTelemetry's own exporters from its standard
variables. They wait and repeat in a thread; a receiver that is down is told once, and costs nobody anything.

Source: OpenTelemetry's specification, "Environment Variables" and "OpenTelemetry Protocol Exporter".
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import Misconfigured, Unsupported
from tidegate.runtime.clock import Clock
from tidegate.telemetry.metrics.families import Metric
from tidegate.telemetry.otel.points import Points

log = logging.getLogger(__name__)

_LIBRARY = "opentelemetry"
INTERVAL_S = 60.0
_STOP_S = 2.0
_PROTOCOLS = {"": "http", "http": "http", "http/protobuf": "http", "grpc": "grpc"}
_DELTA = ("delta", "lowmemory")


@dataclass(frozen=True, slots=True)
class Settings:
    """`protocol` is http or grpc."""

    protocol: str = "http"
    interval_s: float = INTERVAL_S
    is_delta: bool = False
    is_disabled: bool = False


def settings_from(environment: Mapping[str, str]) -> Settings:
    """What the standard variables say that no exporter reads. Misconfigured where one cannot be read."""
    given = environment.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL") or environment.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", ""
    )
    protocol = _PROTOCOLS.get(given.strip().lower())
    if protocol is None:
        raise Misconfigured(
            "use OTEL_EXPORTER_OTLP_PROTOCOL",
            answer=f'"{given}" is no protocol that is offered',
            next_step="give grpc or http/protobuf",
        )
    preference = environment.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    return Settings(
        protocol,
        _interval_s(environment.get("OTEL_METRIC_EXPORT_INTERVAL", "")),
        preference in _DELTA,
        environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true",
    )


def _interval_s(text: str) -> float:
    if not text.strip():
        return INTERVAL_S
    if not text.strip().isdigit() or int(text) == 0:
        raise Misconfigured(
            "use OTEL_METRIC_EXPORT_INTERVAL",
            answer=f'"{text}" is no number of milliseconds above 0',
            next_step="give one, such as 60000",
        )
    return int(text) / 1_000


class Export:
    """Sends every `interval_s`. Unsupported where the extra `otel` is not installed.

    `make` gives, for a protocol, the exporter, which opens nothing yet, and what is told of this process.
    """

    def __init__(
        self,
        gather: Callable[[], Awaitable[Sequence[Metric]]],
        settings: Settings,
        clock: Clock,
        make: Callable[[str], tuple[Any, Any]] | None = None,
    ) -> None:
        self._gather = gather
        self._settings = settings
        self._clock = clock
        try:
            self._exporter, resource = (make or exporter_for)(settings.protocol)
        except ModuleNotFoundError as error:
            raise Unsupported(
                "send metrics by OpenTelemetry's protocol",
                answer=f"the Python package {error.name} is not installed",
                next_step="install tidegate[otel]",
            ) from error
        self._points = Points(resource, time.time_ns(), is_delta=settings.is_delta)
        self._is_failing = False
        self._said = _Said()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="telemetry")

    async def run(self) -> None:
        """Sends until cancelled; whatever fails is tried again with the next numbers."""
        while True:
            await self._clock.sleep(self._settings.interval_s)
            await self.send()

    async def send(self) -> None:
        """Sends what is now."""
        try:
            metrics = await self._gather()
            loop = asyncio.get_running_loop()
            is_taken = await loop.run_in_executor(self._thread, self._sent, metrics, time.time_ns())
        except Exception as error:
            log.error("sending metrics failed unexpectedly", exc_info=error)
            return
        if is_taken == self._is_failing:
            self._is_failing = not is_taken
            if is_taken:
                log.info("metrics are taken again")
            else:
                log.warning("metrics are not taken", extra={"failure": self._said.last})

    async def close(self) -> None:
        """What is under way is given up. Safe twice."""
        try:
            async with asyncio.timeout(_STOP_S):
                await asyncio.to_thread(self._exporter.shutdown)
                await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        except Exception:
            # Its last words, whenever they come, are still ours to keep.
            log.debug("closing the exporter failed", exc_info=True)
            self._thread.shutdown(wait=False, cancel_futures=True)
        else:
            self._said.leave()

    def _sent(self, metrics: Sequence[Metric], now_ns: int) -> bool:
        """Whether the receiver has taken all parts; after one that it has not, nothing more is tried."""
        from opentelemetry.sdk.metrics.export import MetricExportResult

        for part in self._points.parts(metrics, now_ns):
            if self._exporter.export(part.data) is not MetricExportResult.SUCCESS:
                return False
            self._points.taken(part)
        return True


@asynccontextmanager
async def exporting(export: Export | None) -> AsyncIterator[None]:
    """Sends while the block runs."""
    if export is None:
        yield
        return
    task = asyncio.create_task(export.run(), name="telemetry")
    try:
        yield
    finally:
        task.cancel()
        await export.close()
        await asyncio.gather(task, return_exceptions=True)


class _Said(logging.Handler):
    """The library's own log lines: the last one is kept, and told by us when it is news."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = ""
        self._library = logging.getLogger(_LIBRARY)
        self._library.addHandler(self)
        self._library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()

    def leave(self) -> None:
        self._library.removeHandler(self)
        self._library.propagate = True


def exporter_for(protocol: str) -> tuple[Any, Any]:
    """OpenTelemetry's own exporter, and the process, both as the standard variables say."""
    from opentelemetry.sdk.resources import Resource

    exporter: Any
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        exporter = Grpc()
    else:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

        exporter = Http()
    told = Resource.create()
    own = {}
    if str(told.attributes.get("service.name", "")).startswith("unknown_service"):
        own["service.name"] = "keda-operator"
    if "service.instance.id" not in told.attributes:
        # Replicas must not be taken for one process whose counters go back and forth.
        own["service.instance.id"] = socket.gethostname()
    return exporter, told.merge(Resource(own))
