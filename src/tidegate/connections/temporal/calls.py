"""One call of a frontend's, on a connection that opens with the first and is dropped when it proves dead."""

from __future__ import annotations

from typing import Any

import grpc

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grpc_channel import open_channel, told
from tidegate.connections.temporal import task_queues_pb2 as wire
from tidegate.kit.systems.temporal import TemporalServer

SERVICE = "/temporal.api.workflowservice.v1.WorkflowService/"

_REPLIES: dict[str, Any] = {
    "DescribeTaskQueue": wire.DescribeTaskQueueResponse,
    "DescribeWorkerDeploymentVersion": wire.DescribeWorkerDeploymentVersionResponse,
    "CountWorkflowExecutions": wire.CountWorkflowExecutionsResponse,
}


class Lost(Unreachable):
    """No answer came at all: whatever is asked next will hardly get one either."""


class Calls:
    """Calls one frontend."""

    def __init__(self, server: TemporalServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._channel: grpc.aio.Channel | None = None
        self._is_connected = False

    @property
    def longest_s(self) -> float:
        """A call takes no longer: the first has to connect as well."""
        return max(self._surroundings.timeout_s, self._server.connect_s)

    async def open(self) -> None:
        """Before the first call; does nothing where it is open. Raises what `open_channel` raises."""
        if self._channel is None:
            server = self._server
            self._channel = await open_channel(
                server.address, server.tls, self._surroundings, on=server.label(), tls_name=server.tls_name
            )

    async def send(self, method: str, request: Any, attempted: str) -> Any:
        """The reply; raises one of the five."""
        assert self._channel is not None
        server, reply_type = self._server, _REPLIES[method]
        # Frontends and what stands before them route by the namespace.
        metadata = [("temporal-namespace", request.namespace)]
        if server.api_key:
            metadata.append(("authorization", f"Bearer {server.api_key}"))
        call = self._channel.unary_unary(
            SERVICE + method, type(request).SerializeToString, reply_type.FromString
        )
        bound_s = self._surroundings.timeout_s if self._is_connected else self.longest_s
        try:
            reply = await call(request, timeout=bound_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise self._told(error, attempted, bound_s) from None
        self._is_connected = True
        return reply

    async def close(self) -> None:
        """Safe when never opened, and safe twice; `open` opens anew."""
        channel, self._channel = self._channel, None
        self._is_connected = False
        if channel is not None:
            await channel.close()

    def _told(self, error: grpc.aio.AioRpcError, attempted: str, bound_s: float) -> TidegateError:
        secrets = (self._server.api_key,) if self._server.api_key else ()
        found = told(error, attempted, self._server.label(), bound_s, secrets=secrets)
        if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return found
        return Lost(attempted, on=found.on, answer=found.answer, next_step=found.next_step)
