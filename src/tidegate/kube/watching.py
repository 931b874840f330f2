"""Watch streams: lines of JSON that may arrive in any pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import msgspec

from tidegate.kube.resource import ApiError
from tidegate.kube.transport import refusal

LINE_BYTES = 16 << 20
"""An object cannot be longer than some megabytes; a longer line is no watch stream."""


class _Line(msgspec.Struct, gc=False):
    type: str
    object: msgspec.Raw


class WatchEvent:
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object as JSON bytes."""

    __slots__ = ("raw", "type")

    def __init__(self, type: str, raw: bytes) -> None:
        self.type = type
        self.raw = raw

    @property
    def object(self) -> dict[str, Any]:
        """The object, decoded anew at each use."""
        decoded: dict[str, Any] = msgspec.json.decode(self.raw)
        return decoded


class Lines:
    """Cuts pieces of a stream into lines."""

    def __init__(self, limit: int = LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that this piece completes; ApiError when one grows beyond the limit."""
        *complete, rest = piece.split(b"\n")
        for part in complete:
            line = bytes(self._rest) + part if self._rest else part
            self._rest.clear()
            if line.strip():
                yield line
        self._rest += rest
        if len(self._rest) > self._limit:
            raise ApiError(500, "InternalError", f"a line of the watch is longer than {self._limit} bytes")


_decoder = msgspec.json.Decoder(_Line)


def parse(line: bytes) -> WatchEvent:
    """One event. An ERROR event is raised as its ApiError: 410 `Expired` means list again."""
    try:
        read = _decoder.decode(line)
    except msgspec.DecodeError as error:
        raise ApiError(500, "InternalError", f"a line of the watch is not an event: {error}") from error
    if read.type == "ERROR":
        raise refusal(500, bytes(read.object))
    return WatchEvent(read.type, bytes(read.object))


async def events(pieces: AsyncIterator[bytes]) -> AsyncGenerator[WatchEvent]:
    """The events of a stream, until it ends."""
    lines = Lines()
    async for piece in pieces:
        for line in lines.feed(piece):
            yield parse(line)
