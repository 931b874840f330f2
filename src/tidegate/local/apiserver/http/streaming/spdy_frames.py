"""The frames of SPDY/3.1 as bytes and as values: what clients of a Kubernetes API send, and no more. Pure.

Sources: SPDY Protocol, draft 3.1; what client-go sends.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

# A frame's length has 24 bits; clients send pieces of 32 KiB.
FRAME_MAX = 4 * 1024 * 1024
CONTROL_MAX = 64 * 1024
HEADERS_MAX = 64 * 1024
_NAMES = """
options head post put delete trace accept accept-charset accept-encoding accept-language
accept-ranges age allow authorization cache-control connection content-base content-encoding
content-language content-length content-location content-md5 content-range content-type date etag
expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since
last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer
retry-after server te trailer transfer-encoding upgrade user-agent vary via warning
www-authenticate method get status
"""
_MORE_NAMES = ("200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin")
_CODES = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
_PHRASES = (
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = (
    b"".join(struct.pack(">I", len(name)) + name.encode() for name in (*_NAMES.split(), *_MORE_NAMES))
    + (_CODES + _PHRASES).encode()
)

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = 1, 2, 3, 4, 6, 7, 8, 9
FIN = 1
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM, CANCEL = 1, 2, 3, 5
_VERSION = 0x8003


class BadFrame(ValueError):
    """Bytes that are no frame, or one that is larger than any that is meant."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The other side opens a stream."""

    stream: int
    headers: dict[str, str]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes of a stream; `is_last` when no more will come."""

    stream: int
    content: bytes
    is_last: bool


@dataclass(frozen=True, slots=True)
class Dropped:
    """The other side gives a stream up."""

    stream: int


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """The other side will open no more streams."""


Frame = Opened | Content | Dropped | Ping | Leaving


class Decoder:
    """Bytes as they come, frames as they are whole. `BadFrame` ends it."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._inflater = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, content: bytes) -> Iterator[Frame]:
        self._held += content
        while len(self._held) >= 8:
            first, second = struct.unpack_from(">II", self._held)
            length, flags = second & 0xFFFFFF, second >> 24
            is_control = bool(first >> 31)
            if length > (CONTROL_MAX if is_control else FRAME_MAX):
                raise BadFrame(f"a frame of {length} bytes")
            if len(self._held) < 8 + length:
                return
            body = bytes(memoryview(self._held)[8 : 8 + length])
            del self._held[: 8 + length]
            if not is_control:
                yield Content(first, body, bool(flags & FIN))
            elif first >> 16 != _VERSION:
                raise BadFrame("a frame of another version of SPDY")
            else:
                yield from self._control(first & 0xFFFF, flags, body)

    def _control(self, type: int, flags: int, body: bytes) -> Iterator[Frame]:
        least = {SYN_STREAM: 10, SYN_REPLY: 4, HEADERS: 4, RST_STREAM: 8, PING: 4}.get(type, 0)
        if len(body) < least:
            raise BadFrame(f"a control frame of type {type} with {len(body)} bytes")
        stream = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
        if type == SYN_STREAM:
            yield Opened(stream, self._headers(body[10:]), bool(flags & FIN))
        elif type in (SYN_REPLY, HEADERS):
            # Unwanted, and still part of the one compressed text.
            self._headers(body[4:])
        elif type == RST_STREAM:
            yield Dropped(stream)
        elif type == PING:
            yield Ping(int.from_bytes(body[:4], "big"))
        elif type == GOAWAY:
            yield Leaving()

    def _headers(self, packed: bytes) -> dict[str, str]:
        try:
            block = self._inflater.decompress(packed, HEADERS_MAX)
        except zlib.error as error:
            raise BadFrame("headers that cannot be unpacked") from error
        if self._inflater.unconsumed_tail:
            raise BadFrame(f"headers of more than {HEADERS_MAX} bytes")
        words = list(_words(block))
        return dict(zip(words[::2], words[1::2], strict=True))


def _words(block: bytes) -> Iterator[str]:
    """Names (in lower case) and values, in turn."""
    if len(block) < 4:
        raise BadFrame("headers without their number")
    count, at = 2 * int.from_bytes(block[:4], "big"), 4
    for number in range(count):
        end = at + 4 + int.from_bytes(block[at : at + 4], "big")
        if len(block) < at + 4 or end > len(block):
            raise BadFrame("headers that end early")
        text = block[at + 4 : end].decode("latin-1")
        yield text if number % 2 else text.lower()
        at = end


class Encoder:
    """Frames as bytes. Headers are one compressed text: frames go out in the order in which they are made."""

    def __init__(self) -> None:
        self._deflater = zlib.compressobj(zdict=DICTIONARY)

    def opened(self, stream: int, headers: dict[str, str], *, is_last: bool = False) -> bytes:
        body = struct.pack(">IIH", stream, 0, 0) + self._headers(headers)
        return _control(SYN_STREAM, body, FIN if is_last else 0)

    def accepted(self, stream: int) -> bytes:
        return _control(SYN_REPLY, struct.pack(">I", stream) + self._headers({}))

    def content(self, stream: int, content: bytes, *, is_last: bool = False) -> bytes:
        return struct.pack(">II", stream, ((FIN if is_last else 0) << 24) | len(content)) + content

    def dropped(self, stream: int, reason: int) -> bytes:
        return _control(RST_STREAM, struct.pack(">II", stream, reason))

    def ping(self, number: int) -> bytes:
        return _control(PING, struct.pack(">I", number))

    def leaving(self, last: int) -> bytes:
        return _control(GOAWAY, struct.pack(">II", last, 0))

    def _headers(self, headers: dict[str, str]) -> bytes:
        block = struct.pack(">I", len(headers))
        for words in headers.items():
            for word in words:
                raw = word.encode("latin-1")
                block += struct.pack(">I", len(raw)) + raw
        return self._deflater.compress(block) + self._deflater.flush(zlib.Z_SYNC_FLUSH)


def _control(type: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", _VERSION, type, (flags << 24) | len(body)) + body
