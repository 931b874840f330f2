"""Reading what containers wrote: raw files, and a sparse index that says when which byte was there.

The process writes its log itself, so nothing is lost while no server runs. `LogClock` notes (size, time)
pairs beside it, and keeps it within its bounds (`processes/log_window.py`); a line is as old as the first
note that covers it, give or take the pause between two.
"""

from __future__ import annotations

import asyncio
import bisect
import io
import logging
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from tidegate.local.nodes.pods.pod_worker import PodTask
from tidegate.local.nodes.processes.instance import Instance
from tidegate.local.nodes.processes.log_window import PART_BYTES, PARTS, first_kept, shrink
from tidegate.local.streams import LogOptions
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

CHUNK_BYTES = 65536
NOTE = struct.Struct("<qd")
PAUSE_S = 0.2
FOLLOW_S = 0.1
# A log that grows all the time gets coarser notes as they pile up: (notes so far, seconds between two).
PACES = ((50_000, 10.0), (5_000, 1.0), (0, PAUSE_S))


@dataclass(slots=True)
class _Noted:
    size: int = 0
    at: float = 0.0
    count: int = 0
    first: int = 0
    is_boundless: bool = False


class LogClock:
    """Notes how long the logs of living containers are, five times a second at most, and bounds them."""

    def __init__(self, clock: Clock, part: int = PART_BYTES) -> None:
        self._clock = clock
        self._part = part
        self._noted: dict[Path, _Noted] = {}

    async def run(self, pods: Mapping[str, PodTask]) -> None:
        while True:
            await self._clock.sleep(PAUSE_S)
            living = {}
            for pod in list(pods.values()):
                for container in pod.containers:
                    if container.is_alive and container.current is not None:
                        path = container.current.path
                        living[path] = self._noted.get(path) or _Noted()
                        self.note(path, living[path])
                        self.bound(path, living[path])
            self._noted = living

    def note(self, path: Path, noted: _Noted) -> None:
        now = self._clock.now().timestamp()
        pace_s = next(pace_s for count, pace_s in PACES if noted.count >= count)
        with suppress(OSError):
            size = os.stat(path / "log").st_size
            if size > noted.size and now - noted.at >= pace_s:
                with (path / "times").open("ab") as file:
                    file.write(NOTE.pack(size, now))
                noted.size, noted.at, noted.count = size, now, noted.count + 1

    def bound(self, path: Path, noted: _Noted) -> None:
        if noted.size - noted.first <= self._part * PARTS or noted.is_boundless:
            return
        try:
            noted.first = shrink(path, self._part)
            noted.count = Times.read(path).forget(path, noted.first)
        except FileNotFoundError:
            return
        except OSError as error:
            noted.is_boundless = True
            log.warning("a log cannot be kept short", extra={"log": str(path), "error": str(error)})


