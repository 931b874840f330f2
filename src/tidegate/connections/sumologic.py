"""Sumo Logic: metrics queries of one window together, log searches as jobs; four requests in a second.

logs: a job → its state, again and again → pages of records → the job is deleted, whatever came of it
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

import msgspec

from tidegate.base.errors import Malformed, TidegateError
from tidegate.base.literals import parse_float
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.packs import Found, PackedConnection, Spoilt
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, basic, read_url
from tidegate.kit.systems.sumologic import SumoLogs, SumoMetrics, SumoServer, Values
from tidegate.kit.tls import Tls

CALLS_PER_S = 4
LONGEST_S = 60.0
PAGE = 10_000

_DONE = "DONE GATHERING RESULTS"
_STRANGE = "check `host`: what answers there is not the API of Sumo Logic"
_KEY = "check `accessID`, `accessKey` and `host`, and what the key may do"


def connect(server: SumoServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return SumoConnection(server, surroundings)


class SumoConnection(PackedConnection):
    """Answers `SumoMetrics` and `SumoLogs`."""

    batch = 50
    wake_gap_s = 60.0
    kinds = (SumoMetrics, SumoLogs)
    at_once = SumoMetrics.calls.together

    def __init__(self, server: SumoServer, surroundings: Surroundings) -> None:
        url = read_url(server.origin)
        tls = Tls(is_verified=server.is_verified) if url.origin.startswith("https:") else None
        login = HttpLogin((basic(server.access_id, server.access_key),))
        self._server = HttpServer(url.origin, login, tls, name="Sumo Logic")
        self._prefix = url.path.rstrip("/")
        self._begun: list[float] = []
        super().__init__(self._server, surroundings, concurrency=6)
        self.patience_s = -(-self.batch // 6) * LONGEST_S

    def group(self, question: SumoMetrics | SumoLogs) -> Hashable:
        # Rows that may name each other keep their ids: such a query has a request of its own.
        is_single = isinstance(question, SumoMetrics) and len(question.rows) == 1
        return question.range_s if is_single else None

    async def packed(self, questions: Sequence[Any]) -> Found:
        first = questions[0]
        if isinstance(first, SumoMetrics):
            return await self._series(questions)
        try:
            async with asyncio.timeout(LONGEST_S):
                return {first: await self._records(first)}
        except TimeoutError as error:
            step = "make it faster, or its `timerange` shorter"
            answer = f"not done within {LONGEST_S:g} s"
            on = self._server.label()
            raise failures.Late("run the search", on=on, answer=answer, next_step=step) from error

    # --- metrics

    async def _series(self, questions: Sequence[SumoMetrics]) -> Found:
        first = questions[0]
        rows = [
            {
                "rowId": name if len(one.rows) > 1 else _letter(number),
                "query": query,
                "quantization": one.quantization_ms,
                "rollup": one.rollup,
            }
            for number, one in enumerate(questions)
            for name, query in one.rows
        ]
        since, until = _window(first.range_s)
        limits = {
            name: {"type": "Iso8601TimeRangeBoundary", "iso8601Time": moment}
            for name, moment in (("from", since), ("to", until))
        }
        body = {"queries": rows, "timeRange": {"type": "BeginBoundedTimeRange", **limits}}
        request = self._request("POST", "/api/v1/metricsQueries", "run the metrics query", body)
        response = await self._sent(request)
        if response.status == 400 and len(questions) > 1:
            raise Spoilt
        document = _document(response, request)
        errors = document.get("errors")
        if (errors.get("errors") if isinstance(errors, dict) else errors) or not document.get("queryResult"):
            if len(questions) > 1:
                raise Spoilt
            raise failures.unreadable(
                request, "Sumo Logic could not run it", response.body, "check the query"
            )
        results = document["queryResult"]
        if not isinstance(results, list):
            raise failures.unreadable(request, "the answer holds no results", response.body, _STRANGE)
        named = {one.get("rowId"): one for one in results if isinstance(one, dict)}
        wanted = {
            one: one.row if len(one.rows) > 1 else _letter(number) for number, one in enumerate(questions)
        }
        return {one: _points(named.get(row), request) for one, row in wanted.items()}

    # --- logs

    async def _records(self, question: SumoLogs) -> Values:
        since, until = _window(question.range_s)
        body = {"query": question.query, "from": since, "to": until, "timeZone": question.zone}
        request = self._request("POST", "/api/v1/search/jobs", "run the search", body)
        response = await self._sent(request)
        name = _document(response, request).get("id")
        if not isinstance(name, str) or not name.isalnum():
            raise failures.unreadable(request, "the answer names no job", response.body, _STRANGE)
        cookie = _cookies(response)
        path = f"/api/v1/search/jobs/{name}"
        try:
            count = await self._count(question, path, cookie)
            return await self._values(question, path, cookie, count) if count else ()
        finally:
            await asyncio.shield(self._deleted(path, cookie))

    async def _count(self, question: SumoLogs, path: str, cookie: str) -> int:
        """How many records the job has in the end."""
        request = self._request("GET", path, "run the search", cookie=cookie)
        while True:
            document = _document(await self._sent(request), request)
            state = document.get("state")
            if state == _DONE:
                break
            if not isinstance(state, str) or state in ("CANCELLED", "FORCE PAUSED"):
                raise failures.unreadable(request, "the search was cancelled", next_step="check the query")
            await asyncio.sleep(question.poll_s)
        messages, records = document.get("messageCount"), document.get("recordCount")
        if type(messages) is not int or type(records) is not int:
            raise failures.unreadable(request, "the answer counts no records", next_step=_STRANGE)
        if messages and not records:
            answer = "only agg queries are supported, please check your query"
            raise failures.unreadable(request, answer, next_step="let it end in `| count`, for example")
        return records

    async def _values(self, question: SumoLogs, path: str, cookie: str, count: int) -> Values:
        found: list[float] = []
        for offset in range(0, count, PAGE):
            query = f"?offset={offset}&limit={min(PAGE, count - offset)}"
            request = self._request("GET", f"{path}/records{query}", "read the records", cookie=cookie)
            records = _document(await self._sent(request), request).get("records")
            if not isinstance(records, list):
                raise failures.unreadable(request, "the answer holds no records", next_step=_STRANGE)
            found += _numbers(records, question.field, request)
        if not found:
            answer = "no record has the field of resultField"
            raise failures.unreadable(request, answer, next_step="check `resultField`")
        return tuple(found)

    async def _deleted(self, path: str, cookie: str) -> None:
        """A job that stays counts against the key's limit until it ends by itself."""
        try:
            await self._sent(self._request("DELETE", path, "delete the search", cookie=cookie))
        except TidegateError:
            return  # it ends by itself

    # --- both

    def _request(
        self, method: str, path: str, attempted: str, body: Any = None, cookie: str = ""
    ) -> HttpRequest:
        headers = [("Accept", "application/json")]
        headers += [("Content-Type", "application/json")] if body is not None else []
        headers += [("Cookie", cookie)] if cookie else []
        return HttpRequest(
            self._server,
            f"{self._prefix}{path}",
            method=method,
            headers=tuple(headers),
            body=msgspec.json.encode(body) if body is not None else b"",
            limit_bytes=16 << 20,
            attempted=attempted,
        )

    async def _sent(self, request: HttpRequest) -> Response:
        """The answer; of any five requests the last begins a second after the first."""
        loop = asyncio.get_running_loop()
        at = loop.time() if len(self._begun) < CALLS_PER_S else max(loop.time(), self._begun[0] + 1)
        self._begun = [*self._begun[-CALLS_PER_S + 1 :], at]
        await asyncio.sleep(at - loop.time())
        return await self.client.send(request)


