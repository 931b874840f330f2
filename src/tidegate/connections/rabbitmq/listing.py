"""The requests about one virtual host that the management API answers, and what their answers say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import msgspec
import re2  # type: ignore[import-untyped]  # it has no stubs

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import refusal, unreadable
from tidegate.kit.systems.http import HttpRequest
from tidegate.kit.systems.rabbitmq import QueueStats

COLUMNS = (
    "name,messages,messages_ready,message_stats.publish_details.rate,message_stats.deliver_get_details.rate"
)
LONG = 2000
"""Queues from which on a listing comes in pages: a busy broker takes half a second for a thousand."""

PAGE = 500
"""The broker gives no more on one page."""

LARGE_BYTES = 256 << 10
"""Bodies beyond this are read in a thread: other servers' rounds go on."""

_PATTERN_BYTES = 1 << 20
_AT_ONCE = 1000

T = TypeVar("T")


class _Rate(msgspec.Struct, frozen=True):
    rate: float = 0.0


class _Rates(msgspec.Struct, frozen=True):
    publish_details: _Rate = _Rate()
    deliver_get_details: _Rate = _Rate()


class Row(msgspec.Struct, frozen=True):
    """A queue as the API lists it; of one that is new, or whose node is down, it says only the name."""

    name: str
    messages: int | None = None
    messages_ready: int | None = None
    message_stats: _Rates = _Rates()


class _Page(msgspec.Struct, frozen=True):
    items: list[Row]
    page_count: int
    total_count: int


@dataclass(frozen=True, slots=True)
class Vhost:
    """One virtual host of a broker, asked by `client`."""

    client: HttpClient
    prefix: str
    name: str

    async def queue(self, name: str) -> QueueStats | TidegateError:
        """One queue; of what is wrong only the value, no exception."""
        request = self._request(f"/{quote(name, safe='')}", {}, f"read the state of queue {name}")
        try:
            return self._stats(await self._read(request, Row, name), request)
        except TidegateError as error:
            return error

    async def matching(self, pattern: str, limit: int) -> tuple[QueueStats, ...] | TidegateError:
        """The queues that the broker finds by a pattern of its own kind."""
        wanted = {"page": "1", "page_size": str(limit), "use_regex": "true", "name": pattern}
        request = self._request("", wanted, f"list the queues that match {pattern}")
        try:
            page = await self._read(request, _Page)
            if page.page_count > 1:
                return self.too_many(pattern, limit)
            return tuple(self._stats(row, request) for row in page.items)
        except TidegateError as error:
            return error

    async def listing(self, queues: int | None) -> Listing:
        """All queues: in one piece where there are known to be few enough. Raises one of the five."""
        if queues is not None and queues <= LONG:
            request = self._request("", {}, "list the queues")
            return Listing(self, request, _by_name(await self._read(request, list[Row])), is_whole=True)
        first = self._page(1)
        page = await self._read(first, _Page)
        others = (self._read(self._page(number), _Page) for number in range(2, page.page_count + 1))
        pages = [page, *await asyncio.gather(*others)]
        rows = _by_name(row for one in pages for row in one.items)
        # Queues that come and go between two pages shift the others: what is missing may be there.
        return Listing(self, first, rows, is_whole=len(pages) == 1)

    def too_many(self, pattern: str, limit: int) -> Misconfigured:
        return Misconfigured(
            f"list the queues that match {pattern}",
            on=self._on(),
            answer=f"regex matches more queues than can be recovered at once ({limit})",
            next_step="raise pageSize (500 at most), or narrow the pattern",
        )

    def missing(self, queue: str) -> Misconfigured:
        return Misconfigured(
            f"read the state of queue {queue}",
            on=self._on(),
            answer="there is no such queue",
            next_step="declare it, or correct `queueName` or the virtual host",
        )

    def stats_of(self, row: Row, request: HttpRequest) -> QueueStats | TidegateError:
        try:
            return self._stats(row, request)
        except TidegateError as error:
            return error

    # --- inside

    def _on(self) -> str:
        return f"{self.client.server.label()}{self.prefix}, vhost {self.name}"

    def _page(self, number: int) -> HttpRequest:
        return self._request("", {"page": str(number), "page_size": str(PAGE)}, "list the queues")

    def _request(self, path: str, query: Mapping[str, str], attempted: str) -> HttpRequest:
        return HttpRequest(
            self.client.server,
            f"{self.prefix}/api/queues/{quote(self.name, safe='')}{path}",
            query=tuple({**query, "columns": COLUMNS}.items()),
            attempted=f"{attempted} of vhost {self.name}" if not path else attempted,
        )

    async def _read(self, request: HttpRequest, kind: type[T], queue: str = "") -> T:
        response = await self.client.send(request)
        if response.status == 200:
            return await _decoded(response, request, kind)
        if response.status == 404 and queue:
            raise self.missing(queue)
        if response.status == 404:
            raise Misconfigured(
                request.title(),
                on=self._on(),
                answer="there is no such virtual host, or no management API at this address",
                next_step="check `host` and `vhostName`",
            )
        error = refusal(response, request)
        if response.status == 400:
            error.next_step = "check the pattern in `queueName` and `pageSize`"
        raise error

    def _stats(self, row: Row, request: HttpRequest) -> QueueStats:
        """Raises where the broker has not said how long the queue is."""
        if row.messages is None or row.messages_ready is None:
            raise Malformed(
                f"read the state of queue {row.name}",
                on=self._on(),
                answer="the broker does not say how many messages it has",
                next_step="a new queue is told of within 5 s; else its node is down, or statistics are off",
            )
        rates = row.message_stats
        numbers = (
            row.messages,
            row.messages_ready,
            rates.publish_details.rate,
            rates.deliver_get_details.rate,
        )
        if min(numbers) < 0:
            raise unreadable(request, f"a number of queue {row.name} is below zero")
        return QueueStats(*numbers)


