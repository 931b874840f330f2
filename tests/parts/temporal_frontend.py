"""A frontend of the tests for what the dev server never says: refusals, old answers, huge ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc


class Frontend:
    """Answers every call with `reply`, or ends it with `status` and `reason`.

    `seen` keeps the method and the metadata of each, `most` is how many were under way at a time.
    """

    def __init__(self, reply: Any = None, status: grpc.StatusCode | None = None, reason: str = "") -> None:
        self.reply, self.status, self.reason = reply, status, reason
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.delay_s = 0.0
        self.peers: set[str] = set()
        self.under_way = 0
        self.most = 0
        self.port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self, credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[Frontend]:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_All(self),))
        if credentials is None:
            self.port = server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        try:
            yield self
        finally:
            await server.stop(0)

    async def answer(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.peers.add(context.peer())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.under_way -= 1
        if self.status is not None:
            await context.abort(self.status, self.reason)
        return self.reply.SerializeToString() if self.reply is not None else b""


class _All(grpc.GenericRpcHandler):
    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        metadata = dict(details.invocation_metadata)
        self._frontend.seen.append((details.method.rpartition("/")[2], metadata))
        return grpc.unary_unary_rpc_method_handler(self._frontend.answer)