def _window(range_s: float) -> tuple[str, str]:
    until = datetime.now(UTC)
    since = until - timedelta(seconds=range_s)
    return since.isoformat(timespec="seconds"), until.isoformat(timespec="seconds")


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def _cookies(response: Response) -> str:
    """What binds further requests to the node that has the job."""
    said = getattr(response.headers, "getall", lambda name, default: default)("Set-Cookie", [])
    kept: SimpleCookie = SimpleCookie()
    for one in said:
        try:
            kept.load(one)
        except CookieError:
            continue
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in kept.items())


def _document(response: Response, request: HttpRequest) -> dict[str, Any]:
    if response.status not in (200, 201, 202):
        raise failures.refusal(response, request, _KEY if response.status in (401, 403) else "")
    try:
        document = read_json(response.body)
    except Unpicked as error:
        raise failures.unreadable(request, str(error), response.body, _STRANGE) from None
    if not isinstance(document, dict):
        raise failures.unreadable(request, "the answer is no JSON object", response.body, _STRANGE)
    return document


def _points(result: Any, request: HttpRequest) -> Values | Malformed:
    listed = result.get("timeSeriesList") if isinstance(result, dict) else None
    series = listed.get("timeSeries") if isinstance(listed, dict) else None
    if not isinstance(series, list):
        return failures.unreadable(
            request, "the answer has no series for the row", next_step="check the query"
        )
    if len(series) != 1:
        step = "let the row give one series, with `| sum` for example"
        return failures.unreadable(request, f"the row gives {len(series)} series, not one", next_step=step)
    points = series[0].get("points") if isinstance(series[0], dict) else None
    values = points.get("values") if isinstance(points, dict) else None
    if not isinstance(values, list) or not values:
        return failures.unreadable(request, "the series has no points", next_step="make `timerange` longer")
    if not all(type(one) in (int, float) and math.isfinite(one) for one in values):
        return failures.unreadable(request, "a point of the series is no number")
    return tuple(map(float, values))


def _numbers(records: list[Any], field: str, request: HttpRequest) -> list[float]:
    found = []
    for one in records:
        fields = one.get("map") if isinstance(one, dict) else None
        if not isinstance(fields, dict):
            raise failures.unreadable(request, "the answer holds a record that is none", next_step=_STRANGE)
        if field in fields:
            try:
                found.append(parse_float(str(fields[field]).strip()))
            except ValueError as error:
                raise failures.unreadable(
                    request, f"the field of a record {error}", next_step="check `resultField`"
                ) from None
    return found
