"""The standard health check of a gRPC server, without TLS, over a connection that the caller opens.

Source: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tidegate.base.errors import Malformed, Unreachable, Unsupported
from tidegate.connections.grpc_channel import quiet

CHECK = "/grpc.health.v1.Health/Check"
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
CHUNK_BYTES = 65_536
REPLY_BYTES = 10_240
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def check(
    authority: str, service: str, agent: str, timeout_s: float, dial: Callable[[], Awaitable[Streams]]
) -> str:
    """One of `STATUSES`. Unsupported: the server has no health service; Unreachable: no answer in time.

    OSError of `dial` is raised as it is. ModuleNotFoundError without grpcio.
    """
    quiet()
    import grpc

    options = [
        ("grpc.default_authority", authority),
        ("grpc.primary_user_agent", agent),
        ("grpc.max_receive_message_length", REPLY_BYTES),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
    ]
    async with (
        _lent(await dial()) as place,
        grpc.aio.insecure_channel(f"unix:{place}", options=options) as channel,
    ):
        try:
            reply = await channel.unary_unary(CHECK)(_request(service), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                raise Unsupported("check", on=authority, answer=str(error.details())) from error
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return "SERVICE_UNKNOWN"
            raise Unreachable("check", on=authority, answer=error.code().name) from error
    return _status(bytes(reply), authority)


def _request(service: str) -> bytes:
    """HealthCheckRequest: the service's name is field 1, left out when empty."""
    name = service.encode()
    length, size = bytearray(), len(name)
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"\x0a" + bytes(length) + name if name else b""


def _status(reply: bytes, authority: str) -> str:
    """HealthCheckResponse: the status is field 1, and the first one is left out."""
    if not reply:
        return STATUSES[0]
    if len(reply) != 2 or reply[0] != 0x08 or reply[1] >= len(STATUSES):
        raise Malformed("check", on=authority, answer="not a HealthCheckResponse")
    return STATUSES[reply[1]]


@asynccontextmanager
async def _lent(streams: Streams) -> AsyncIterator[Path]:
    """A socket file for gRPC, which takes no connection that is open already: it leads to this one."""
    reader, writer = streams
    copies: list[asyncio.Task[None]] = []

    def serve(inner_reader: asyncio.StreamReader, inner_writer: asyncio.StreamWriter) -> None:
        if copies:
            inner_writer.close()
            return
        copies.append(asyncio.create_task(_copy(inner_reader, writer)))
        copies.append(asyncio.create_task(_copy(reader, inner_writer)))

    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        place = Path(folder) / "s"
        server = await asyncio.start_unix_server(serve, place)
        try:
            yield place
        finally:
            server.close()
            for copy in copies:
                copy.cancel()
            await asyncio.gather(*copies, return_exceptions=True)
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while chunk := await source.read(CHUNK_BYTES):
            target.write(chunk)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()
