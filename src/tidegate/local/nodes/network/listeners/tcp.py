"""A TCP listener that passes connections on: to one of several addresses, byte by byte, both ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

CONNECT_S = 5.0
RESET = struct.pack("ii", 1, 0)  # linger on, for no time
Address = tuple[str, int]
Connect = Callable[[str, int], Awaitable[socket.socket]]


class Listener:
    """`targets` may be replaced while it listens; connections that are open stay. `sides` holds those.

    `connect` makes the connections to targets.
    """

    def __init__(self, sides: set[Side], connect: Connect) -> None:
        self.targets: list[Address] = []
        self._sides = sides
        self._connect_to = connect
        self._next = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, at: Address) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Side(self._sides, self._accept), *at)

    def _accept(self, client: Side) -> None:
        task = asyncio.create_task(self._connect(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: Side) -> None:
        """To the next target in turn that takes the connection; when none does, the client is reset."""
        loop = asyncio.get_running_loop()
        for _ in range(len(self.targets)):
            target = self.targets[self._next % len(self.targets)]
            self._next += 1
            with suppress(OSError):
                async with asyncio.timeout(CONNECT_S):
                    made = await self._connect_to(*target)
                    try:
                        _, pod = await loop.create_connection(lambda: Side(self._sides), sock=made)
                    except BaseException:
                        made.close()
                        raise
                client.join(pod)
                return
        client.abort()

    def close(self) -> None:
        """Refuses from now on; what is connected stays until both ends have closed."""
        if self._server is not None:
            self._server.close()
            self._server = None


class Side(asyncio.Protocol):
    """One end of a forwarded connection; passes on bytes, ends and pressure to the other."""

    def __init__(self, sides: set[Side], on_accept: Callable[[Side], None] | None = None) -> None:
        self._sides = sides
        self._on_accept = on_accept
        self._transport: asyncio.Transport | None = None
        self._other: Side | None = None
        # uvloop starts reading after connection_made whatever was said there: what comes before the
        # other end exists is kept, and no more is read.
        self._early: list[bytes] = []
        self._has_ended = False
        self._is_lost = False

    @property
    def _open(self) -> asyncio.Transport | None:
        """The transport, while something may still be asked of it."""
        transport = self._transport
        return None if transport is None or self._is_lost or transport.is_closing() else transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports keep the interface without inheriting from it.
        self._transport = cast(asyncio.Transport, transport)
        self._sides.add(self)
        self._transport.pause_reading()
        if self._on_accept is not None:
            self._on_accept(self)

    def join(self, other: Side) -> None:
        self._other, other._other = other, self
        for one in (self, other):
            early, one._early = one._early, []
            for chunk in early:
                one.data_received(chunk)
            if one._has_ended:
                one.eof_received()
            if one._is_lost:
                one.connection_lost(None)
            elif one._open:
                one._open.resume_reading()

    def abort(self) -> None:
        """Resets the connection, so that its other end never takes it for one that ended well."""
        if self._transport is not None:
            if self._open and (own := self._transport.get_extra_info("socket")) is not None:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self._transport.abort()

    def data_received(self, chunk: bytes) -> None:
        if self._other is None:
            self._early.append(chunk)
            if self._open:
                self._open.pause_reading()
        elif self._other._open:
            self._other._open.write(chunk)

    def eof_received(self) -> bool:
        """One direction has ended; the connection has when both have."""
        self._has_ended = True
        if self._other is not None and self._other._open:
            if self._other._has_ended:
                self._other._open.close()
                if self._open:
                    self._open.close()
            else:
                self._other._open.write_eof()
        return True

    def pause_writing(self) -> None:
        if self._other is not None and self._other._open:
            self._other._open.pause_reading()

    def resume_writing(self) -> None:
        if self._other is not None and self._other._open:
            self._other._open.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        self._sides.discard(self)
        if self._other is not None and self._other._open:
            self._other._open.close()
