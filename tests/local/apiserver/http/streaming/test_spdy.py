"""SPDY as bytes: frames are read as they are written, and what is no frame ends a connection."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Awaitable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.local.apiserver.http.streaming import spdy, spdy_frames
from tidegate.local.apiserver.http.streaming.port_forward import PortForward
from tidegate.local.apiserver.http.streaming.spdy import Connection, Stream
from tidegate.local.apiserver.http.streaming.spdy_frames import (
    DICTIONARY,
    FRAME_MAX,
    HEADERS_MAX,
    BadFrame,
    Content,
    Decoder,
    Dropped,
    Encoder,
    Leaving,
    Opened,
    Ping,
)

words = st.text("abcdefgh-", min_size=1, max_size=8)
frames = st.one_of(
    st.builds(Opened, st.integers(1, 99), st.dictionaries(words, words, max_size=3), st.booleans()),
    st.builds(Content, st.integers(1, 99), st.binary(max_size=50), st.booleans()),
    st.builds(Dropped, st.integers(1, 99)),
    st.builds(Ping, st.integers(1, 99)),
    st.just(Leaving()),
)


def bytes_of(encoder: Encoder, frame: spdy_frames.Frame) -> bytes:
    match frame:
        case Opened(stream, headers, is_last):
            return encoder.opened(stream, headers, is_last=is_last)
        case Content(stream, content, is_last):
            return encoder.content(stream, content, is_last=is_last)
        case Dropped(stream):
            return encoder.dropped(stream, 5)
        case Ping(number):
            return encoder.ping(number)
        case Leaving():
            return encoder.leaving(0)


@given(st.lists(frames, max_size=6), st.integers(1, 40))
def test_frames_are_read_as_they_are_written_in_any_pieces(sent: list[spdy_frames.Frame], size: int) -> None:
    encoder, decoder = Encoder(), Decoder()
    text = b"".join(bytes_of(encoder, frame) for frame in sent)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert [frame for piece in pieces for frame in decoder.feed(piece)] == sent


def control(type: int, body: bytes, version: int = 0x8003) -> bytes:
    return struct.pack(">HHI", version, type, len(body)) + body


def packed(block: bytes) -> bytes:
    deflater = zlib.compressobj(zdict=DICTIONARY)
    return deflater.compress(block) + deflater.flush(zlib.Z_SYNC_FLUSH)


OPENING = struct.pack(">IIH", 1, 0, 0)
BAD = {
    "another version": control(1, OPENING, 0x8002),
    "too short": control(1, b"\0"),
    "not packed": control(1, OPENING + b"abc"),
    "a bomb": control(1, OPENING + packed(struct.pack(">II", 1, HEADERS_MAX * 2) + bytes(HEADERS_MAX * 2))),
    "fewer headers than told": control(1, OPENING + packed(struct.pack(">I", 1000))),
    "a long control frame": struct.pack(">HHI", 0x8003, 1, 0xFFFFFF),
    "a long frame": struct.pack(">II", 1, FRAME_MAX + 1),
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_what_is_no_frame_is_refused(text: bytes) -> None:
    with pytest.raises(BadFrame):
        list(Decoder().feed(text))


class Line:
    """A wire whose other side is the test."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self.written = bytearray()
        self.encoder = Encoder()
        self._decoder = Decoder()

    async def read(self) -> bytes:
        return await self.to_server.get()

    async def write(self, content: bytes) -> None:
        self.written += content
        await asyncio.sleep(0)

    def say(self, content: bytes) -> None:
        self.to_server.put_nowait(content)

    def heard(self) -> list[spdy_frames.Frame]:
        text, self.written = bytes(self.written), bytearray()
        return list(self._decoder.feed(text))


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_ping_is_answered_and_too_many_streams_are_refused() -> None:
    line, streams = Line(), list[Stream]()
    running = asyncio.create_task(Connection(line, lambda stream: streams.append(stream) is None).run())
    line.say(line.encoder.ping(7))
    for number in range(spdy.STREAMS_MAX + 2):
        line.say(line.encoder.opened(2 * number + 1, {}))
    await turns(5 * spdy.STREAMS_MAX)
    assert len(streams) == spdy.STREAMS_MAX
    heard = line.heard()
    assert heard[0] == Ping(7)
    assert [frame for frame in heard if isinstance(frame, Dropped)] == [
        Dropped(2 * spdy.STREAMS_MAX + 1),
        Dropped(2 * spdy.STREAMS_MAX + 3),
    ]
    line.say(b"")
    await running
    assert all(stream.has_ended for stream in streams)


async def test_a_stream_that_nobody_reads_holds_a_bounded_amount() -> None:
    line, streams = Line(), list[Stream]()
    running = asyncio.create_task(Connection(line, lambda stream: streams.append(stream) is None).run())
    line.say(line.encoder.opened(1, {}))
    piece = bytes(spdy.HELD_MAX // 4)
    for _ in range(40):
        line.say(line.encoder.content(1, piece))
    await turns(400)
    assert line.to_server.qsize() >= 35
    for _ in range(40):
        assert len(await streams[0].read()) == len(piece)
    line.say(b"")
    await running


@pytest.mark.parametrize("numbers", [(2,), (3, 1), (1, 1)])
async def test_numbers_of_streams_only_rise(numbers: tuple[int, ...]) -> None:
    line = Line()
    for number in numbers:
        line.say(line.encoder.opened(number, {}))
    await asyncio.wait_for(Connection(line, lambda stream: True).run(), 5)
    assert isinstance(line.heard()[-1], Leaving)


def forwarding(line: Line, dialled: list[int]) -> tuple[PortForward, Awaitable[None]]:
    async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append(port)
        raise ConnectionRefusedError(111, "refused")

    return PortForward(line, dial), asyncio.Event().wait()  # type: ignore[return-value]


async def test_only_pairs_are_connected_and_what_else_is_asked_for_is_dropped() -> None:
    line, dialled = Line(), list[int]()
    forward, over = forwarding(line, dialled)
    running = asyncio.create_task(forward.run(over))
    half = {"requestid": "0", "port": "80", "streamtype": "error"}
    asked = [
        half,
        half,
        {**half, "streamtype": "other"},
        {**half, "port": "99999"},
        {**half, "requestid": "1"},
    ]
    for number, headers in enumerate(asked):
        line.say(line.encoder.opened(2 * number + 1, headers))
    await turns()
    assert dialled == []
    assert [frame for frame in line.heard() if isinstance(frame, Dropped)] == [
        Dropped(3),
        Dropped(5),
        Dropped(7),
    ]
    line.say(line.encoder.opened(11, {**half, "streamtype": "data"}))
    await turns()
    assert dialled == [80]
    told = [frame for frame in line.heard() if isinstance(frame, Content)]
    assert told[0] == Content(1, b"error forwarding port 80: Connection refused", is_last=False)
    assert {frame.stream for frame in told if frame.is_last} == {1, 11}
    line.say(b"")
    await running


async def test_a_connection_of_nonsense_ends_and_everything_with_it() -> None:
    line = Line()
    forward, over = forwarding(line, [])
    line.say(line.encoder.opened(1, {"requestid": "0", "port": "80", "streamtype": "error"}))
    line.say(b"\xff" * 64)
    await asyncio.wait_for(forward.run(over), 5)
