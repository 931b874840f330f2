"""The streams by which an external scaler pushes: that a trigger is active, and which metrics it has now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.external import externalscaler_pb2 as wire
from tidegate.connections.external.metric_specs import read_specs
from tidegate.connections.grpc_channel import open_channel, told
from tidegate.core.values import MetricSpec
from tidegate.kit.systems.external import Caller, ExternalServer

STREAMS_PER_CONNECTION = 90
"""Many servers allow a hundred streams on a connection."""


class Pushes:
    """What was pushed, by caller: `specs` are the streamed ones, as long as their stream is open."""

    def __init__(self, server: ExternalServer, surroundings: Surroundings) -> None:
        self.specs: dict[Caller, tuple[MetricSpec, ...]] = {}
        self._server = server
        self._surroundings = surroundings
        self._active: set[Caller] = set()
        self._channels: dict[grpc.aio.Channel, int] = {}
        self._opening = asyncio.Lock()

    def take(self, caller: Caller) -> bool:
        """Whether the caller was pushed active since this was asked last."""
        if caller not in self._active:
            return False
        self._active.discard(caller)
        return True

    async def follow(self, caller: Caller, pushed: Callable[[], None]) -> None:
        """Follows both streams until one ends; a server that has not the one is followed by the other.

        Raises Unsupported where it has neither, and the error of a stream that is lost.
        """
        streams = [
            asyncio.ensure_future(self._activity(caller, pushed)),
            asyncio.ensure_future(self._changes(caller, pushed)),
        ]
        try:
            missing: list[Unsupported] = []
            while streams:
                done, _ = await asyncio.wait(streams, return_when=asyncio.FIRST_COMPLETED)
                for stream in done:
                    streams.remove(stream)
                    error = stream.exception()
                    if not isinstance(error, Unsupported):
                        return stream.result()
                    missing.append(error)
            raise missing[0]
        finally:
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, return_exceptions=True)
            self.specs.pop(caller, None)

    async def close(self) -> None:
        channels, self._channels = list(self._channels), {}
        for channel in channels:
            await channel.close()

    async def _activity(self, caller: Caller, pushed: Callable[[], None]) -> None:
        """A `true` counts until the trigger is measured next; a `false` is left to that measurement."""
        async for reply in self._stream("StreamIsActive", caller, wire.IsActiveResponse):
            if reply.result:
                self._active.add(caller)
                pushed()

    async def _changes(self, caller: Caller, pushed: Callable[[], None]) -> None:
        async for reply in self._stream("StreamMetricSpec", caller, wire.GetMetricSpecResponse):
            self.specs[caller] = read_specs(reply)
            pushed()

    async def _stream(self, method: str, caller: Caller, reply_type: Any) -> AsyncIterator[Any]:
        request = wire.ScaledObjectRef(
            name=caller.name, namespace=caller.namespace, scalerMetadata=dict(caller.metadata)
        )
        async with self._place() as channel:
            path = f"/externalscaler.ExternalScaler/{method}"
            call = channel.unary_stream(path, type(request).SerializeToString, reply_type.FromString)
            try:
                async for reply in call(request):
                    yield reply
            except grpc.aio.AioRpcError as error:
                raise told(error, f"follow {method}", self._server.label(), 0.0) from None

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel with room for one more stream; one that nobody uses any more is closed."""
        async with self._opening:
            channel = next(
                (one for one, count in self._channels.items() if count < STREAMS_PER_CONNECTION), None
            )
            if channel is None:
                channel = await open_channel(
                    self._server.address, self._server.tls, self._surroundings, on=self._server.label()
                )
                self._channels[channel] = 0
            self._channels[channel] += 1
        try:
            yield channel
        finally:
            if channel in self._channels:
                self._channels[channel] -= 1
                if self._channels[channel] == 0:
                    del self._channels[channel]
                    await channel.close()
