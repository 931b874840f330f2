"""One connection that speaks SPDY/3.1, as the side that accepts streams.

The Go client sends no WINDOW_UPDATE, so windows are not kept: a stream that nobody reads holds a bounded
amount, and then the connection waits; TCP does the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from tidegate.local.apiserver.http.streaming.spdy_frames import (
    CANCEL,
    REFUSED_STREAM,
    BadFrame,
    Content,
    Decoder,
    Dropped,
    Encoder,
    Frame,
    Opened,
    Ping,
)
from tidegate.local.apiserver.http.streaming.wires import WRITE_S, Wire

STREAMS_MAX = 512
HELD_MAX = 1024 * 1024
PIECE_BYTES = 32 * 1024


class Stream:
    """One stream of a connection; both sides may end their half."""

    def __init__(self, connection: Connection, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._connection = connection
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.has_ended = False
        self.is_finished = False

    async def read(self) -> bytes:
        """The next bytes; b"" when the other side has ended."""
        while not self._chunks:
            if self.has_ended:
                return b""
            self._news.clear()
            await self._news.wait()
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._held < HELD_MAX:
            self._room.set()
        return chunk

    async def write(self, content: bytes) -> None:
        """ConnectionError when the other side has dropped the stream, or is gone."""
        for start in range(0, len(content), PIECE_BYTES):
            if self.is_finished:
                raise ConnectionResetError("the client has dropped the stream")
            await self._connection.send(self.number, content[start : start + PIECE_BYTES])

    async def finish(self) -> None:
        """No more will be written. Safe twice, and when the connection is gone."""
        if not self.is_finished:
            self.is_finished = True
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._connection.send(self.number, b"", is_last=True)
        self._connection.let_go(self)

    async def take(self, content: bytes, *, is_last: bool) -> None:
        """What has come for it; waits while it holds too much."""
        if content and not self.has_ended:
            self._chunks.append(content)
            self._held += len(content)
            if self._held >= HELD_MAX:
                self._room.clear()
        if is_last:
            self.end()
        self._news.set()
        if not self.is_finished or self._chunks:
            async with asyncio.timeout(WRITE_S):
                await self._room.wait()

    def end(self, *, is_dropped: bool = False) -> None:
        """The other side has ended; dropped: it takes nothing more either."""
        self.has_ended = True
        if is_dropped:
            self.is_finished = True
            self._chunks.clear()
            self._held = 0
        if is_dropped or self.is_finished:
            self._room.set()
            self._connection.let_go(self)
        self._news.set()

    def abandon(self) -> None:
        """Nobody will read it any more: what it holds is dropped, and what comes."""
        self._chunks.clear()
        self._held = 0
        self.has_ended = True
        self._room.set()
        self._news.set()


class Connection:
    """`on_stream` is called with each new stream, and decides by returning whether it is wanted."""

    def __init__(self, wire: Wire, on_stream: Callable[[Stream], bool]) -> None:
        self._wire = wire
        self._on_stream = on_stream
        self._streams: dict[int, Stream] = {}
        self._newest = 0
        self._encoder = Encoder()

    async def run(self) -> None:
        """Until the other side ends, or says what makes no sense. The streams end with it."""
        decoder = Decoder()
        try:
            while content := await self._wire.read():
                for frame in decoder.feed(content):
                    await self._handle(frame)
        except (BadFrame, ConnectionError, TimeoutError):
            with contextlib.suppress(ConnectionError, TimeoutError):
                await self._wire.write(self._encoder.leaving(self._newest))
        finally:
            for stream in list(self._streams.values()):
                stream.end(is_dropped=True)

    async def send(self, number: int, content: bytes, *, is_last: bool = False) -> None:
        await self._wire.write(self._encoder.content(number, content, is_last=is_last))

    def let_go(self, stream: Stream) -> None:
        """Forgets a stream whose halves have both ended."""
        if stream.has_ended and stream.is_finished:
            self._streams.pop(stream.number, None)

    async def _handle(self, frame: Frame) -> None:
        if isinstance(frame, Opened):
            await self._open(frame)
        elif isinstance(frame, Content):
            stream = self._streams.get(frame.stream)
            if stream is not None:
                await stream.take(frame.content, is_last=frame.is_last)
        elif isinstance(frame, Dropped):
            stream = self._streams.get(frame.stream)
            if stream is not None:
                stream.end(is_dropped=True)
        elif isinstance(frame, Ping):
            await self._wire.write(self._encoder.ping(frame.number))

    async def _open(self, frame: Opened) -> None:
        if frame.stream % 2 == 0 or frame.stream <= self._newest:
            raise BadFrame(f"a stream with the number {frame.stream} after {self._newest}")
        self._newest = frame.stream
        if len(self._streams) >= STREAMS_MAX:
            await self._wire.write(self._encoder.dropped(frame.stream, REFUSED_STREAM))
            return
        stream = Stream(self, frame.stream, frame.headers)
        stream.has_ended = frame.is_last
        self._streams[frame.stream] = stream
        await self._wire.write(self._encoder.accepted(frame.stream))
        if not self._on_stream(stream):
            self._streams.pop(frame.stream, None)
            await self._wire.write(self._encoder.dropped(frame.stream, CANCEL))
