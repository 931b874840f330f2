"""The adapter for one external scaler: all calls of a round side by side on one HTTP/2 connection."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

import grpc

from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.external import externalscaler_pb2 as wire
from tidegate.connections.external.metric_specs import checked, read_specs
from tidegate.connections.external.pushes import Pushes
from tidegate.connections.grpc_channel import open_channel, told
from tidegate.kit.question import Question
from tidegate.kit.systems.external import (
    Caller,
    ExternalActivity,
    ExternalPushes,
    ExternalServer,
    ExternalSpecs,
    ExternalValue,
)

SERVICE = "/externalscaler.ExternalScaler/"
CALLS_AT_ONCE = 100


class ExternalConnection:
    """Calls one server. Specs that it streams take the place of asking for them."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: ExternalServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._channel: grpc.aio.Channel | None = None
        self._pushes = Pushes(server, surroundings)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        deadline = asyncio.get_running_loop().time() + self._surroundings.timeout_s
        channel = await self._opened()
        places = asyncio.Semaphore(CALLS_AT_ONCE)

        async def one(question: Any) -> Any:
            async with places:
                try:
                    return await self._one(channel, question, deadline)
                except TidegateError as error:
                    return error

        answers = await asyncio.gather(*(one(question) for question in questions))
        if all(isinstance(answer, Unreachable) for answer in answers):
            # Whatever it is dialled anew next time: another address, another certificate.
            await self._close_channel()
            raise answers[0]
        return answers

    async def watch(self, question: ExternalPushes, pushed: Callable[[], None]) -> None:
        await self._pushes.follow(question.caller, pushed)

    async def close(self) -> None:
        await self._close_channel()
        await self._pushes.close()

    async def _opened(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = await open_channel(
                self._server.address, self._server.tls, self._surroundings, on=self._server.label()
            )
        return self._channel

    async def _close_channel(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()

    async def _one(self, channel: grpc.aio.Channel, question: Any, deadline: float) -> Any:
        caller: Caller = question.caller
        if isinstance(question, ExternalSpecs):
            streamed = self._pushes.specs.get(caller)
            if streamed is None:
                reply = await self._call(channel, "GetMetricSpec", reference(caller), deadline)
                streamed = read_specs(reply)
            return checked(streamed, self._server.label())
        if isinstance(question, ExternalValue):
            request = wire.GetMetricsRequest(scaledObjectRef=reference(caller), metricName=question.metric)
            reply = await self._call(channel, "GetMetrics", request, deadline)
            return self._value(reply, question.metric)
        if isinstance(question, ExternalActivity):
            was_pushed = self._pushes.take(caller)
            reply = await self._call(channel, "IsActive", reference(caller), deadline)
            return bool(reply.result) or was_pushed
        raise TypeError(f"no answer to {type(question).__name__}")

    async def _call(self, channel: grpc.aio.Channel, method: str, request: Any, deadline: float) -> Any:
        reply_type, attempted = REPLIES[method], f"call {method}"
        rest_s = max(0.0, deadline - asyncio.get_running_loop().time())
        call = channel.unary_unary(SERVICE + method, type(request).SerializeToString, reply_type.FromString)
        try:
            return await call(request, timeout=rest_s)
        except grpc.aio.AioRpcError as error:
            raise told(error, attempted, self._server.label(), self._surroundings.timeout_s) from None

    def _value(self, reply: wire.GetMetricsResponse, metric: str) -> float:
        numbers = [one.metricValueFloat or float(one.metricValue) for one in reply.metricValues]
        total = math.fsum(numbers) if all(map(math.isfinite, numbers)) else math.nan
        if not numbers or math.isnan(total):
            raise Malformed(
                f'read metric "{metric}"',
                on=self._server.label(),
                answer="its value is not a finite number" if numbers else "the reply holds no value",
            )
        return total


REPLIES: dict[str, Any] = {
    "GetMetricSpec": wire.GetMetricSpecResponse,
    "GetMetrics": wire.GetMetricsResponse,
    "IsActive": wire.IsActiveResponse,
}


def reference(caller: Caller) -> wire.ScaledObjectRef:
    return wire.ScaledObjectRef(
        name=caller.name, namespace=caller.namespace, scalerMetadata=dict(caller.metadata)
    )
