"""Watches over HTTP: where a stream starts, what it writes, when it ends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import JSON_TYPE, cut_off, open_stream
from tidegate.local.apiserver.http.installers import narrowed
from tidegate.local.apiserver.http.list_options import check_list_options, version_asked
from tidegate.local.apiserver.http.watches import INITIAL_EVENTS_END, Feeds, Watcher, error_line, expired
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.paths import Path, flag, number
from tidegate.local.apiserver.printing.tables import Renderer
from tidegate.local.apiserver.reads import Query, Reads
from tidegate.local.apiserver.storage.stored_object import Entry, Row
from tidegate.runtime.clock import Clock

BOOKMARK_S = 60.0
TIMEOUT_S = (1800.0, 3600.0)
WRITE_S = 30.0
INITIAL_ROWS = 250


@dataclass(frozen=True, slots=True)
class Asked:
    """A watch's parameters. `version` None: from now on, or with what there is (`has_initial`)."""

    namespace: str
    labels: str
    fields: str
    version: int | None
    has_initial: bool
    has_end_mark: bool
    has_bookmarks: bool
    timeout_s: float


def asked_of(path: Path, query: Mapping[str, str], hidden: str = "") -> Asked:
    """What a watch request asks for, without what is `hidden` from the client; 422 for parameters that mean
    nothing together.
    """
    fields = query.get("fieldSelector", "")
    if path.name:
        fields = f"{fields},metadata.name={path.name}" if fields else f"metadata.name={path.name}"
    check_list_options(query, is_watch=True)
    version = version_asked(query)
    is_list = flag(query, "sendInitialEvents")
    has_bookmarks = flag(query, "allowWatchBookmarks")
    timeout_s = number(query, "timeoutSeconds")
    return Asked(
        namespace=path.namespace,
        labels=narrowed(query.get("labelSelector", ""), hidden),
        fields=fields,
        version=None if is_list else version,
        has_initial=is_list or (version is None and "sendInitialEvents" not in query),
        has_end_mark=is_list and has_bookmarks,
        has_bookmarks=has_bookmarks,
        timeout_s=float(timeout_s) if timeout_s and timeout_s > 0 else random.uniform(*TIMEOUT_S),
    )


class WatchStreams:
    """Serves watches of any kind."""

    def __init__(self, reads: Reads, feeds: Feeds, clock: Clock) -> None:
        self._reads = reads
        self._feeds = feeds
        self._clock = clock

    async def serve(
        self, request: web.Request, kind: Kind, asked: Asked, renderer: Renderer
    ) -> web.StreamResponse:
        """Streams until the client leaves, the time is over, or the reader is too slow."""
        sees = self._sees(kind, asked)
        try:
            rows, entries, version = self._start(kind, asked)
        except ApiError as error:
            if error.code != 410:
                raise
            return await self._write_alone(request, error_line(error))
        watcher = Watcher(renderer, sees, version)
        now = self._clock.now()
        for entry in entries:
            watcher.offer(entry, {}, now)
        self._feeds.add(kind, watcher)
        try:
            response = await open_stream(request, JSON_TYPE)
            try:
                for piece in self._initial(watcher, rows):
                    await _write(response, piece)
                if asked.has_end_mark:
                    await _write(response, watcher.bookmark(version, INITIAL_EVENTS_END))
                await self._follow(response, watcher, asked)
                await response.write_eof()
            except (TimeoutError, ConnectionError):
                cut_off(request)
            return response
        finally:
            self._feeds.remove(kind, watcher)

    def _sees(self, kind: Kind, asked: Asked) -> Callable[[Row], bool]:
        matches = self._reads.matcher(kind, asked.labels, asked.fields)
        namespace = asked.namespace
        if not namespace:
            return matches
        return lambda row: row.namespace == namespace and matches(row)

    def _start(self, kind: Kind, asked: Asked) -> tuple[list[Row], list[Entry], int]:
        """Rows to tell first, writes to replay, and the version they end at."""
        if asked.version is not None:
            newest = self._reads.version
            if asked.version > newest:
                raise expired(asked.version, newest)
            return [], self._reads.since(kind, asked.version), asked.version
        if not asked.has_initial:
            return [], [], self._reads.version
        page = self._reads.list(kind, Query(asked.namespace, asked.labels, asked.fields))
        return page.rows, [], page.version

    def _initial(self, watcher: Watcher, rows: list[Row]) -> Iterator[bytes]:
        for start in range(0, len(rows), INITIAL_ROWS):
            now = self._clock.now()
            yield b"".join(watcher.frame("ADDED", row, now) for row in rows[start : start + INITIAL_ROWS])

    async def _follow(self, response: web.StreamResponse, watcher: Watcher, asked: Asked) -> None:
        started = self._clock.monotonic()
        deadline = started + asked.timeout_s
        bookmark_at = started + BOOKMARK_S if asked.has_bookmarks else deadline
        while True:
            frames = await watcher.take(min(deadline, bookmark_at) - self._clock.monotonic())
            if frames:
                await _write(response, frames)
            elif watcher.is_over:
                return
            now = self._clock.monotonic()
            is_last = now >= deadline
            if asked.has_bookmarks and (is_last or now >= bookmark_at):
                # Whatever the bookmark's version covers goes out before it.
                await _write(response, watcher.up_to(self._reads.version))
                bookmark_at = now + BOOKMARK_S
            if is_last:
                return

    async def _write_alone(self, request: web.Request, line: bytes) -> web.StreamResponse:
        response = await open_stream(request, JSON_TYPE)
        await response.write(line)
        await response.write_eof()
        return response


async def _write(response: web.StreamResponse, piece: bytes) -> None:
    """TimeoutError when the reader takes nothing for a while."""
    async with asyncio.timeout(WRITE_S):
        await response.write(piece)
