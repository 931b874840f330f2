"""A proxy in front of a real server, that can stall, cut and garble, count, and speak TLS for it."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

# The one before may end in a body without a line end.
HTTP_REQUEST = re.compile(rb"((?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /[^ \r\n]*) HTTP/1\.[01]\r\n")


class Proxy:
    """A TCP proxy. `mode` says what happens to what the server sends: pass, stall or garble.

    `cut_after` ends a connection in the middle, once so many bytes of the server's have passed on it.
    `turns` counts how often the client began to speak after silence or an answer: round trips.
    `requests` are the HTTP requests that passed, as `GET /path?query`, where the protocol is HTTP/1.
    `connections` counts those that were accepted, `open` those that are open now.
    `port` may be set before it runs. `heard` is set when the client speaks.
    With `tls` the client speaks TLS to it, and it plain to the server.
    """

    def __init__(self, target_port: int, tls: ssl.SSLContext | None = None) -> None:
        self.target_port = target_port
        self.tls = tls
        self.mode = "pass"
        self.cut_after: int | None = None
        self.connections = 0
        self.open = 0
        self.turns = 0
        self.requests: list[str] = []
        self.port = 0
        self.heard = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_client_speaking = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """End every connection at once, in the middle of whatever it does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_server}
        self.open += 1
        await asyncio.gather(self._from_client(reader, to_server), self._from_server(upstream, writer))
        self.open -= 1
        self._writers -= {writer, to_server}

    async def _from_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        unread = b""
        with suppress(OSError):
            while piece := await reader.read(65536):
                self.turns += not self._is_client_speaking
                self._is_client_speaking = True
                unread = self._count_requests(unread + piece)
                self.heard.set()
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    async def _from_server(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        with suppress(OSError):
            while piece := await reader.read(65536):
                if self.mode == "stall":
                    continue
                if self.mode == "garble":
                    piece = bytes(byte ^ 0x55 for byte in piece)
                if self.cut_after is not None and passed + len(piece) >= self.cut_after:
                    # Closed, not aborted: what passed must arrive.
                    writer.write(piece[: max(0, self.cut_after - passed)])
                    await writer.drain()
                    writer.close()
                    return
                passed += len(piece)
                self._is_client_speaking = False
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    def _count_requests(self, text: bytes) -> bytes:
        """What may be the beginning of a request's first line; the rest is counted."""
        self.requests += [found[1].decode(errors="replace") for found in HTTP_REQUEST.finditer(text)]
        return text[text.rfind(b"\n") :][-8192:] if b"\n" in text else text[-8192:]
