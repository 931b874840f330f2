"""Dynatrace: selectors that the answer repeats word for word travel ten at a time; DQL one by one.

DQL: execute → a token → poll, wait, poll, … → records
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.dynatrace import Dql, DynatraceServer, MetricSelector
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, Pairs, read_url
from tidegate.kit.tls import Tls

LONGEST_S = 60.0
"""However many polls a trigger wants."""

_GRAIL = "/platform/storage/query/v1/query"
_RUNNING = ("NOT_STARTED", "RUNNING")
_ENDED = ("FAILED", "CANCELLED", "RESULT_GONE")
_STRANGE = "check `host`: what answers there is no Dynatrace"
_TOKEN = "check `token` and its scopes"
_CAUSE = "check the selector; where a missing series means 0, add a default to it"


def connect(server: DynatraceServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return DynatraceConnection(server, surroundings)


class DynatraceConnection(PackedConnection):
    """Answers `MetricSelector`s and `Dql`s."""

    wake_gap_s = 30.0
    kinds = (MetricSelector, Dql)
    at_once = MetricSelector.calls.together
    longest = 6000

    def __init__(self, server: DynatraceServer, surroundings: Surroundings) -> None:
        url = read_url(server.origin)
        scheme = "Bearer" if server.is_platform else "Api-Token"
        login = HttpLogin((("Authorization", f"{scheme} {server.token}"),))
        tls = Tls() if url.origin.startswith("https:") else None
        self._server = HttpServer(url.origin, login, tls, name="Dynatrace")
        self._prefix = url.path.rstrip("/")
        super().__init__(self._server, surroundings)
        self.patience_s += 4 * LONGEST_S

    def group(self, question: MetricSelector | Dql) -> Hashable:
        return question.since if isinstance(question, MetricSelector) else None

    def length(self, question: MetricSelector) -> int:
        return len(quote(question.selector))

    async def packed(self, questions: Sequence[Any]) -> Found:
        first = questions[0]
        if isinstance(first, Dql):
            try:
                async with asyncio.timeout(LONGEST_S):
                    return {first: await self._record(first)}
            except TimeoutError as error:
                raise failures.lost(error, self._request("GET", "", "run the query"), LONGEST_S) from error
        query = (("metricSelector", ",".join(one.selector for one in questions)), ("from", first.since))
        request = self._request("GET", "/api/v2/metrics/query", "query the metric", query)
        response = await self.client.send(request)
        if response.status == 400 and len(questions) > 1:
            raise Spoilt
        results = _document(response, request, (200,)).get("result")
        if not isinstance(results, list):
            raise failures.unreadable(request, "the answer holds no results", response.body, _STRANGE)
        if len(questions) == 1:
            if (
                not results
                or not isinstance(results[0], dict)
                or results[0].get("metricId") != first.selector
            ):
                self.apart.add(first)
            return {first: _value(results[0] if results else None, request)}
        named = {one.get("metricId"): one for one in results if isinstance(one, dict)}
        if len(named) != len(results) or set(named) != {one.selector for one in questions}:
            # It names them otherwise than they were written: whose number is whose is not known.
            raise Spoilt
        return {one: _value(named[one.selector], request) for one in questions}

    async def _record(self, question: Dql) -> Any:
        body = {"query": question.query, "fetchTimeoutSeconds": question.fetch_s}
        request = self._request("POST", f"{_GRAIL}:execute", "run the query", body=body)
        started = _document(await self.client.send(request), request, (200, 202))
        if started.get("state") == "SUCCEEDED" and "result" in started:
            return _r(started, request)
        token = started.get("requestToken")
        if started.get("state") not in (*_RUNNING, "SUCCEEDED") or not isinstance(token, str) or not token:
            raise failures.unreadable(request, "the query was not started", next_step="check the query")
        request = self._request("GET", f"{_GRAIL}:poll", "run the query", (("request-token", token),))
        for number in range(question.tries):
            if number:
                await asyncio.sleep(question.wait_s)
            document = _document(await self.client.send(request), request, (200,))
            state = document.get("state")
            if state == "SUCCEEDED":
                return _r(document, request)
            if state not in _RUNNING:
                told = state if state in _ENDED else "in a state that is not known"
                raise failures.unreadable(request, f"the query is {told}", next_step="check the query")
        step = "make it faster, or raise `queryPollingTries` or `queryPollingWait`"
        answer = f"DQL query did not complete within {question.tries} attempts"
        raise failures.Late(request.title(), on=self._server.label(), answer=answer, next_step=step)

    def _request(
        self, method: str, path: str, attempted: str, query: Pairs = (), body: Any = None
    ) -> HttpRequest:
        return HttpRequest(
            self._server,
            f"{self._prefix}{path}",
            query,
            method=method,
            headers=(("Content-Type", "application/json"),) if body is not None else (),
            body=msgspec.json.encode(body) if body is not None else b"",
            attempted=attempted,
        )


def _document(response: Response, request: HttpRequest, accepted: tuple[int, ...]) -> dict[str, Any]:
    if response.status not in accepted:
        raise failures.refusal(response, request, _TOKEN if response.status in (401, 403) else "")
    try:
        document = read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
    if not isinstance(document, dict):
        raise failures.unreadable(request, "the answer is no JSON object", response.body, _STRANGE)
    return document


def _value(result: Any, request: HttpRequest) -> float | TidegateError | None:
    """`data[0].values[0]` of one selector's result."""
    data = result.get("data") if isinstance(result, dict) else None
    if result is None:
        return _missing("dynatrace response does not contain any results", request)
    if not isinstance(data, list) or not data or not isinstance(data[0], dict):
        return _missing("dynatrace response does not contain any metric series", request)
    values = data[0].get("values")
    if not isinstance(values, list) or not values:
        return _missing("dynatrace response does not contain any values for the metric series", request)
    return values[0]  # type: ignore[no-any-return]


def _missing(answer: str, request: HttpRequest) -> TidegateError:
    return failures.unreadable(request, answer, next_step=_CAUSE)


def _r(document: dict[str, Any], request: HttpRequest) -> Any:
    result = document.get("result")
    records = result.get("records") if isinstance(result, dict) else None
    if not isinstance(records, list) or not records or not isinstance(records[0], dict):
        step = "let the query give one record with a field `r`"
        raise failures.unreadable(request, "empty result", next_step=step)
    return records[0].get("r")
