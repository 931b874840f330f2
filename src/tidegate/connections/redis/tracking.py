"""Changes of keys, told by `CLIENT TRACKING`: one word for each key that we have looked at since it changed.

    TYPE jobs ──► the server remembers that we have seen it
    somebody changes it ──► "invalidate jobs" ──► TYPE jobs again ──► whoever watches it is told

So a busy key costs as many words as looks, however many pushes there are: it is looked at again at once after
a quiet second, and at the end of the second otherwise. It is told after the look: what came before is seen by
the poll that follows, what comes later is another word. Nothing of the server's configuration is needed.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from redis.exceptions import AskError, ConnectionError, MovedError, RedisError, ResponseError

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.feeds import Tell, beat
from tidegate.connections.redis.link import Command, Dialling, Link, reply_error, words
from tidegate.kit.systems.redis import Login

GAP_S = 1.0
"""Least time between two looks at one key."""

_AT_ONCE = 1000
_WATCHING = "watch keys"


class _Changed:
    """Not a reply: keys that have changed; None: all of them."""

    def __init__(self, keys: Sequence[bytes] | None) -> None:
        self.keys = keys


class KeyElsewhere(Unreachable):
    """Another node of the cluster has the key."""


class TrackedLink(Link):
    """A connection on which the server speaks without being asked: the protocol's third version."""

    protocol: ClassVar[int] = 3

    async def track(self) -> None:
        """Unsupported where the server, its proxy or the user's rights do not allow it."""
        parser: Any = self._stream._parser
        parser.set_invalidation_push_handler(_changed)
        (reply,) = await self.exchange([("CLIENT", "TRACKING", "ON")])
        if isinstance(reply, ResponseError):
            raise unoffered(self.label, words(reply))

    async def send(self, commands: Sequence[Command]) -> None:
        """Sent at once. On a connection that has ended it is an error: redis-py would open another one."""
        if not self.is_open:
            raise ConnectionError("it has ended")
        self._dialling.traffic.round_trips += 1
        await self._stream.send_packed_command(self._stream.pack_commands(commands), check_health=False)

    async def receive(self) -> Any:
        """The next reply, error replies included, or what has changed."""
        try:
            return await self._stream.read_response(timeout=math.inf, push_request=True)
        except ResponseError as error:
            return error

    def lost(self, error: BaseException) -> TidegateError:
        """What has ended the connection, as one of ours."""
        return self._error(error, _WATCHING)

    def _error(self, error: BaseException, attempted: str) -> TidegateError:
        # A login that is refused is no such error; what is refused beside it is the protocol's version.
        if isinstance(error, ResponseError) and attempted != _WATCHING:
            return unoffered(self.label, words(error))
        return super()._error(error, attempted)


async def _changed(message: Sequence[Any]) -> _Changed:
    return _Changed(message[1] if len(message) > 1 else None)


def unoffered(label: str, answer: str) -> Unsupported:
    step = "let the user do CLIENT TRACKING and HELLO on a Redis 6 or newer to be told of changes at once"
    return Unsupported(_WATCHING, on=label, answer=answer, next_step=step)


async def open_tracked(
    address: str,
    dialling: Dialling,
    login: Login,
    database: int = 0,
    gone: Callable[[str], None] = lambda _: None,
) -> TrackedKeys:
    """The line of the node at `address`; see `TrackedKeys` for `gone`."""
    link = TrackedLink(address, dialling, login, database)
    await link.open()
    try:
        await link.track()
    except BaseException:
        await link.close()
        raise
    return TrackedKeys(link, dialling.timeout_s, gone)


