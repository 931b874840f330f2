"""A gRPC server of ours on loopback that answers what a test says, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

Reply = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


@dataclass
class GrpcFake:
    """`replies` are by the whole path of a method; `seen` has the path and the metadata of each call."""

    replies: dict[str, Reply]
    port: int = 0
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def calls(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _ in self.seen]


class _Service(grpc.GenericRpcHandler):
    def __init__(self, fake: GrpcFake) -> None:
        self._fake = fake

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        self._fake.seen.append((details.method, dict(details.invocation_metadata)))
        reply = self._fake.replies.get(details.method)
        return grpc.unary_unary_rpc_method_handler(reply) if reply is not None else None


@asynccontextmanager
async def grpc_answering(replies: dict[str, Reply], *, port: int = 0) -> AsyncIterator[GrpcFake]:
    """A server while the block is."""
    fake = GrpcFake(replies)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Service(fake),))
    fake.port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield fake
    finally:
        await server.stop(0)
