"""A proxy in front of a real server, that can stall, cut and garble."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Proxy:
    """A TCP proxy. `mode` says what happens to what the server sends: pass, stall or garble.

    `turns` counts how often the client began to speak after silence or an answer: round trips.
    `heard` is set when the client speaks.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.mode = "pass"
        self.connections = 0
        self.turns = 0
        self.port = 0
        self.heard = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_client_speaking = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
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
        await asyncio.gather(self._pump(reader, to_server, True), self._pump(upstream, writer, False))
        self._writers -= {writer, to_server}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_client: bool
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if is_client:
                    self.turns += not self._is_client_speaking
                    self._is_client_speaking = True
                    self.heard.set()
                elif self.mode == "stall":
                    continue
                elif self.mode == "garble":
                    piece = bytes(byte ^ 0x55 for byte in piece)
                if not is_client:
                    self._is_client_speaking = False
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()
