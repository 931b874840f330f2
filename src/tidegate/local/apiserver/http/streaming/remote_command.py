"""A remote command over SPDY: one stream for each purpose, and its end on the stream of errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from tidegate.kube.responses import encode
from tidegate.local.apiserver.http.streaming.channels import sizes_of, status_of
from tidegate.local.apiserver.http.streaming.spdy import Connection, Stream
from tidegate.local.apiserver.http.streaming.wires import LINGER_S, Wire
from tidegate.local.apiserver.paths import flag
from tidegate.local.streams import Size

# The newest that kubectl speaks over SPDY; its end of input is the stream's own.
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
OPEN_S = 30.0


class SpdySession:
    """See `websocket_channels.Session`: the same streams, in another dress."""

    def __init__(self, wire: Wire, query: Mapping[str, str]) -> None:
        self.is_terminal = flag(query, "tty")
        purposes = {
            "error": True,
            "stdin": flag(query, "stdin"),
            "stdout": flag(query, "stdout"),
            "stderr": flag(query, "stderr") and not self.is_terminal,
            "resize": self.is_terminal,
        }
        self._wanted = {purpose for purpose, is_wanted in purposes.items() if is_wanted}
        self._streams: dict[str, Stream] = {}
        self._are_open = asyncio.Event()
        self._connection = Connection(wire, self._on_stream)
        self.stdin: AsyncIterator[bytes] | None = self._read("stdin") if purposes["stdin"] else None
        self.sizes: AsyncIterator[Size] | None = sizes_of(self._read("resize")) if self.is_terminal else None

    async def stdout(self, chunk: bytes) -> None:
        if "stdout" in self._streams:
            await self._streams["stdout"].write(chunk)

    async def stderr(self, chunk: bytes) -> None:
        if "stderr" in self._streams:
            await self._streams["stderr"].write(chunk)
        elif self.is_terminal:
            await self.stdout(chunk)

    async def run(self, command: Coroutine[Any, Any, int]) -> None:
        """Carries the streams until the command ends or the client leaves, which ends the command."""
        listening = asyncio.create_task(self._connection.run())
        running = asyncio.create_task(self._started(command))
        try:
            await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
            if running.done() and not listening.done():
                await self._end(running.result())
                # What is still on its way to us would cut what is on its way to the client.
                await asyncio.wait([listening], timeout=LINGER_S)
        finally:
            for task in (running, listening):
                task.cancel()
            await asyncio.gather(running, listening, return_exceptions=True)

    async def _started(self, command: Coroutine[Any, Any, int]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(OPEN_S):
                await self._are_open.wait()
        except BaseException as error:
            command.close()
            if isinstance(error, TimeoutError):
                return None
            raise
        return await status_of(command)

    async def _end(self, status: dict[str, Any] | None) -> None:
        for purpose in ("stdin", "resize"):
            if purpose in self._streams:
                self._streams[purpose].abandon()
        if status is not None:
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._streams["error"].write(encode(status))
        for stream in self._streams.values():
            await stream.finish()

    def _on_stream(self, stream: Stream) -> bool:
        purpose = stream.headers.get("streamtype", "")
        if purpose not in self._wanted or purpose in self._streams:
            return False
        self._streams[purpose] = stream
        if self._wanted == self._streams.keys():
            self._are_open.set()
        return True

    async def _read(self, purpose: str) -> AsyncIterator[bytes]:
        while chunk := await self._streams[purpose].read():
            yield chunk
