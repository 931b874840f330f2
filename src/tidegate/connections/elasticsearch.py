"""Elasticsearch and OpenSearch: all searches of a round in one request, on whichever node answers.

    searches → by 100 → one _msearch (templates: _msearch/template) → one response each
                          │ refused or too large as a whole: each search alone; who fails again stays alone
                          │ late as a whole: next time each alone; who is in time joins the others again

A node that does not answer is passed over; the next one that does is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tidegate.base.errors import Malformed, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, TooLarge
from tidegate.connections.http.client import CONCURRENCY, HttpClient
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.elasticsearch import Search, SearchServer
from tidegate.kit.systems.http import HttpRequest, HttpServer, read_url

AT_ONCE = Search.calls.together
"""Searches in one request."""

LIMIT_BYTES = 32 << 20
LARGE_BYTES = 256 << 10

Found = dict[tuple[Any, ...], Any]
"""By search: its response, or the error in its place."""

_ELSEWHERE = frozenset({502, 503, 504})
_GRACE_S = 1.0
_STEPS = {
    "index_not_found_exception": "check `index`",
    "resource_not_found_exception": "check `searchTemplateName`",
}
_STRANGE = "check `addresses`: what answers there runs no searches"


def connect(server: SearchServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return SearchConnection(server, surroundings)


class SearchConnection:
    """Answers `Search`es."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: SearchServer, surroundings: Surroundings) -> None:
        self._server = server
        self._nodes = [_Node(server, address, surroundings) for address in server.addresses]
        self._current = 0
        self._loners: set[tuple[Any, ...]] = set()
        self._late: set[tuple[Any, ...]] = set()
        self._turns = asyncio.Semaphore(CONCURRENCY)
        self._silence: failures.Late | None = None
        self._is_alive = False
        self._may_batch = True
        self.patience_s = server.timeout_s * (len(self._nodes) + self.batch // AT_ONCE) + _GRACE_S

    @property
    def requests(self) -> int:
        """Requests sent to all nodes since the adapter was made."""
        return sum(node.client.requests for node in self._nodes)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order; equal searches are run once."""
        searches = {_key(one): one for one in questions if isinstance(one, Search)}
        together: list[list[Search]] = []
        alone: list[Search] = []
        apart = self._loners | self._late
        self._silence, self._is_alive = None, False
        for kind in (False, True):
            some = [one for one in searches.values() if one.is_template is kind]
            free = [one for one in some if self._may_batch and _key(one) not in apart]
            alone += [one for one in some if not self._may_batch or _key(one) in apart]
            together += [free[start : start + AT_ONCE] for start in range(0, len(free), AT_ONCE)]
        alone += [part[0] for part in together if len(part) == 1]
        parts = [part for part in together if len(part) > 1]
        found = await _joined([*map(self._all, parts), *map(self._one, alone)])
        _raise_if_nobody_answers(list(found.values()))
        return [
            _picked(found[_key(one)], one) if isinstance(one, Search) else _unknown(one) for one in questions
        ]

    async def close(self) -> None:
        for node in self._nodes:
            await node.client.close()

    async def _all(self, searches: list[Search]) -> Found:
        """The response to each, or the error in its place."""
        path = "/_msearch/template" if searches[0].is_template else "/_msearch"
        lines = []
        for one in searches:
            lines += [msgspec.json.encode({"index": list(one.indices)}).decode(), one.body]
        body = "".join(f"{line}\n" for line in lines).encode()
        try:
            response, request = await self.sent(path, body, "application/x-ndjson")
        except TooLarge:
            return await self._each(searches)
        except failures.Late as late:
            # One of them may be slow, and must not be so for all of them again.
            self._late |= set(map(_key, searches))
            return dict.fromkeys(map(_key, searches), late)
        self._is_alive = True
        if response.status in (403, 405):
            self._may_batch = False
        if 400 <= response.status < 500 and response.status not in (401, 429):
            return await self._each(searches)
        if response.status != 200:
            return dict.fromkeys(map(_key, searches), failures.refusal(response, request))
        document = await _read(response, request)
        entries = document.get("responses") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) != len(searches):
            error = failures.unreadable(request, "the answer has no response for each search", response.body)
            return dict.fromkeys(map(_key, searches), error)
        return {
            _key(one): _checked(entry, _request_of(self._server, one.path()))
            for one, entry in zip(searches, entries, strict=True)
        }

    async def _each(self, searches: list[Search]) -> Found:
        found = await _joined(map(self._one, searches))
        self._loners |= {key for key, value in found.items() if isinstance(value, Malformed)}
        return found

    async def _one(self, search: Search) -> Found:
        async with self._turns:
            if self._silence is not None and not self._is_alive:
                return {_key(search): self._silence}  # nobody is there: the rest need not find out
            try:
                found = await self._alone(search)
            except failures.Late as error:
                self._silence = error
                return {_key(search): error}
            self._is_alive = True
            self._late.discard(_key(search))
            return found

    async def _alone(self, search: Search) -> Found:
        try:
            response, request = await self.sent(search.path(), search.body.encode(), "application/json")
            if response.status != 200:
                raise _refusal(response, request)
            return {_key(search): _checked(await _read(response, request), request)}
        except (failures.Down, failures.Late):
            raise
        except TidegateError as error:
            return {_key(search): error}

    @property
    def clients(self) -> list[HttpClient]:
        """One for each node, in their order."""
        return [node.client for node in self._nodes]

    async def sent(
        self, path: str, body: bytes, content_type: str, attempted: str = ""
    ) -> tuple[Response, HttpRequest]:
        """The answer of the first node that gives one; that one is asked first from now on."""
        problem: TidegateError | None = None
        answered: tuple[Response, HttpRequest] | None = None
        for offset in range(len(self._nodes)):
            number = (self._current + offset) % len(self._nodes)
            node = self._nodes[number]
            request = _request_of(self._server, node.prefix + path, node.server, body, content_type)
            request = replace(request, attempted=attempted) if attempted else request
            try:
                response = await node.client.send(request)
            except (failures.Down, failures.Silent) as error:
                problem = problem or error
                continue
            if response.status not in _ELSEWHERE:
                self._current = number
                return response, request
            answered = answered or (response, request)
        if answered is not None:
            return answered
        assert problem is not None
        raise problem


class _Node:
    def __init__(self, server: SearchServer, address: str, surroundings: Surroundings) -> None:
        url = read_url(address)
        self.prefix = url.path
        is_encrypted = url.origin.startswith("https:")
        self.server = HttpServer(
            url.origin, server.login, server.tls if is_encrypted else None, server.timeout_s, server.name
        )
        self.client = HttpClient(self.server, surroundings)


def _request_of(
    server: SearchServer,
    path: str,
    node: HttpServer | None = None,
    body: bytes = b"",
    content_type: str = "application/json",
) -> HttpRequest:
    asked = node or HttpServer(server.addresses[0], name=server.name)
    return HttpRequest(
        asked,
        path,
        method="POST",
        headers=(("Content-Type", content_type), ("Accept", "application/json")),
        body=body,
        limit_bytes=LIMIT_BYTES,
        attempted="run the search" if path.endswith(("_search", "_search/template")) else "run the searches",
    )


async def _read(response: Response, request: HttpRequest) -> Any:
    try:
        if len(response.body) > LARGE_BYTES:
            return await asyncio.to_thread(read_json, response.body)
        return read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body, _STRANGE) from None


def _checked(entry: Any, request: HttpRequest) -> Any:
    """A response, or why it is none: refused, or less than all."""
    if not isinstance(entry, dict):
        return failures.unreadable(request, "the response is no object", next_step=_STRANGE)
    status = entry.get("status", 200)
    if "error" in entry or status != 200:
        told = msgspec.json.encode(entry.get("error"))
        return _refusal(Response(status if isinstance(status, int) else 500, {}, told), request)
    shards = entry.get("_shards")
    if not isinstance(shards, dict):
        # Nothing at the location may mean 0: not where something else than a search has answered.
        return failures.unreadable(request, "the answer is no response to a search", next_step=_STRANGE)
    failed = shards.get("failed")
    if failed or entry.get("timed_out") is True:
        what = f"{failed} shards failed" if failed else "it timed out"
        return Unreachable(
            request.title(), on=request.server.label(), answer=f"the response is not whole: {what}"
        )
    return entry


def _refusal(response: Response, request: HttpRequest) -> TidegateError:
    """A refused search, with what to do: the type of its error tells what is missing."""
    try:
        document = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    error = document.get("error", document) if isinstance(document, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    return failures.refusal(response, request, _STEPS.get(kind, "") if isinstance(kind, str) else "")


async def _joined(parts: Iterable[Coroutine[Any, Any, Found]]) -> Found:
    """What all find. Raises what one of them raised, after all have ended."""
    found: Found = {}
    for outcome in await asyncio.gather(*parts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        found.update(outcome)
    return found


def _picked(found: Any, search: Search) -> Any:
    if isinstance(found, TidegateError):
        return found
    return search.pick.of(found)


def _raise_if_nobody_answers(found: list[Any]) -> None:
    """A cluster that does not know us says so to every search; one that is silent, to none anything."""
    errors = [one for one in found if isinstance(one, failures.Unauthorized | failures.Late)]
    if len(errors) == len(found) > 1:
        raise errors[0]


def _key(search: Search) -> tuple[Any, ...]:
    return search.indices, search.body, search.is_template


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
