"""core/v1 Events: what users read in `kubectl describe`.

A repetition within some minutes raises the count of the Event that is there instead of adding one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from tidegate.base.errors import TidegateError
from tidegate.base.times import format_time
from tidegate.kube.client import Client
from tidegate.kube.resource import EVENTS, ApiError
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

REPEATED_WITHIN = timedelta(minutes=10)
REMEMBERED = 4_096
AT_ONCE, WAITING, LAST_S = 8, 8_192, 1.0
# How long what is told may wait for what is done, and how often that is looked at.
DEFERRED_S, LOOK_S = 10.0, 0.1
MESSAGE_CHARS = 1_024
"""The API refuses longer messages."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an Event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""

    @classmethod
    def of(cls, about: Mapping[str, Any]) -> Reference:
        """From an object in its wire shape."""
        meta = about["metadata"]
        return cls(
            about["apiVersion"],
            about["kind"],
            meta.get("namespace") or "",
            meta["name"],
            meta.get("uid") or "",
            meta.get("resourceVersion") or "",
        )


@dataclass(frozen=True, slots=True)
class News:
    """What an Event says: `type` is Normal or Warning, `reason` one word in CamelCase."""

    type: str
    reason: str
    message: str


def event_body(
    about: Reference, news: News, source: str, now: datetime, stamp: datetime | None = None
) -> dict[str, Any]:
    """A new Event; of a cluster-scoped object it lives in the namespace `default`. `stamp` is the moment that
    its name is made of, if that is not the one it tells."""
    involved = {
        "apiVersion": about.api_version,
        "kind": about.kind,
        "name": about.name,
        "namespace": about.namespace,
        "uid": about.uid,
        "resourceVersion": about.resource_version,
    }
    moment = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about.name[:200]}.{int((stamp or now).timestamp() * 1_000_000):x}",
            "namespace": about.namespace or "default",
        },
        "involvedObject": {name: value for name, value in involved.items() if value},
        "reason": news.reason,
        "message": _cut(news.message),
        "type": news.type,
        "source": {"component": source},
        "reportingComponent": source,
        "reportingInstance": "",
        "count": 1,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
    }


def repetition(count: int, now: datetime) -> dict[str, Any]:
    """The merge patch of an Event that has happened `count` times by now."""
    return {"count": count, "lastTimestamp": format_time(now)}


@dataclass(frozen=True, slots=True)
class _Sent:
    namespace: str
    name: str
    count: int
    last: datetime


class Events:
    """Writes Events as `source`. Never raises for a server that refuses: an Event is not worth it."""

    def __init__(self, client: Client, clock: Clock, source: str) -> None:
        self.clock = clock
        self._client = client
        self._source = source
        self._sent: OrderedDict[tuple[str, News], _Sent] = OrderedDict()
        self._stamp = datetime.min.replace(tzinfo=clock.now().tzinfo)

    async def emit(self, about: Reference, news: News, at: datetime | None = None) -> None:
        """Adds the Event, or raises the count of an equal one of the last ten minutes. `at`: when it
        happened, if that is not now."""
        key = (about.uid or f"{about.kind}/{about.namespace}/{about.name}", news)
        now = at or self.clock.now()
        sent = self._sent.get(key)
        try:
            if sent is None or now - sent.last > REPEATED_WITHIN or not await self._repeat(sent, now):
                sent = await self._add(about, news, now)
            else:
                sent = replace(sent, count=sent.count + 1, last=now)
        except (ApiError, TidegateError) as error:
            is_over = isinstance(error, ApiError) and error.is_of_ending_namespace
            level = logging.DEBUG if is_over else logging.WARNING
            log.log(level, "event not written", extra={"reason": news.reason, "failure": str(error)})
            return
        self._sent[key] = sent
        self._sent.move_to_end(key)
        while len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    async def _repeat(self, sent: _Sent, now: datetime) -> bool:
        """Whether the Event was still there to be counted up."""
        try:
            await self._client.patch(EVENTS, sent.namespace, sent.name, repetition(sent.count + 1, now))
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def _add(self, about: Reference, news: News, now: datetime) -> _Sent:
        # Names are made of the moment: two Events never share one, even if the clock stands still.
        self._stamp = max(now, self._stamp + timedelta(microseconds=1))
        body = event_body(about, news, self._source, now, stamp=self._stamp)
        meta = body["metadata"]
        await self._client.create(EVENTS, meta["namespace"], body)
        return _Sent(meta["namespace"], meta["name"], 1, now)


Line: TypeAlias = "asyncio.Queue[tuple[Reference, News, datetime] | None]"


class EventQueue:
    """Events on their way: whoever has something to tell does not wait until it is told. Those about one
    object are written in order, `AT_ONCE` objects side by side, by `run`. Beyond `WAITING` they are dropped.

    While `is_busy` they wait, for at most `DEFERRED_S` and until half of the room is taken: in a flood of
    changes each would cost the API server as much as a write that somebody waits for.
    """

    def __init__(self, events: Events, is_busy: Callable[[], bool] = lambda: False) -> None:
        self.is_busy = is_busy
        self._events = events
        self._lines: list[Line] = [asyncio.Queue() for _ in range(AT_ONCE)]
        self._dropping: set[int] = set()
        self._is_ending = False

    def put(self, about: Reference, news: News) -> None:
        """Takes it in, and returns at once."""
        # A namesake's come after those of the one before.
        number = hash((about.kind, about.namespace, about.name)) % AT_ONCE
        line = self._lines[number]
        if line.qsize() < WAITING // AT_ONCE:
            # A line that was full goes on being told of as one until all of it was written.
            if line.empty():
                self._dropping.discard(number)
            line.put_nowait((about, news, self._events.clock.now()))
            return
        if not self._dropping:
            log.warning("events are dropped: they are written too slowly", extra={"waiting": line.qsize()})
        self._dropping.add(number)

    async def run(self) -> None:
        """Writes until cancelled; then what is left, for at most `LAST_S`: what is on its way is not cut."""
        tasks = [asyncio.create_task(self._write(line)) for line in self._lines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            self._is_ending = True
            for line in self._lines:
                line.put_nowait(None)
            await asyncio.wait(tasks, timeout=LAST_S)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, line: Line) -> None:
        """Until the mark of the end."""
        while (one := await line.get()) is not None:
            while self._is_deferred(line, one[2]):
                await self._events.clock.sleep(LOOK_S)
            await self._events.emit(*one)

    def _is_deferred(self, line: Line, since: datetime) -> bool:
        if self._is_ending or line.qsize() >= WAITING // AT_ONCE // 2 or not self.is_busy():
            return False
        # A clock that is set back defers nothing for longer.
        return timedelta() <= self._events.clock.now() - since < timedelta(seconds=DEFERRED_S)


def _cut(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARS else message[: MESSAGE_CHARS - 1] + "…"
