"""A receiver of OpenTelemetry's protocol, over HTTP and gRPC, that keeps every point it was sent."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
from aiohttp import web
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

Attributes = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Point:
    """A point as it came, with its metric's kind: gauge, sum or histogram."""

    name: str
    attributes: Attributes
    value: float
    kind: str
    unit: str
    is_monotonic: bool
    is_delta: bool
    start_ns: int
    time_ns: int


class OtlpReceiver:
    """`status` is what HTTP answers. `requests` are the points of each request, in order."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[list[Point]] = []
        self.resource: dict[str, str] = {}
        self.scope = ""
        self.headers: dict[str, str] = {}
        self.http_port = self.grpc_port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/v1/metrics"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[OtlpReceiver]:
        site = web.Application(client_max_size=64 << 20)
        site.router.add_post("/v1/metrics", self._receive)
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        server = grpc.aio.server()
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(self, server)
        self.grpc_port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.http_port = runner.addresses[0][1]
            yield self
        finally:
            await server.stop(None)
            await runner.cleanup()

    def last(self, name: str, **attributes: str) -> Point | None:
        """The newest point of this name with these attributes among others."""
        wanted = set(attributes.items())
        for points in reversed(self.requests):
            for point in reversed(points):
                if point.name == name and point.attributes >= wanted:
                    return point
        return None

    async def until(self, count: int, within_s: float = 20.0) -> None:
        """Returns when so many requests were taken."""
        async with asyncio.timeout(within_s):
            while len(self.requests) < count:  # noqa: ASYNC110 (a test may ask for any count)
                await asyncio.sleep(0.01)

    async def Export(self, request: Any, context: Any) -> Any:
        self._keep(request)
        return metrics_service_pb2.ExportMetricsServiceResponse()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.status == 200:
            if body[:2] == b"\x1f\x8b":
                body = gzip.decompress(body)
            self.headers = dict(request.headers)
            self._keep(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))
        return web.Response(status=self.status, content_type="application/x-protobuf")

    def _keep(self, request: Any) -> None:
        points = []
        for resource in request.resource_metrics:
            self.resource = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_metrics:
                self.scope = scope.scope.name
                points += [point for metric in scope.metrics for point in _points(metric)]
        self.requests.append(points)


def _points(metric: Any) -> list[Point]:
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    return [
        Point(
            metric.name,
            frozenset((pair.key, pair.value.string_value) for pair in one.attributes),
            one.count if kind == "histogram" else one.as_double,
            kind,
            metric.unit,
            getattr(data, "is_monotonic", False),
            getattr(data, "aggregation_temporality", 0) == 1,
            one.start_time_unix_nano,
            one.time_unix_nano,
        )
        for one in data.data_points
    ]
