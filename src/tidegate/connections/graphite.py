"""Graphite: all targets of a round in one request, each under a name of ours.

targets → by `from` and by 100 → POST /render with alias(target, "name") → series by name
                                   │ refused, too large, or not to be told apart: each target alone
                                   │ late: next time each alone; who is in time joins the others again
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Malformed, TidegateError, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, TooLarge
from tidegate.connections.http.client import HttpClient
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.graphite import GraphiteServer, LatestPoint
from tidegate.kit.systems.http import HttpRequest, HttpServer, encoded, read_url
from tidegate.kit.tls import Tls

AT_ONCE = LatestPoint.calls.together
LIMIT_BYTES = 16 << 20
LARGE_BYTES = 256 << 10

_GRACE_S = 1.0
_STRANGE = "check `serverAddress`: what answers there is no Graphite"

Found = dict[LatestPoint, Any]
"""By target: its list of series, or the error in its place."""


def connect(server: GraphiteServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return GraphiteConnection(server, surroundings)


class GraphiteConnection:
    """Answers `LatestPoint`s."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: GraphiteServer, surroundings: Surroundings) -> None:
        url = read_url(server.address)
        self._prefix = url.path
        tls = Tls() if url.origin.startswith("https:") else None
        self._server = HttpServer(url.origin, server.login, tls, name="Graphite")
        self.client = HttpClient(self._server, surroundings)
        self._loners: set[LatestPoint] = set()
        self._late: set[LatestPoint] = set()
        self._turns = asyncio.Semaphore(self.client.concurrency)
        self._silence: failures.Late | None = None
        self._is_alive = False
        waves = 1 + self.batch // self.client.concurrency
        self.patience_s = waves * self.client.timeout_s + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        points = dict.fromkeys(one for one in questions if isinstance(one, LatestPoint))
        by_since: dict[str, list[LatestPoint]] = {}
        apart = self._loners | self._late
        self._silence, self._is_alive = None, False
        alone = [one for one in points if one in apart]
        for one in points:
            if one not in apart:
                by_since.setdefault(one.since, []).append(one)
        parts = [
            some[start : start + AT_ONCE]
            for some in by_since.values()
            for start in range(0, len(some), AT_ONCE)
        ]
        found: Found = {}
        outcomes = await asyncio.gather(
            *map(self._all, parts), *map(self._one, alone), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found.update(outcome)
        _raise_if_nobody_is_served(list(found.values()))
        return [
            _latest(found[one], self._request(one.since, []))
            if isinstance(one, LatestPoint)
            else _unknown(one)
            for one in questions
        ]

    async def close(self) -> None:
        await self.client.close()

    async def _all(self, points: list[LatestPoint]) -> Found:
        if len(points) == 1:
            return await self._one(points[0])
        token = secrets.token_hex(8)
        names = {f"{token}-{number}": point for number, point in enumerate(points)}
        targets = [f'alias({point.query},"{name}")' for name, point in names.items()]
        request = self._request(points[0].since, targets)
        try:
            response = await self.client.send(request)
        except TooLarge:
            return await self._each(points)
        except failures.Late as error:
            # One of them may be slow, and must not be so for all of them again.
            self._late |= set(points)
            return dict.fromkeys(points, error)
        self._is_alive = True
        if response.status in (401, 403, 429, 503):
            return dict.fromkeys(points, failures.refusal(response, request))
        series = await _series(response, request)
        if isinstance(series, TidegateError) or any(one.get("target") not in names for one in series):
            return await self._each(points)
        found: Found = {point: [] for point in points}
        for one in series:
            found[names[one["target"]]].append(one)
        return found

    async def _each(self, points: list[LatestPoint]) -> Found:
        """Each alone: one of them has spoilt the request. Who fails again stays alone."""
        found: Found = {}
        for outcome in await asyncio.gather(*map(self._one, points), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            found.update(outcome)
        self._loners |= {point for point, value in found.items() if isinstance(value, TidegateError)}
        return found

    async def _one(self, point: LatestPoint) -> Found:
        async with self._turns:
            if self._silence is not None and not self._is_alive:
                return {point: self._silence}  # nobody is there: the rest need not find out one by one
            try:
                found = await self._alone(point)
            except failures.Late as error:
                self._silence = error
                return {point: error}
            self._is_alive = True
            self._late.discard(point)
            return found

    async def _alone(self, point: LatestPoint) -> Found:
        request = self._request(point.since, [point.query])
        try:
            return {point: await _series(await self.client.send(request), request)}
        except (failures.Down, failures.Late):
            raise
        except TidegateError as error:
            return {point: error}

    def _request(self, since: str, targets: Sequence[str]) -> HttpRequest:
        form = [("from", since), ("format", "json"), *(("target", target) for target in targets)]
        return HttpRequest(
            self._server,
            f"{self._prefix}/render",
            method="POST",
            headers=(("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")),
            body=encoded(form).encode(),
            limit_bytes=LIMIT_BYTES,
            attempted="render the target",
        )


async def _series(response: Response, request: HttpRequest) -> list[dict[str, Any]] | TidegateError:
    """The series of an answer, each an object; or why it has none."""
    if response.status != 200:
        return failures.refusal(response, request)
    try:
        if len(response.body) > LARGE_BYTES:
            series = await asyncio.to_thread(read_json, response.body)
        else:
            series = read_json(response.body)
    except Unpicked as error:
        return failures.unreadable(request, str(error), response.body, _STRANGE)
    if not isinstance(series, list) or not all(isinstance(one, dict) for one in series):
        return failures.unreadable(request, "the answer is no list of series", response.body, _STRANGE)
    return series


def _latest(series: Any, request: HttpRequest) -> float | TidegateError:
    """The last value of the one series that is not null."""
    if isinstance(series, TidegateError):
        return series
    if not series:
        step = "check the target; where a missing metric means 0, use fallbackSeries(…, constantLine(0))"
        return _malformed(request, "the query returned no series", step)
    if len(series) > 1:
        return _malformed(request, f"the query returned multiple series ({len(series)})", "let it give one")
    points = series[0].get("datapoints")
    if not isinstance(points, list):
        return _malformed(request, "a series has no datapoints")
    for point in reversed(points):
        if not isinstance(point, list) or len(point) != 2:
            return _malformed(request, "a datapoint is no pair of a value and a moment")
        value = point[0]
        if type(value) in (int, float) and math.isfinite(value):
            return float(value)
        if value is not None:
            return _malformed(request, "a datapoint's value is no number")
    step = "try increasing your queryTime or check your query"
    return _malformed(request, "it has no point that is not null", step)


def _malformed(request: HttpRequest, answer: str, step: str = "") -> Malformed:
    return failures.unreadable(request, answer, next_step=step)


def _raise_if_nobody_is_served(found: list[Any]) -> None:
    errors = [one for one in found if isinstance(one, failures.Unauthorized | failures.Late)]
    if len(errors) == len(found) > 1:
        raise errors[0]


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
