"""Datadog: the queries of a window of time in one request, told apart by `query_index`.

The API counts requests, a few hundred in an hour for a whole organisation: what can travel together does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable, Sequence
from typing import Any
from urllib.parse import quote_plus

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.datadog import DatadogQuery, DatadogServer, Series, queries_in
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer
from tidegate.kit.tls import Tls

LIMIT_BYTES = 16 << 20

_KEYS = "check `apiKey`, `appKey` and `datadogSite`"
_LONGEST_REST_S = 3600.0


def connect(server: DatadogServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return DatadogConnection(server, surroundings)


class DatadogConnection(PackedConnection):
    """Answers `DatadogQuery`s."""

    wake_gap_s = 60.0
    kinds = (DatadogQuery,)
    at_once = DatadogQuery.calls.together
    longest = 6000

    def __init__(self, server: DatadogServer, surroundings: Surroundings) -> None:
        keys = HttpLogin((("DD-API-KEY", server.api_key), ("DD-APPLICATION-KEY", server.app_key)))
        tls = Tls() if server.origin.startswith("https:") else None
        self._server = HttpServer(server.origin, keys, tls, server.timeout_s, "Datadog")
        super().__init__(self._server, surroundings, concurrency=4)

    def group(self, question: DatadogQuery) -> Hashable:
        # Datadog chooses the interval of its points by the window: no other may be mixed in.
        return question.age_s, question.offset_s

    def length(self, question: DatadogQuery) -> int:
        return len(quote_plus(question.query)) + 3

    async def packed(self, questions: Sequence[DatadogQuery]) -> Found:
        first = questions[0]
        until = int(time.time()) - first.offset_s
        text = ",".join(one.query for one in questions)
        request = HttpRequest(
            self._server,
            "/api/v1/query",
            (("from", str(until - first.age_s)), ("to", str(until)), ("query", text)),
            limit_bytes=LIMIT_BYTES,
            attempted="run the query",
        )
        response = await self.client.send(request)
        if response.status in (400, 422) and len(questions) > 1:
            raise Spoilt
        if response.status == 422:
            self.apart.add(first)
            return {first: None}
        if response.status != 200:
            raise _refusal(response, request)
        series = _series(response, request, is_alone=len(questions) == 1)
        return {first: series} if not isinstance(series, list) else _shared(series, questions)


def _series(
    response: Response, request: HttpRequest, *, is_alone: bool
) -> tuple[Series, ...] | list[tuple[int, Series]]:
    """The series of an answer to one question; of one to several, each with its index."""
    try:
        document = read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body) from None
    listed = document.get("series") if isinstance(document, dict) else None
    if not isinstance(listed, list) or document.get("status") not in ("ok", "error"):
        raise failures.unreadable(request, "the answer holds no series", response.body, _KEYS)
    if document["status"] == "error" or document.get("error"):
        if not is_alone:
            raise Spoilt
        raise failures.unreadable(request, "Datadog could not run it", response.body, "check the query")
    try:
        if is_alone:
            return tuple(_values(one) for one in listed)
        return [(_index(one), _values(one)) for one in listed]
    except (LookupError, TypeError, ValueError) as error:
        raise failures.unreadable(request, "a series cannot be read", response.body) from error


def _values(series: Any) -> Series:
    return tuple(_value(point) for point in series["pointlist"])


def _value(point: Any) -> float | None:
    value: float | None
    _, value = point
    if value is not None and (type(value) not in (int, float) or not math.isfinite(value)):
        raise ValueError("no number")
    return value


def _index(series: Any) -> int:
    index = series["query_index"]
    if type(index) is not int or index < 0:
        raise ValueError("no index")
    return index


def _shared(series: list[tuple[int, Series]], questions: Sequence[DatadogQuery]) -> Found:
    """Who has asked for what: a question with commas of its own has several indexes."""
    owners = [one for one in questions for _ in range(queries_in(one.query))]
    found: dict[DatadogQuery, tuple[Series, ...]] = dict.fromkeys(questions, ())
    for index, values in series:
        if index >= len(owners):
            raise Spoilt
        found[owners[index]] += (values,)
    return dict(found)


def _refusal(response: Response, request: HttpRequest) -> TidegateError:
    error = failures.refusal(response, request, _KEYS if response.status in (401, 403) else "")
    reset = response.headers.get("X-RateLimit-Reset", "")
    if response.status == 429 and reset.isascii() and reset.isdecimal():
        rest_s = min(float(reset[:6]), _LONGEST_REST_S)
        step = "ask less often: raise `pollingInterval`, or have the limit of the organisation raised"
        answer = f"the organisation has used up its requests, to be asked again in {rest_s:.0f} s"
        return Unreachable(error.attempted, on=error.on, answer=answer, next_step=step, retry_after_s=rest_s)
    if response.status == 403:  # one answer for keys that there are not and for rights that they lack
        return failures.Unauthorized(error.attempted, on=error.on, answer=error.answer, next_step=_KEYS)
    return error