class TrackedKeys:
    """The line of a Redis: topics are keys. `gone` is told a key that another node of a cluster has."""

    def __init__(self, link: TrackedLink, timeout_s: float, gone: Callable[[str], None]) -> None:
        self._link = link
        self._gone = gone
        self._timeout_s = timeout_s
        self._keys: dict[bytes, str] = {}
        self._looked_at: dict[bytes, float] = {}
        self._looking: set[bytes] = set()
        self._asked: deque[asyncio.Future[Any]] = deque()
        self._tell: Tell = lambda _: None
        self._late: dict[bytes, asyncio.TimerHandle] = {}
        self._due: list[bytes] = []
        self._is_due = asyncio.Event()
        self._heard_at = -math.inf

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        refused: dict[str, TidegateError] = {}
        for start in range(0, len(topics), _AT_ONCE):
            part = topics[start : start + _AT_ONCE]
            self._keys |= {topic.encode(): topic for topic in part}
            replies = await self._look([topic.encode() for topic in part])
            for topic, reply in zip(part, replies, strict=True):
                if isinstance(reply, ResponseError):
                    del self._keys[topic.encode()]
                    refused[topic] = self._refusal(topic, reply)
        return refused

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """The server may tell of each once more: it is not looked at again."""
        for topic in topics:
            key = topic.encode()
            self._keys.pop(key, None)
            self._looked_at.pop(key, None)
            timer = self._late.pop(key, None)
            if timer is not None:
                timer.cancel()

    async def listen(self, tell: Tell) -> None:
        self._tell = tell
        tasks = [asyncio.ensure_future(one) for one in (self._read(), self._renew(), self._beat())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except (RedisError, OSError, TimeoutError) as error:
            raise self._link.lost(error) from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        for timer in self._late.values():
            timer.cancel()
        self._late.clear()
        for reply in self._asked:
            reply.cancel()
        await self._link.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            came = await self._link.receive()
            self._heard_at = loop.time()
            if isinstance(came, _Changed):
                for key in self._keys if came.keys is None else came.keys:
                    self._note(key, self._heard_at)
            elif self._asked:
                reply = self._asked.popleft()
                if not reply.done():
                    reply.set_result(came)

    def _note(self, key: bytes, now_s: float) -> None:
        """A key has changed: it is looked at again, now or at the end of its second."""
        if key not in self._keys or key in self._late or key in self._looking:
            return
        due_s = self._looked_at.get(key, -math.inf) + GAP_S
        if now_s >= due_s:
            self._fall_due(key)
        else:
            self._late[key] = asyncio.get_running_loop().call_at(due_s, self._fall_due, key)

    def _fall_due(self, key: bytes) -> None:
        self._late.pop(key, None)
        self._looking.add(key)
        self._due.append(key)
        self._is_due.set()

    async def _renew(self) -> None:
        """Looks again at the keys that are due, and tells of them."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            due, self._due = self._due, []
            self._looking.difference_update(due)
            due = [key for key in due if key in self._keys]
            self._looked_at |= dict.fromkeys(due, asyncio.get_running_loop().time())
            for start in range(0, len(due), _AT_ONCE):
                part = due[start : start + _AT_ONCE]
                for key, reply in zip(part, await self._look(part), strict=True):
                    topic = self._keys.get(key)
                    if topic is not None:
                        self._tell(topic)
                        if isinstance(reply, MovedError | AskError):
                            self._gone(topic)

    def _refusal(self, topic: str, reply: ResponseError) -> TidegateError:
        attempted = f"watch the key {topic}"
        if isinstance(reply, MovedError | AskError):
            return KeyElsewhere(attempted, on=self._link.label, answer="another node of the cluster has it")
        return reply_error(reply, attempted, self._link.label)

    async def _look(self, keys: Sequence[bytes]) -> list[Any]:
        """What the server says of each key; from then on it tells of the next change."""
        return await self._ask([("TYPE", key) for key in keys])

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        loop = asyncio.get_running_loop()
        replies: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._asked.extend(replies)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._link.send(commands)
                return [await reply for reply in replies]
        except (RedisError, OSError, TimeoutError) as error:
            raise self._link.lost(error) from error

    async def _beat(self) -> None:
        await beat(lambda: self._heard_at, lambda: self._ask([("PING",)]))
