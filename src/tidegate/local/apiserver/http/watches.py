"""Watches: a commit's entries, seen through each watcher's selectors, as frames on its queue.

A frame is encoded once for all watchers that want it in the same form. A watcher whose reader is
slower than the writes is cut off at a limit: it knows its last resourceVersion and resumes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.responses import encode, status_body
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.printing.tables import Form, Renderer, decode
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.storage.stored_object import Entry, Row
from tidegate.runtime.clock import Clock

QUEUE_FRAMES = 10_000
QUEUE_BYTES = 32 * 1024 * 1024
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}

Sees = Callable[[Row], bool]
Frames = dict[tuple[str, Form], bytes]


class Watcher:
    """One stream's state: what it sees, how far it has come, what waits to be written."""

    def __init__(self, renderer: Renderer, sees: Sees, version: int) -> None:
        self.version = version
        self.is_over = False
        self._renderer = renderer
        self._sees = sees
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._is_first = renderer.has_columns
        self._wake = asyncio.Event()

    def sees(self, row: Row) -> bool:
        return self._sees(row)

    def offer(self, entry: Entry, frames: Frames, now: datetime) -> None:
        """Queues what this watcher sees of a write. `frames` is shared by all watchers of the kind."""
        if self.is_over or entry.version <= self.version:
            return
        self.version = entry.version
        seen = seen_as(entry, self._sees)
        if seen is None:
            return
        type, row = seen
        if self._is_first:
            self._put(self.frame(type, row, now))
            return
        key = (type, self._renderer.form)
        made = frames.get(key)
        if made is None:
            made = frames[key] = self.frame(type, row, now)
        self._put(made)

    def frame(self, type: str, row: Row, now: datetime) -> bytes:
        """An event's line. The first of a stream of Tables carries the columns."""
        body = self._renderer.one(row, now, has_columns=self._is_first)
        self._is_first = False
        return event_line(type, body)

    def bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        return event_line("BOOKMARK", self._renderer.bookmark(version, annotations or {}))

    def up_to(self, version: int) -> bytes:
        """All that is queued, then a bookmark of `version`; none when it would cover what was left out."""
        return self.drain() if self.is_over else self.drain() + self.bookmark(version)

    def end(self) -> None:
        """No more events; what is queued is still written."""
        self.is_over = True
        self._wake.set()

    async def take(self, seconds: float) -> bytes:
        """All that is queued, as one piece; empty when nothing came within `seconds` or it is over."""
        if not self._frames and not self.is_over:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._wake.wait()
            except TimeoutError:
                return b""
        return self.drain()

    def drain(self) -> bytes:
        """All that is queued now."""
        taken = b"".join(self._frames)
        self._frames.clear()
        self._bytes = 0
        return taken

    def _put(self, frame: bytes) -> None:
        if len(self._frames) >= QUEUE_FRAMES or self._bytes + len(frame) > QUEUE_BYTES:
            self.end()
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._wake.set()


class Feeds:
    """The watchers of every kind. A kind is listened to while somebody watches it."""

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._watchers: dict[Resource, list[Watcher]] = {}
        self._stops: dict[Resource, Callable[[], None]] = {}

    def __len__(self) -> int:
        """How many watchers there are."""
        return sum(len(watchers) for watchers in self._watchers.values())

    def add(self, kind: Kind, watcher: Watcher) -> None:
        resource = kind.resource
        self._watchers.setdefault(resource, []).append(watcher)
        if resource not in self._stops:
            self._stops[resource] = self._reads.listen(kind, lambda entries: self._spread(resource, entries))

    def remove(self, kind: Kind, watcher: Watcher) -> None:
        watchers = self._watchers.get(kind.resource, [])
        if watcher in watchers:
            watchers.remove(watcher)
        if not watchers and kind.resource in self._stops:
            self._stops.pop(kind.resource)()
            self._watchers.pop(kind.resource, None)

    def close(self) -> None:
        """Ends every stream."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    def _spread(self, resource: Resource, entries: Iterable[Entry]) -> None:
        now = self._clock.now()
        watchers = tuple(self._watchers.get(resource, ()))
        for entry in entries:
            frames: Frames = {}
            for watcher in watchers:
                watcher.offer(entry, frames, now)


def seen_as(entry: Entry, sees: Sees) -> tuple[str, Row] | None:
    """The event of a write for a watcher that sees only some rows; None when it is none of theirs.

    An object that begins to match is ADDED; one that no longer does is DELETED, with its old
    content and the new resourceVersion.
    """
    if entry.type == "DELETED":
        return ("DELETED", entry.row) if sees(entry.previous or entry.row) else None
    was_seen = entry.previous is not None and sees(entry.previous)
    if sees(entry.row):
        return ("MODIFIED" if was_seen else "ADDED"), entry.row
    if was_seen and entry.previous is not None:
        return "DELETED", renumbered(entry.previous, entry.version)
    return None


def renumbered(row: Row, version: int) -> Row:
    """The row with another resourceVersion."""
    body = decode(row.body)
    body["metadata"]["resourceVersion"] = str(version)
    return msgspec.structs.replace(row, version=version, body=encode(body))


def event_line(type: str, body: bytes) -> bytes:
    """One watch event as it stands on the wire."""
    return b'{"type":"%s","object":%s}\n' % (type.encode(), body)


def error_line(error: ApiError) -> bytes:
    """The event that ends a watch which cannot go on."""
    return event_line("ERROR", encode(status_body(error)))


def expired(version: int, newest: int) -> ApiError:
    """410: the client has to list again."""
    return ApiError(410, "Expired", f"too old resource version: {version} ({newest})")
