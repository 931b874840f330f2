"""An external scaler of the tests: a gRPC server that says what a test tells it to say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tidegate.connections.external import externalscaler_pb2 as wire

SERVICE = "externalscaler.ExternalScaler"


class ExternalScaler:
    """`specs` are (name, integer target, float target); `values` by metric the entries (integer, float).

    `errors` by method the status that it ends with, `delay_s` how long each answer takes, `calls` counts them
    by method, `seen` keeps the references that it was asked for, `streams` the queues of open streams.
    """

    def __init__(self) -> None:
        self.specs: list[tuple[str, int, float]] = [("orders", 5, 0.0)]
        self.values: dict[str, list[tuple[int, float]]] = {"orders": [(12, 0.0)]}
        self.is_active = True
        self.errors: dict[str, grpc.StatusCode] = {}
        self.delay_s = 0.0
        self.calls: Counter[str] = Counter()
        self.peers: set[str] = set()
        self.seen: list[Any] = []
        self.streams: dict[str, list[asyncio.Queue[Any]]] = {"StreamIsActive": [], "StreamMetricSpec": []}
        self.port = 0
        self._streams_changed = asyncio.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(
        self, port: int = 0, credentials: grpc.ServerCredentials | None = None
    ) -> AsyncIterator[ExternalScaler]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((self._methods(),))
        where = f"127.0.0.1:{port}"
        if credentials is None:
            self.port = server.add_insecure_port(where)
        else:
            self.port = server.add_secure_port(where, credentials)
        await server.start()
        try:
            yield self
        finally:
            await server.stop(0)

    def push(self, is_active: bool = True) -> None:
        for queue in self.streams["StreamIsActive"]:
            queue.put_nowait(wire.IsActiveResponse(result=is_active))

    def push_specs(self, *specs: tuple[str, int, float]) -> None:
        self.specs = list(specs)
        for queue in self.streams["StreamMetricSpec"]:
            queue.put_nowait(self._spec_reply())

    def end_streams(self) -> None:
        for queues in self.streams.values():
            for queue in queues:
                queue.put_nowait(None)

    async def wait_for_streams(self, count: int) -> None:
        async with asyncio.timeout(10):
            while sum(map(len, self.streams.values())) != count:
                self._streams_changed.clear()
                await self._streams_changed.wait()

    def _spec_reply(self) -> Any:
        entries = (
            wire.MetricSpec(metricName=name, targetSize=whole, targetSizeFloat=real)
            for name, whole, real in self.specs
        )
        return wire.GetMetricSpecResponse(metricSpecs=entries)

    def _methods(self) -> grpc.GenericRpcHandler:
        def unary(method: str, request: Any, reply: Any) -> grpc.RpcMethodHandler:
            async def answer(asked: Any, context: grpc.aio.ServicerContext) -> Any:
                await self._met(method, asked, context)
                return reply(asked)

            return grpc.unary_unary_rpc_method_handler(answer, request.FromString, _bytes)

        def stream(method: str) -> grpc.RpcMethodHandler:
            async def follow(asked: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
                await self._met(method, asked, context)
                queue: asyncio.Queue[Any] = asyncio.Queue()
                self.streams[method].append(queue)
                self._streams_changed.set()
                try:
                    while (message := await queue.get()) is not None:
                        yield message
                finally:
                    self.streams[method].remove(queue)
                    self._streams_changed.set()

            return grpc.unary_stream_rpc_method_handler(follow, wire.ScaledObjectRef.FromString, _bytes)

        def metrics(asked: Any) -> Any:
            entries = (
                wire.MetricValue(metricName=asked.metricName, metricValue=whole, metricValueFloat=real)
                for whole, real in self.values.get(asked.metricName, [])
            )
            return wire.GetMetricsResponse(metricValues=entries)

        reference = wire.ScaledObjectRef
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "GetMetricSpec": unary("GetMetricSpec", reference, lambda _: self._spec_reply()),
                "GetMetrics": unary("GetMetrics", wire.GetMetricsRequest, metrics),
                "IsActive": unary(
                    "IsActive", reference, lambda _: wire.IsActiveResponse(result=self.is_active)
                ),
                "StreamIsActive": stream("StreamIsActive"),
                "StreamMetricSpec": stream("StreamMetricSpec"),
            },
        )

    async def _met(self, method: str, asked: Any, context: grpc.aio.ServicerContext) -> None:
        self.calls[method] += 1
        self.peers.add(context.peer())
        self.seen.append(asked)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if method in self.errors:
            await context.abort(self.errors[method], "as the test says")


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString())
