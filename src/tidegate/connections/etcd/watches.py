"""Watches of keys: a few keys share a stream, and a push says only that a key has changed.

The gateway's streams are HTTP/1: a member stops reading a request as soon as it has begun to answer, so that
only keys that arrive with its first read are sure to be watched. Hence a few keys a stream, and for more keys
more streams; still fewer than one for each. What cannot be watched is polled, as ever.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tidegate.base.errors import Malformed, Unreachable, Unsupported
from tidegate.connections.etcd.calls import STREAMS, Calls
from tidegate.connections.http import failures
from tidegate.kit.systems.etcd import EtcdChanges
from tidegate.kit.systems.http import HttpRequest

if TYPE_CHECKING:
    from aiohttp import ClientResponse as Stream

GATHER_S = 0.2
"""Watches that come together are opened together."""

_FIRST_READ = 500
_LINE_BYTES = 8 << 20


@dataclass(eq=False, slots=True)
class _Watcher:
    """Somebody who waits for changes of a key; `ended` gets what has ended the watch."""

    question: EtcdChanges
    pushed: Callable[[], None]
    ended: asyncio.Future[None]

    def end(self, error: BaseException | None) -> None:
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)


class Watches:
    """All watches of one cluster."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._waiting: list[_Watcher] = []
        self._opening: asyncio.Task[None] | None = None
        self._streams: set[asyncio.Task[None]] = set()
        self._seen: dict[str, int] = {}
        """Revisions up to which a key's changes were told, while it is watched or its stream was lost."""
        self._taken: set[str] = set()
        """Keys whose watch the server has taken."""

    async def watch(self, question: EtcdChanges, pushed: Callable[[], None]) -> None:
        """Calls `pushed` for each change. Raises what has ended the watch."""
        watcher = _Watcher(question, pushed, asyncio.get_running_loop().create_future())
        self._waiting.append(watcher)
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._open())
        try:
            await watcher.ended
        except asyncio.CancelledError:
            self._seen.pop(question.key, None)
            raise
        finally:
            self._taken.discard(question.key)
            watcher.end(None)

    def is_watching(self, key: str) -> bool:
        """Whether the server has taken the watch of this key, and has not ended it."""
        return key in self._taken

    async def close(self) -> None:
        """Ends all; safe twice."""
        tasks = [*self._streams, *([self._opening] if self._opening is not None else [])]
        self._streams, self._opening = set(), None
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for watcher in self._waiting:
            watcher.end(None)

    async def _open(self) -> None:
        """Streams for all who have come meanwhile."""
        await asyncio.sleep(GATHER_S)
        waiting, self._waiting = [one for one in self._waiting if not one.ended.done()], []
        for group in self._groups(waiting):
            if len(self._streams) >= STREAMS:
                for watcher in group:
                    watcher.end(self._crowded(watcher))
                continue
            task = asyncio.create_task(self._keep(group))
            self._streams.add(task)
            task.add_done_callback(self._streams.discard)

    def _groups(self, watchers: list[_Watcher]) -> Iterator[list[_Watcher]]:
        """Watchers whose requests fit together into what a member reads first."""
        group: list[_Watcher] = []
        size = 0
        for watcher in watchers:
            length = len(self._creation(99, watcher.question.key))
            if group and size + length > _FIRST_READ:
                yield group
                group, size = [], 0
            group.append(watcher)
            size += length
        if group:
            yield group

    def _crowded(self, watcher: _Watcher) -> Unsupported:
        key, server = watcher.question.key, watcher.question.server
        return Unsupported(
            f"watch the key {key}", on=server.label(), answer=f"{STREAMS} streams are open already"
        )

    async def _keep(self, group: list[_Watcher]) -> None:
        """One stream, until it ends or nobody waits for it any more."""
        following = asyncio.create_task(self._follow(group))
        left = asyncio.create_task(_settled(group))
        either: set[asyncio.Task[None]] = {following, left}
        error: BaseException | None = None
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                error = following.exception()
        finally:
            following.cancel()
            left.cancel()
            await asyncio.wait(either)
            for watcher in group:
                watcher.end(error)

    async def _follow(self, group: list[_Watcher]) -> None:
        """One stream, until the server ends it. Each watcher's number in it is its place."""
        body = b"".join(self._creation(number, one.question.key) for number, one in enumerate(group, 1))
        silence_s = 2 * max(one.question.progress_s for one in group)
        attempted = f"watch {len(group)} keys" if len(group) > 1 else f"watch the key {group[0].question.key}"
        request, stream = await self._calls.stream("/v3/watch", body, attempted)
        created = 0
        async with aclosing(_lines(request, stream, silence_s)) as lines:
            async for line in lines:
                result = self._result(request, line)
                # What is refused has no number: the requests are answered in their order.
                created += bool(result.get("created"))
                number = created if result.get("created") else int(result.get("watch_id", 0))
                if 0 < number <= len(group):
                    self._take(request, result, group[number - 1])

    def _take(self, request: HttpRequest, result: Mapping[str, Any], watcher: _Watcher) -> None:
        """What one message says of a key."""
        key = watcher.question.key
        revision = int(result["header"]["revision"])
        if result.get("canceled"):
            # What was seen may be compacted by now.
            self._seen.pop(key, None)
            watcher.end(self._calls.canceled(request, str(result.get("cancel_reason", ""))))
        elif not watcher.ended.done():
            if result.get("events"):
                watcher.pushed()
            if not result.get("created"):
                self._seen[key] = revision
            elif revision < self._seen.get(key, 0):
                # A cluster that was made anew, or a member that is behind: it would say nothing for long.
                del self._seen[key]
                watcher.pushed()
                watcher.end(self._begun_anew(request))
            else:
                self._taken.add(key)

    def _begun_anew(self, request: HttpRequest) -> Unreachable:
        answer = "its revisions have begun anew (a restored or another cluster)"
        step = "see that the keys are there; they are watched again in a moment"
        return Unreachable(request.title(), on=request.server.label(), answer=answer, next_step=step)

    def _result(self, request: HttpRequest, line: bytes) -> Mapping[str, Any]:
        """The message, of a shape that can be read on."""
        try:
            message = msgspec.json.decode(line)
            if "error" in message:
                raise self._calls.canceled(request, str(message["error"]))
            result: Mapping[str, Any] = message["result"]
            int(result.get("watch_id", 0)), int(result["header"]["revision"])
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            what = "what came is not a message of a watch"
            raise Malformed(request.title(), on=request.server.label(), answer=what) from error
        return result

    def _creation(self, number: int, key: str) -> bytes:
        create: dict[str, Any] = {
            "key": base64.b64encode(key.encode()).decode(),
            "watch_id": number,
            "progress_notify": True,
        }
        if key in self._seen:
            create["start_revision"] = self._seen[key] + 1
        return msgspec.json.encode({"create_request": create})


async def _settled(group: list[_Watcher]) -> None:
    """Returns when none of them waits any more."""
    await asyncio.wait([one.ended for one in group])


async def _lines(request: HttpRequest, stream: Stream, silence_s: float) -> AsyncGenerator[bytes, None]:
    """The messages of a stream, which is closed at the end. Unreachable where nothing comes for so long."""
    import aiohttp

    rest = b""
    try:
        while True:
            async with asyncio.timeout(silence_s):
                piece = await stream.content.readany()
            if not piece:
                return
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line
            if len(rest) > _LINE_BYTES:
                raise failures.unreadable(request, "a message is too long")
    except TimeoutError as error:
        words = f"nothing was heard for {silence_s:g} s"
        raise Unreachable(request.title(), on=request.server.label(), answer=words) from error
    except (aiohttp.ClientError, OSError) as error:
        raise failures.lost(error, request, silence_s) from error
    finally:
        stream.close()
