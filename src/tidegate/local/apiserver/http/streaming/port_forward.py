"""Forwarded ports: pairs of streams, each pair a connection to a port of the pod.

Sources: Kubernetes' `portforward.k8s.io` (SPDY), and its `SPDY/3.1+portforward.k8s.io` over a websocket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.http.streaming.spdy import Connection, Stream
from tidegate.local.apiserver.http.streaming.wires import Wire

PROTOCOL = "portforward.k8s.io"
TUNNEL = f"SPDY/3.1+{PROTOCOL}"
CHUNK_BYTES = 64 * 1024
CONNECT_S = 30.0
# Between the two streams of a pair, as Kubernetes waits.
PAIR_S = 30.0

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[int], Awaitable[Ends]]


@dataclass(slots=True)
class _Pair:
    error: Stream | None = None
    data: Stream | None = None
    late: asyncio.TimerHandle | None = None


class PortForward:
    """`dial` connects to a port of the pod: OSError where nobody listens, ApiError when the pod is over."""

    def __init__(self, wire: Wire, dial: Dial) -> None:
        self._connection = Connection(wire, self._on_stream)
        self._dial = dial
        self._pairs: dict[str, _Pair] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, pod_is_over: Awaitable[None]) -> None:
        """Until the client leaves or the pod is over; all connections end with it."""
        ends = [asyncio.ensure_future(one) for one in (self._connection.run(), pod_is_over)]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pair in self._pairs.values():
                if pair.late is not None:
                    pair.late.cancel()
            tasks = [*ends, *self._tasks]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _on_stream(self, stream: Stream) -> bool:
        name, kind = stream.headers.get("requestid", ""), stream.headers.get("streamtype", "")
        if kind not in ("error", "data") or not _port(stream):
            return False
        pair = self._pairs.setdefault(name, _Pair())
        if (pair.error if kind == "error" else pair.data) is not None:
            return False
        if kind == "error":
            pair.error = stream
        else:
            pair.data = stream
        if pair.error is not None and pair.data is not None:
            del self._pairs[name]
            if pair.late is not None:
                pair.late.cancel()
            self._start(self._forward(pair.error, pair.data))
        else:
            pair.late = asyncio.get_running_loop().call_later(PAIR_S, self._give_up, name)
        return True

    def _give_up(self, name: str) -> None:
        pair = self._pairs.pop(name, _Pair())
        for stream in (pair.error, pair.data):
            if stream is not None:
                stream.abandon()
                self._start(stream.finish())

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, error: Stream, data: Stream) -> None:
        try:
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await self._dial(_port(data))
            except (OSError, ApiError) as failure:
                why = failure.message if isinstance(failure, ApiError) else _told(failure)
                told = f"error forwarding port {_port(data)}: {why}"
                with contextlib.suppress(ConnectionError, TimeoutError):
                    await error.write(told.encode())
                return
            await _copied(data, reader, writer)
        finally:
            for stream in (error, data):
                stream.abandon()
                await stream.finish()


async def _copied(data: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Both directions, until the pod has ended its own; a client that ends its half still gets the rest."""
    to_pod = asyncio.ensure_future(_to_pod(data, writer))
    try:
        with contextlib.suppress(ConnectionError, TimeoutError, OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await data.write(chunk)
    finally:
        to_pod.cancel()
        await asyncio.gather(to_pod, return_exceptions=True)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _to_pod(data: Stream, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await data.read():
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


def _port(stream: Stream) -> int:
    """0 for what is no port."""
    text = stream.headers.get("port", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < 65_536 else 0


def _told(failure: OSError) -> str:
    if isinstance(failure, TimeoutError):
        return "it takes too long"
    return os.strerror(failure.errno) if failure.errno else type(failure).__name__
