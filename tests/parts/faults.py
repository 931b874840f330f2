"""Bad servers on loopback, each one line for a test:

    async with faults.silent() as bad:
        with pytest.raises(Unreachable, match=bad.address):
            await connect(bad.address).answer(questions)

`UNREACHABLE` are the ones every adapter answers with `Unreachable`, for `parametrize`. A name that does not
resolve is `NOWHERE`. What a real server does in the middle of an answer (stall, cut, garble) is
`parts.proxy`; TLS spoken to a plain port is the real server's port itself.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache

import trustme

from parts.proxy import Proxy

NOWHERE = "nowhere.invalid"
TEN_MEGABYTES = 10_000_000


class Bad:
    """A bad server: where it is, and what it was sent."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.heard = b""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _serving(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Bad]:
    """Calls `reply` with each piece that a client sends; the connection ends when the reply closes it."""
    bad, writers = Bad(), set[asyncio.StreamWriter]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bad.connections += 1
        writers.add(writer)
        with suppress(OSError):
            while not writer.is_closing() and (piece := await reader.read(65536)):
                bad.heard += piece
                await reply(piece, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    bad.port = server.sockets[0].getsockname()[1]
    try:
        yield bad
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def nobody() -> AsyncIterator[Bad]:
    """A port that is taken, so that no other test gets it, and where nobody listens."""
    bad = Bad()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        bad.port = taken.getsockname()[1]
        yield bad


@asynccontextmanager
async def silent() -> AsyncIterator[Bad]:
    """Accepts, reads, and never answers."""

    async def reply(piece: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    async with _serving(reply) as bad:
        yield bad


@asynccontextmanager
async def hanging_up() -> AsyncIterator[Bad]:
    """Accepts, and ends the connection when it is spoken to."""

    async def reply(piece: bytes, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with _serving(reply) as bad:
        yield bad


@asynccontextmanager
async def saying(text: bytes, *, is_closing: bool = False) -> AsyncIterator[Bad]:
    """Says the same to whatever it is sent: another protocol, an error, half an answer."""

    async def reply(piece: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        if is_closing:
            writer.close()

    async with _serving(reply) as bad:
        yield bad


@asynccontextmanager
async def answering(
    body: bytes = b"{}", status: str = "200 OK", kind: str = "application/json", *headers: str
) -> AsyncIterator[Bad]:
    """Answers each HTTP request with this; a request's own body must come with its head."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    async with saying("\r\n".join([*lines, "", ""]).encode() + body) as bad:
        yield bad


@asynccontextmanager
async def huge(before: bytes = b'["', after: bytes = b'"]', size: int = TEN_MEGABYTES) -> AsyncIterator[Bad]:
    """Answers each HTTP request with ten megabytes of right JSON, in chunks: no length says so beforehand."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"x" * 100_000

    async def reply(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for part in (before, *(piece,) * (size // len(piece)), after):
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    async with _serving(reply) as bad:
        yield bad


@cache
def authority() -> trustme.CA:
    """An authority of the tests; clients trust `authority().cert_pem.bytes().decode()`."""
    return trustme.CA()


def server_tls(*names: str, is_client_asked: bool = False) -> ssl.SSLContext:
    """What a server speaks TLS with, under these names (127.0.0.1 and localhost without any)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    if is_client_asked:
        authority().configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def tls_only() -> AsyncIterator[Bad]:
    """Speaks TLS, and nothing after it; for a client that speaks plain to it."""

    async def reply(piece: bytes, writer: asyncio.StreamWriter) -> None:
        pass

    async with _serving(reply, server_tls()) as bad:
        yield bad


@asynccontextmanager
async def in_tls(port: int, *names: str, is_client_asked: bool = False) -> AsyncIterator[Proxy]:
    """A plain server behind TLS: right for who trusts `authority()`, wrong for others and for other names."""
    async with Proxy(port, server_tls(*names, is_client_asked=is_client_asked)).running() as front:
        yield front


UNREACHABLE = (nobody, silent, hanging_up, tls_only)