@dataclass(frozen=True, slots=True)
class Times:
    """The notes of one log, in order."""

    sizes: list[int] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Times:
        try:
            content = (path / "times").read_bytes()
        except OSError:
            return cls()
        notes = list(NOTE.iter_unpack(content[: len(content) // NOTE.size * NOTE.size]))
        return cls([note[0] for note in notes], [note[1] for note in notes])

    def forget(self, path: Path, first: int) -> int:
        """Drops notes of what the log does not hold any more; how many are left."""
        kept = bisect.bisect_right(self.sizes, first)
        notes = zip(self.sizes[kept:], self.moments[kept:], strict=True)
        fresh = path / "times.new"
        fresh.write_bytes(b"".join(NOTE.pack(*note) for note in notes))
        os.replace(fresh, path / "times")
        return len(self.sizes) - kept

    def moment(self, offset: int, otherwise: float) -> float:
        """When the byte at `offset` was written; `otherwise` if that is after the last note."""
        index = bisect.bisect_right(self.sizes, offset)
        return self.moments[index] if index < len(self.moments) else otherwise

    def offset(self, since: float) -> int:
        """Where bytes begin that may have been written at or after `since`."""
        index = bisect.bisect_left(self.moments, since)
        return self.sizes[index - 1] if index else 0


def begin(file: BinaryIO, path: Path, options: LogOptions, now: float) -> int:
    """The offset of the first byte to show."""
    size = file.seek(0, io.SEEK_END)
    start = first = min(size, first_kept(path))
    since = now - options.since_s if options.since_s is not None else None
    if options.since_time is not None:
        since = options.since_time.timestamp()
    if since is not None:
        start = min(size, _line_start(file, max(first, Times.read(path).offset(since)), first))
    if options.tail_lines is not None:
        start = max(start, _tail(file, size, options.tail_lines, first))
    return start


def _line_start(file: BinaryIO, offset: int, first: int) -> int:
    """The first line that begins at or after `offset`; one begins at `first`."""
    if offset == first:
        return first
    file.seek(offset - 1)
    file.readline()
    return file.tell()


def _tail(file: BinaryIO, size: int, lines: int, first: int) -> int:
    """The offset of the last `lines` lines; a last line without an end counts."""
    if lines <= 0 or size == first:
        return size
    end, missing = size, lines
    file.seek(max(0, size - 1))
    if file.read(1) == b"\n":
        end -= 1
    while end > first:
        begin = max(first, end - CHUNK_BYTES)
        file.seek(begin)
        chunk = file.read(end - begin)
        at = chunk.rfind(b"\n")
        while at >= 0:
            missing -= 1
            if missing == 0:
                return begin + at + 1
            at = chunk.rfind(b"\n", 0, at)
        end = begin
    return first


def first_lines(chunk: bytes, lines: int) -> bytes:
    if chunk.count(b"\n") < lines or not lines:
        return chunk if lines else b""
    return b"\n".join(chunk.split(b"\n", lines)[:lines]) + b"\n"


class Stamper:
    """Puts a time before each line; holds back a line until it is complete."""

    def __init__(self, offset: int, moment: Callable[[int], float]) -> None:
        self._offset = offset
        self._moment = moment
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            yield self._stamped(line) + b"\n"
            self._offset += len(line) + 1

    def skip_to(self, offset: int) -> None:
        """Goes on at another place when what was to come is gone, and the line that it began with it."""
        if offset != self._offset + len(self._rest):
            self._offset, self._rest = offset, b""

    def finish(self) -> bytes:
        return self._stamped(self._rest) if self._rest else b""

    def _stamped(self, line: bytes) -> bytes:
        moment = datetime.fromtimestamp(self._moment(self._offset), UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f000Z ").encode() + line


async def read(
    instance: Instance, options: LogOptions, clock: Clock, start: int | None = None
) -> AsyncIterator[bytes]:
    """The log of one instance. With `follow` it ends when the instance has ended and all is read.

    From the byte `start` on, or from where the options say.
    """
    try:
        file = instance.log.open("rb")
    except FileNotFoundError:
        return
    left = options.limit_bytes
    # What is written meanwhile makes no tail longer.
    lines = options.tail_lines if not options.follow else None
    with file:
        if start is None:
            # On a thread: a long tail, or a log without line ends, is read in whole.
            start = await asyncio.to_thread(begin, file, instance.path, options, clock.now().timestamp())
        file.seek(start)
        stamper = Stamper(start, _moments(instance, clock)) if options.timestamps else None
        async for chunk, offset in _chunks(file, instance, options.follow, clock):
            if stamper is not None:
                stamper.skip_to(offset)
            if lines is not None:
                chunk = first_lines(chunk, lines)
                lines -= chunk.count(b"\n")
            for part in [chunk] if stamper is None else stamper.feed(chunk):
                yield part if left is None else part[:left]
                if left is not None and (left := left - len(part)) <= 0:
                    return
        if stamper is not None and (rest := stamper.finish()):
            yield rest if left is None else rest[:left]


def _moments(instance: Instance, clock: Clock) -> Callable[[int], float]:
    """When a byte was written, by the newest notes; what no note covers yet is new."""
    times, read_at = Times.read(instance.path), clock.monotonic()
    ended = instance.inspect()

    def moment(offset: int) -> float:
        nonlocal times, read_at
        is_past = not times.sizes or offset >= times.sizes[-1]
        # Not for each line: between two notes there may be thousands, and none comes after the end.
        if is_past and ended.state == "alive" and clock.monotonic() - read_at >= PAUSE_S / 2:
            times, read_at = Times.read(instance.path), clock.monotonic()
        return times.moment(offset, ended.finished_at or clock.now().timestamp())

    return moment


async def _chunks(
    file: BinaryIO, instance: Instance, follow: bool, clock: Clock
) -> AsyncIterator[tuple[bytes, int]]:
    """What is read, and where it stands in the log."""
    while True:
        # Asked before reading: what was written before the end is then still read.
        is_last = not follow or instance.inspect().state != "alive"
        offset = file.tell()
        while chunk := file.read(CHUNK_BYTES):
            # Asked after reading: a reader that was overtaken has read of the hole, and passes over it.
            if (missing := first_kept(instance.path) - offset) > 0:
                chunk = chunk[missing:]
                offset = file.seek(max(file.tell(), offset + missing)) - len(chunk)
            if chunk:
                yield chunk, offset
            offset = file.tell()
        if is_last:
            return
        await clock.sleep(FOLLOW_S)
