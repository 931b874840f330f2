"""A remote command's websocket: numbered channels in one connection.

Each binary message begins with its channel's number. The fifth version of the protocol adds a
message that closes a channel, so that a command sees the end of its input.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from aiohttp import WSMsgType, web

from tidegate.kube.responses import encode
from tidegate.local.apiserver.http.streaming.channels import SIZE_BYTES, sizes_of, status_of
from tidegate.local.apiserver.http.streaming.wires import WRITE_S
from tidegate.local.apiserver.paths import flag
from tidegate.local.streams import Size

STDIN, STDOUT, STDERR, STATUS, RESIZE = 0, 1, 2, 3, 4
CLOSE_CHANNEL = 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
MESSAGE_BYTES = 4 * 1024 * 1024
STDIN_MESSAGES = 64
SIZES = 16


class Session:
    """One command's streams. A stream the client did not ask for is empty, or swallowed."""

    def __init__(self, socket: web.WebSocketResponse, query: Mapping[str, str]) -> None:
        self.is_terminal = flag(query, "tty")
        self._has_stdout = flag(query, "stdout")
        self._has_stderr = flag(query, "stderr") and not self.is_terminal
        self._socket = socket
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(STDIN_MESSAGES)
        self.stdin: AsyncIterator[bytes] | None = self._read_input() if flag(query, "stdin") else None
        self._sizes: asyncio.Queue[bytes] = asyncio.Queue(SIZES)
        self.sizes: AsyncIterator[Size] | None = sizes_of(self._read_sizes()) if self.is_terminal else None

    async def stdout(self, chunk: bytes) -> None:
        if self._has_stdout:
            await self._send(STDOUT, chunk)

    async def stderr(self, chunk: bytes) -> None:
        if self._has_stderr:
            await self._send(STDERR, chunk)
        elif self.is_terminal:
            await self.stdout(chunk)

    async def run(self, command: Coroutine[Any, Any, int]) -> None:
        """Carries the streams until the command ends or the client leaves, which ends the command."""
        running = asyncio.create_task(status_of(command))
        listening = asyncio.create_task(self._listen())
        try:
            await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                with contextlib.suppress(ConnectionError, TimeoutError):
                    await self._send(STATUS, encode(running.result()))
        finally:
            for task in (running, listening):
                task.cancel()
            await asyncio.gather(running, listening, return_exceptions=True)
        with contextlib.suppress(ConnectionError, TimeoutError):
            await self._socket.close()

    async def _listen(self) -> None:
        """Passes input on until the client leaves. A full input makes the client wait."""
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, content = message.data[0], message.data[1:]
            if channel == STDIN and content:
                await self._put_input(content)
            elif channel == RESIZE and self.is_terminal:
                if self._sizes.full():
                    # The newest is the one that counts.
                    self._sizes.get_nowait()
                self._sizes.put_nowait(content[:SIZE_BYTES])
            elif channel == CLOSE_CHANNEL and content[:1] == bytes([STDIN]):
                await self._put_input(None)

    async def _put_input(self, content: bytes | None) -> None:
        if self.stdin is not None:
            await self._input.put(content)

    async def _read_input(self) -> AsyncIterator[bytes]:
        while (content := await self._input.get()) is not None:
            yield content

    async def _read_sizes(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._sizes.get()

    async def _send(self, channel: int, content: bytes) -> None:
        """Waits while the client takes nothing, but not for ever."""
        if content:
            async with asyncio.timeout(WRITE_S):
                await self._socket.send_bytes(bytes([channel]) + content)
