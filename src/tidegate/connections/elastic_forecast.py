"""Forecasts of Elasticsearch: made once for all triggers of a job and a look-ahead, read by searches.

job and look-ahead → a forecast of twice that length; a new one when half of it is over
triggers           → searches in one request; where the new forecast has nothing yet, in the one before it
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.elasticsearch import SearchConnection
from tidegate.connections.http import failures
from tidegate.connections.http.client import HttpClient
from tidegate.kit.picking.gjson import Json, read_json
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.question import Question
from tidegate.kit.systems.elastic_forecast import Forecast, ForecastServer
from tidegate.kit.systems.elasticsearch import Search

_VALUE = Json("hits.hits.0._source.forecast_prediction")
_MAKING = "make the forecast"


@dataclass
class _Made:
    """The forecast of a job, and the one before it."""

    current: str = ""
    previous: str = ""
    renew_at: float = -math.inf
    problem: TidegateError | None = None


def connect(server: ForecastServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return ForecastConnection(server, surroundings)


class ForecastConnection:
    """Answers `Forecast`s."""

    batch = 1000
    wake_gap_s = 30.0

    def __init__(self, server: ForecastServer, surroundings: Surroundings) -> None:
        self._searches = SearchConnection(server.cluster, surroundings)
        self._cluster = server.cluster
        self._made: dict[tuple[str, float], _Made] = {}
        self._turns = asyncio.Semaphore(4)
        self.patience_s = 2 * self._searches.patience_s

    @property
    def client(self) -> HttpClient:
        """That of the first node."""
        return self._searches.clients[0]

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        asked = dict.fromkeys(one for one in questions if isinstance(one, Forecast))
        jobs = dict.fromkeys((one.job, one.ahead_s) for one in asked)
        # Those of jobs that nobody asks about are left to end by themselves.
        self._made = {job: self._made.get(job, _Made()) for job in jobs}
        outcomes = await asyncio.gather(*(self._renewed(*job) for job in jobs), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        found: dict[Forecast, Any] = {}
        await self._read_from({one: self._of(one).current for one in asked}, found)
        left = {one: self._of(one).previous for one in asked if found.get(one) is None}
        await self._read_from(left, found)
        return [
            (self._not_yet(one) if found.get(one) is None else found[one])
            if isinstance(one, Forecast)
            else Unsupported(f"answer {type(one).__name__}", on=one.server.label())
            for one in questions
        ]

    async def close(self) -> None:
        await self._searches.close()

    def _of(self, question: Forecast) -> _Made:
        return self._made[question.job, question.ahead_s]

    async def _renewed(self, job: str, ahead_s: float) -> None:
        """Makes a forecast where there is none, or where the one there is has half of its time behind it."""
        made = self._made[job, ahead_s]
        if made.current and time.monotonic() < made.renew_at:
            return
        async with self._turns:
            try:
                name = await self._create(job, math.ceil(2 * ahead_s))
            except (failures.Down, failures.Unauthorized):
                raise
            except TidegateError as error:
                made.problem = error
                return
        made.previous, made.current, made.problem = made.current, name, None
        made.renew_at = time.monotonic() + ahead_s

    async def _create(self, job: str, length_s: int) -> str:
        path = f"/_ml/anomaly_detectors/{quote(job, safe='')}/_forecast"
        body = msgspec.json.encode({"duration": f"{length_s}s", "expires_in": f"{length_s}s"})
        response, request = await self._searches.sent(path, body, "application/json", _MAKING)
        if response.status >= 300:
            step = {404: "check `jobID`", 409: "open the job, and give it more history"}.get(
                response.status, ""
            )
            raise failures.refusal(response, request, step)
        try:
            document = read_json(response.body)
        except Unpicked as error:
            raise failures.unreadable(request, str(error), response.body) from None
        name = document.get("forecast_id") if isinstance(document, dict) else None
        if not isinstance(name, str) or not name:
            raise failures.unreadable(request, "the answer names no forecast", response.body)
        return name

    async def _read_from(self, forecasts: dict[Forecast, str], found: dict[Forecast, Any]) -> None:
        """What each question finds in its forecast, into `found`."""
        wanted = {one: self._search(one, name) for one, name in forecasts.items() if name}
        if wanted:
            answers = await self._searches.answer(list(wanted.values()))
            found.update(zip(wanted, answers, strict=True))

    def _search(self, question: Forecast, name: str) -> Search:
        terms = {"job_id": question.job, "forecast_id": name, "result_type": "model_forecast"}
        terms |= {"partition_field_value": question.partition} if question.partition else {}
        terms |= {"by_field_value": question.by} if question.by else {}
        until = round((time.time() + question.ahead_s) * 1000)
        filters: list[Any] = [{"term": {key: value}} for key, value in terms.items()]
        filters.append({"range": {"timestamp": {"lte": until}}})
        body = {
            "size": 1,
            "query": {"bool": {"filter": filters}},
            "sort": [{"timestamp": {"order": "desc"}}],
            "_source": ["forecast_prediction", "timestamp"],
        }
        index = f".ml-anomalies-{question.index}"
        return Search(self._cluster, (index,), msgspec.json.encode(body).decode(), _VALUE)

    def _not_yet(self, question: Forecast) -> TidegateError:
        problem = self._of(question).problem
        if problem is not None:
            return problem
        return Unreachable(
            "read the forecast",
            on=self._cluster.label(),
            answer="it has no prediction for that moment yet",
            next_step="wait for it; if it stays so, check the job, its history and the field values",
        )
