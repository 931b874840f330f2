"""The adapter for one namespace: from the second question about queues on, one listing answers them.

questions → by topic ("" for queues) → a page of 100 entities for all of them, or one request for each
                                       where there are more pages than questions
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_servicebus.entries import Counts, read_entries
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.connection import LARGE_BYTES, Sending
from tidegate.connections.http.outgoing import Outgoing
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.azure_servicebus import ActiveMessages, AllActiveMessages, ServiceBusServer
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer

VERSION = "2017-04"
PAGE = 100
MOST_PAGES = 150
"""A namespace has 10,000 queues at most, a topic 2,000 subscriptions."""

_MISSING = (404, 410)
_TOKEN_S = 3600
_GRACE_S = 1.0

Listing = Counts | TidegateError


class ServiceBusConnection:
    """Answers the questions about one namespace."""

    batch = 1000
    wake_gap_s = 10.0  # the service throttles the whole namespace

    def __init__(self, server: ServiceBusServer, surroundings: Surroundings) -> None:
        self._server = server
        login = HttpLogin(token=server.token)
        self._http = HttpServer(server.origin(), login, name="Azure Service Bus", follows_redirects=False)
        self.client = HttpClient(self._http, surroundings, sign=None if server.token else self._sign)
        self._pages: dict[str, int] = {}
        waves = -(-self.batch // self.client.concurrency)
        self.patience_s = (waves + MOST_PAGES) * self.client.timeout_s + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        ones = list(dict.fromkeys(one for one in questions if isinstance(one, ActiveMessages)))
        topics = {one.topic: None for one in questions if isinstance(one, AllActiveMessages)}
        for topic in dict.fromkeys(one.topic for one in ones):
            asked = sum(one.topic == topic for one in ones)
            if asked > self._pages.get(topic, 1):
                topics[topic] = None
        singles = [one for one in ones if one.topic not in topics]
        found = await self._asked(singles, topics)
        answers: list[Any] = []
        for question in questions:
            if question in found:
                answers.append(found[question])
            elif isinstance(question, ActiveMessages):
                answers.append(self._of_listing(question, found[question.topic]))
            elif isinstance(question, AllActiveMessages):
                answers.append(found[question.topic])
            else:
                answers.append(Unsupported(f"answer {type(question).__name__}", on=question.server.label()))
        if answers and all(isinstance(answer, Denied) for answer in answers):
            # The key is the namespace's: it rests until somebody changes it.
            raise answers[0]
        return answers

    async def close(self) -> None:
        await self.client.close()

    async def _asked(
        self, singles: Iterable[ActiveMessages], topics: Iterable[str]
    ) -> dict[ActiveMessages | str, Any]:
        """The count of each single one, and the listing of each topic."""
        requests: dict[HttpRequest, ActiveMessages | str] = {self._single(one): one for one in singles}
        requests |= {self._page(topic, 0): topic for topic in topics}
        found: dict[ActiveMessages | str, Any] = {}
        number = 0
        while requests:
            try:
                outcomes = await Sending(self.client, dict.fromkeys(requests)).run()
            except TidegateError as error:
                if not number:
                    raise
                outcomes = dict.fromkeys(requests, error)
            more: dict[HttpRequest, ActiveMessages | str] = {}
            number += 1
            for request, asked in requests.items():
                outcome = await self._read(request, outcomes[request])
                if isinstance(asked, ActiveMessages):
                    found[asked] = self._of_listing(asked, outcome)
                elif self._is_over(asked, outcome, found):
                    self._pages[asked] = number
                elif number < MOST_PAGES:
                    more[self._page(asked, number)] = asked
                else:
                    found[asked] = Malformed(request.title(), on=self._server.label(), answer="it has no end")
            requests = more
        return found

    def _is_over(self, topic: str, outcome: Listing, found: dict[Any, Any]) -> bool:
        """Adds a page to its listing; whether it was the last."""
        if isinstance(outcome, TidegateError):
            found[topic] = outcome
            return True
        found[topic] = {**found.get(topic, {}), **outcome}
        return len(outcome) < PAGE

    def _of_listing(self, question: ActiveMessages, listing: Listing) -> int | TidegateError:
        if isinstance(listing, TidegateError):
            return listing
        attempted, on = _attempted(question), self._server.label()
        # Names of Service Bus are the same in any spelling.
        folded = question.name.casefold()
        name = question.name if question.name in listing else None
        name = name or next((one for one in listing if one.casefold() == folded), None)
        if name is None:
            what = (
                f"subscription {question.name} doesn't exist in topic {question.topic}"
                if question.topic
                else f"queue {question.name} doesn't exist"
            )
            return Misconfigured(attempted, on=on, answer=what, next_step="create it, or check its name")
        active = listing[name]
        if active is None:
            answer = "the answer has no CountDetails, as when the namespace is asked too often"
            return Unreachable(attempted, on=on, answer=answer, next_step="raise `pollingInterval`")
        return active

    async def _read(self, request: HttpRequest, outcome: Response | TidegateError) -> Listing:
        if isinstance(outcome, TidegateError):
            return outcome
        if outcome.status in _MISSING:
            if "/Subscriptions?" in request.path:
                answer, step = "there is no such topic", "create it, or check `topicName`"
                return Misconfigured(request.title(), on=self._server.label(), answer=answer, next_step=step)
            return {}
        try:
            if len(outcome.body) <= LARGE_BYTES:
                return read_entries(outcome.body)
            return await asyncio.to_thread(read_entries, outcome.body)
        except Unpicked as error:
            step = "check the connection string: what answers there is no Service Bus"
            return Malformed(request.title(), on=self._server.label(), answer=str(error), next_step=step)

    def _single(self, question: ActiveMessages) -> HttpRequest:
        name = quote(question.name)
        path = f"/{quote(question.topic)}/Subscriptions/{name}" if question.topic else f"/{name}"
        return self._get(f"{path}?api-version={VERSION}", _attempted(question))

    def _page(self, topic: str, number: int) -> HttpRequest:
        path = f"/{quote(topic)}/Subscriptions" if topic else "/$Resources/Queues"
        attempted = f"list the subscriptions of topic {topic}" if topic else "list the queues"
        query = f"api-version={VERSION}&$skip={number * PAGE}&$top={PAGE}"
        return self._get(f"{path}?{query}", attempted)

    def _get(self, path: str, attempted: str) -> HttpRequest:
        return HttpRequest(self._http, path, accepts=(200, *_MISSING), attempted=attempted)

    async def _sign(self, outgoing: Outgoing) -> Mapping[str, str]:
        until_s = int(time.time()) + _TOKEN_S
        return {"Authorization": self._server.namespace.signature(f"{self._server.origin()}/", until_s)}


def _attempted(question: ActiveMessages) -> str:
    where = f" of topic {question.topic}" if question.topic else ""
    what = "subscription" if question.topic else "queue"
    return f"count the messages of {what} {question.name}{where}"
