"""The wire of one AMQP connection: methods out, methods in, heartbeats both ways, and how it ended."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import ClassVar, cast

from tidegate.connections.rabbitmq import frames
from tidegate.connections.rabbitmq.frames import Method

FRAME_BYTES = 131072
"""The largest frame that is taken; RabbitMQ's own limit."""

WAITING = 10_000
"""Methods that may lie here unread. We are never sent more than we asked for."""

_TLS_ALERT = (0x15, 0x03)


class Strange(Exception):
    """What came is not AMQP 0-9-1, or more than was asked for."""


class Encrypted(Exception):
    """The other side speaks TLS to us, who speak plain."""


class Closed(Exception):
    """The broker closed the connection: with a code and words, or (code 0) without."""

    def __init__(self, code: int = 0, words: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.words = words


class Wire(asyncio.Protocol):
    """`ended` says why nothing will come any more; None while the connection stands.

    `kinds` are the frames that may come: no contents, where nobody asks for messages. A frame of more than
    `longest` bytes is none.
    """

    kinds: ClassVar[tuple[int, ...]] = (frames.METHOD, frames.HEARTBEAT)
    longest: ClassVar[int] = FRAME_BYTES

    def __init__(self) -> None:
        self.ended: Exception | None = None
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._methods: deque[Method] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._beat: asyncio.TimerHandle | None = None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.ended is not None:
            return
        self._buffer += data
        try:
            self._take_frames()
        except (Closed, Encrypted) as end:
            self._end(end)
        except (Strange, struct.error, IndexError):
            self._end(Strange())
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or Closed())
        self._wake()

    # --- what a link does

    def send(self, data: bytes) -> None:
        if self._transport is not None and self.ended is None:
            self._transport.write(data)

    async def next(self) -> Method:
        """The next method. Raises Closed, Encrypted, Strange or an OSError when none will come."""
        while not self._methods:
            if self.ended is not None:
                raise self.ended
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._methods.popleft()

    def at_hand(self) -> Method | None:
        """A method that has come already."""
        return self._methods.popleft() if self._methods else None

    @property
    def is_quiet(self) -> bool:
        """Whether it stands, and nothing has come that nobody asked for."""
        return self.ended is None and not self._methods

    def beat_every(self, seconds: float) -> None:
        """Tell the broker from now on that we are alive; it would hang up otherwise."""
        if seconds > 0:
            self._beat = asyncio.get_running_loop().call_later(seconds, self._send_beat, seconds)

    def abort(self) -> None:
        """Hang up at once, without a goodbye."""
        if self._beat is not None:
            self._beat.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- inside

    def _send_beat(self, seconds: float) -> None:
        if self.ended is None:
            self.send(frames.BEAT)
            self.beat_every(seconds)

    def _take_frames(self) -> None:
        size_of_head = frames.HEAD.size
        place = 0
        view = self._buffer
        while len(view) - place >= size_of_head:
            kind, channel, size = frames.HEAD.unpack_from(view, place)
            if (kind, channel >> 8) == _TLS_ALERT:
                raise Encrypted
            if kind not in self.kinds or size > self.longest:
                raise Strange
            end = place + size_of_head + size
            if len(view) <= end:
                break
            if view[end] != frames.END:
                raise Strange
            if kind == frames.METHOD:
                self._take(frames.as_method(channel, bytes(view[place + size_of_head : end])))
            elif kind != frames.HEARTBEAT:
                self._take_part(kind, channel, bytes(view[place + size_of_head : end]))
            place = end + 1
        del self._buffer[:place]

    def _take(self, method: Method) -> None:
        if method.id == frames.CLOSE:
            code, words = frames.closing(method.fields)
            self.send(frames.method(0, frames.CLOSE_OK))
            raise Closed(code, words)
        if len(self._methods) >= WAITING:
            raise Strange
        self._methods.append(method)

    def _take_part(self, kind: int, channel: int, payload: bytes) -> None:
        """A part of a message, for those who take messages."""
        raise Strange

    def _end(self, why: Exception) -> None:
        if self.ended is None:
            self.ended = why
            self._buffer.clear()
            self.abort()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
