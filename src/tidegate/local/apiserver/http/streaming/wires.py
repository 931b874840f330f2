"""A connection after its upgrade, as bytes in both directions: the raw one, or a websocket's messages."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Protocol

from aiohttp import WSMsgType, web

from tidegate.kube.responses import STREAM

WRITE_S = 600.0
LINGER_S = 5.0
READ_BYTES = 256 * 1024


class Wire(Protocol):
    """A failure of either is a ConnectionError or a TimeoutError."""

    async def read(self) -> bytes:
        """What has come; b"" when the other side has ended."""

    async def write(self, content: bytes) -> None:
        """Waits while the other side takes nothing, but not for ever."""


class RawWire:
    """The connection itself, after an answer 101. It is paused while what has come is not read."""

    def __init__(self, response: web.StreamResponse, transport: asyncio.Transport) -> None:
        self._response = response
        self._transport = transport
        self._held = bytearray()
        self._news = asyncio.Event()
        self._has_ended = False

    async def read(self) -> bytes:
        while not self._held:
            if self._has_ended:
                return b""
            self._news.clear()
            await self._news.wait()
        content = bytes(self._held)
        self._held.clear()
        if not self._transport.is_closing():
            self._transport.resume_reading()
        return content

    async def write(self, content: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await self._response.write(content)

    def feed_data(self, content: bytes) -> tuple[bool, bytes]:
        """What aiohttp has read from the connection."""
        self._held += content
        self._news.set()
        if len(self._held) >= READ_BYTES:
            self._transport.pause_reading()
        return False, b""

    def feed_eof(self) -> None:
        self._has_ended = True
        self._news.set()


class MessageWire:
    """A websocket whose binary messages carry the bytes."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        async for message in self._socket:
            if message.type is WSMsgType.BINARY and message.data:
                return bytes(message.data)
        return b""

    async def write(self, content: bytes) -> None:
        async with asyncio.timeout(WRITE_S):
            await self._socket.send_bytes(content)

    async def close(self) -> None:
        with suppress(ConnectionError, TimeoutError):
            await self._socket.close()


async def upgraded(request: web.Request, upgrade: str, headers: dict[str, str]) -> RawWire:
    """Answers 101; what follows on the connection is no HTTP any more."""
    response = web.StreamResponse(
        status=101, headers={"Connection": "Upgrade", "Upgrade": upgrade, **headers}
    )
    response.force_close()
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    wire = RawWire(response, transport)
    request.protocol.set_parser(wire)  # type: ignore[arg-type]
    await response.prepare(request)
    request[STREAM] = response
    return wire
