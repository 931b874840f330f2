"""The adapter for one HTTP server: equal requests once, a few at a time, each body read once.

A request that fails, fails alone. The server as a whole has failed when no connection comes about, when it
asks for rest, or when several requests got no answer, or no admission, and none got one; what was not asked
yet then is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.kit.picking.pick import Pick, Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer

LARGE_BYTES = 256 << 10
"""Bodies beyond this are read in a thread: other servers' rounds go on."""

_GRACE_S = 1.0

_UNPICKED = "check the address, and what it answers"

Outcome = Response | TidegateError

_OF_ALL = (failures.Silent, failures.Unauthorized)
"""What tells, if several requests meet it and no other answer came, that the server serves nobody. Of one
request it tells nothing: one slow query, one path with a login of its own must not stop the others."""


class HttpConnection:
    """Answers `HttpQuestion`s."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: HttpServer, surroundings: Surroundings) -> None:
        self.client = HttpClient(server, surroundings)
        self._readers: ThreadPoolExecutor | None = None
        waves = -(-self.batch // self.client.concurrency)
        self.patience_s = waves * self.client.timeout_s + _GRACE_S
        """Slow answers of a server are late; they are not taken for its silence."""

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return self.client.requests

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self.client.connections

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        picks: dict[HttpRequest, dict[Pick, Any]] = {}
        for one in questions:
            if isinstance(one, HttpQuestion):
                picks.setdefault(one.request, {})[one.pick] = None
        sending = Sending(self.client, picks)
        outcomes = await sending.run()
        for request, outcome in outcomes.items():
            picks[request] = await self._picked(request, outcome, picks[request])
        return [
            picks[one.request][one.pick] if isinstance(one, HttpQuestion) else _unknown(one)
            for one in questions
        ]

    async def close(self) -> None:
        readers, self._readers = self._readers, None
        if readers is not None:
            readers.shutdown(wait=False, cancel_futures=True)
        await self.client.close()

    def _reader(self) -> ThreadPoolExecutor:
        """A thread of this server's own: what it sends keeps nobody else's answers waiting."""
        if self._readers is None:
            self._readers = ThreadPoolExecutor(1, thread_name_prefix="large-answers")
        return self._readers

    async def _picked(
        self, request: HttpRequest, outcome: Outcome, wanted: dict[Pick, Any]
    ) -> dict[Pick, Any]:
        if isinstance(outcome, TidegateError):
            return dict.fromkeys(wanted, outcome)
        if outcome.status in request.none_at:
            return dict.fromkeys(wanted)
        body = outcome.body
        if len(body) > LARGE_BYTES:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._reader(), pick_all, body, wanted)
        else:
            found = pick_all(body, wanted)
        return {
            pick: failures.unreadable(request, str(value), body, value.next_step or _UNPICKED)
            if isinstance(value, Unpicked)
            else value
            for pick, value in found.items()
        }


def pick_all(body: bytes, wanted: dict[Pick, Any]) -> dict[Pick, Any]:
    """What each pick finds, or the `Unpicked` that says why it finds nothing; each format is read once."""
    documents: dict[type[Pick], Any] = {}
    found: dict[Pick, Any] = {}
    for pick in wanted:
        kind = type(pick)
        if kind not in documents:
            try:
                documents[kind] = pick.read(body)
            except Unpicked as error:
                documents[kind] = error
        document = documents[kind]
        if isinstance(document, Unpicked):
            found[pick] = document
            continue
        try:
            found[pick] = pick.of(document)
        except Unpicked as error:
            found[pick] = error
    return found


class Sending:
    """One list of different requests on its way."""

    def __init__(self, client: HttpClient, requests: dict[HttpRequest, Any]) -> None:
        self._client = client
        self._left: Iterator[HttpRequest] = iter(requests)
        self._count = len(requests)
        self._outcomes: dict[HttpRequest, Outcome] = {}
        self._silences = 0
        self._is_alive = False
        self._has_answer = False
        self._end: TidegateError | None = None

    async def run(self) -> dict[HttpRequest, Outcome]:
        """The outcome of each request. Raises where the server as a whole has failed."""
        workers = min(self._count, self._client.concurrency)
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())
        outcomes = self._outcomes
        if self._end is not None and not self._has_answer:
            raise self._end
        kinds = [one for one in outcomes.values() if isinstance(one, _OF_ALL)]
        if len(kinds) == len(outcomes) > 1:
            raise kinds[0]
        return outcomes

    async def _work(self) -> None:
        for request in self._left:
            if self._end is not None:
                self._outcomes[request] = self._end
                continue
            self._outcomes[request] = await self._sent(request)

    async def _sent(self, request: HttpRequest) -> Outcome:
        try:
            response = await self._client.send(request)
        except failures.Down as error:
            self._end = self._end or error
            return error
        except failures.Silent as error:
            self._silences += 1
            # When the first is late, all of the first wave have had their time.
            is_enough = isinstance(error, failures.Late) or self._silences >= self._client.concurrency
            if is_enough and not self._is_alive and self._count > 1:
                self._end = self._end or error
            return error
        except TidegateError as error:
            return error
        self._is_alive = True
        if is_accepted(response, request):
            self._has_answer = True
            return response
        refusal = failures.refusal(response, request)
        if isinstance(refusal, Unreachable) and refusal.retry_after_s is not None:
            self._end = self._end or refusal
        return refusal


def is_accepted(response: Response, request: HttpRequest) -> bool:
    """Whether the status says that the body is the answer, or that there is none."""
    if response.status in request.none_at:
        return True
    return response.status in request.accepts if request.accepts else 200 <= response.status < 300


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