@dataclass(frozen=True, slots=True)
class Listing:
    """The queues of a virtual host at one moment. `is_whole`: what is not in it is not there."""

    vhost: Vhost
    request: HttpRequest
    rows: Mapping[str, Row]
    is_whole: bool

    def __len__(self) -> int:
        return len(self.rows)

    def queue(self, name: str) -> QueueStats | TidegateError | None:
        """None where the listing does not tell."""
        row = self.rows.get(name)
        if row is not None:
            return self.vhost.stats_of(row, self.request)
        return self.vhost.missing(name) if self.is_whole else None

    async def matching(self, pattern: str, limit: int) -> tuple[QueueStats, ...] | TidegateError | None:
        """None where the listing does not tell, or only the broker understands the pattern."""
        if not self.is_whole:
            return None
        options = re2.Options()
        options.case_sensitive = False
        options.log_errors = False
        options.max_mem = _PATTERN_BYTES
        try:
            compiled = re2.compile(pattern, options)
        except re2.error:
            return None
        found = []
        for number, (name, row) in enumerate(self.rows.items(), 1):
            if compiled.search(name):
                found.append(row)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if len(found) > limit:
            return self.vhost.too_many(pattern, limit)
        outcomes = [self.vhost.stats_of(row, self.request) for row in found]
        bad = next((one for one in outcomes if isinstance(one, TidegateError)), None)
        return bad or tuple(one for one in outcomes if isinstance(one, QueueStats))


def _by_name(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


async def _decoded(response: Response, request: HttpRequest, kind: type[T]) -> T:
    try:
        if len(response.body) > LARGE_BYTES:
            return await asyncio.to_thread(msgspec.json.decode, response.body, type=kind)
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        step = "check that `host` is the management API's"
        reason = "it is no list of queues" if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise unreadable(request, reason, response.body, step) from error
