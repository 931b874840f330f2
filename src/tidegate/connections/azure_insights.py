"""Application Insights: many metrics of an application in one request, each with a status of its own.

Source: Microsoft, "Application Insights REST API", metrics get and get multiple.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.azure_answers import document_of, member, refusal
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.systems.azure_insights import InsightsMetric, InsightsServer
from tidegate.kit.systems.http import HttpRequest

_ROLE = "the role Monitoring Reader on the application"


def connect(server: InsightsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return InsightsConnection(server, surroundings)


class InsightsConnection(PackedConnection):
    """Answers `InsightsMetric`s."""

    wake_gap_s = 30.0
    kinds = (InsightsMetric,)
    at_once = InsightsMetric.calls.together
    longest = 100_000

    def __init__(self, server: InsightsServer, surroundings: Surroundings) -> None:
        self._at = server
        self._http = server.http()
        super().__init__(self._http, surroundings, concurrency=4)

    def group(self, question: InsightsMetric) -> Hashable:
        return question.application

    def length(self, question: InsightsMetric) -> int:
        return len(question.filter) + 100

    async def packed(self, questions: Sequence[InsightsMetric]) -> Found:
        if len(questions) == 1:
            return {questions[0]: await self._alone(questions[0])}
        members = [
            {"id": f"{number}", "parameters": {"metricId": one.metric, **_parameters(one, is_list=True)}}
            for number, one in enumerate(questions)
        ]
        request = HttpRequest(
            self._http,
            self._path(questions[0]),
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=msgspec.json.encode(members),
            attempted="read the metrics",
        )
        response = await self.client.send(request)
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        answers = document_of(response, request)
        if not isinstance(answers, list):
            raise failures.unreadable(request, "the answer is no list", response.body)
        by_id = {one.get("id"): one for one in answers if isinstance(one, dict)}
        return {one: _member(by_id.get(f"{number}"), one, request) for number, one in enumerate(questions)}

    async def _alone(self, question: InsightsMetric) -> Any:
        request = HttpRequest(
            self._http,
            f"{self._path(question)}/{quote(question.metric)}",
            tuple(_parameters(question).items()),
            attempted=f"read {question.metric}",
        )
        response = await self.client.send(request)
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        return _value(document_of(response, request), question, request)

    def _path(self, question: InsightsMetric) -> str:
        return f"{self._at.base}/v1/apps/{quote(question.application, safe='')}/metrics"


def _parameters(question: InsightsMetric, *, is_list: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = {
        "aggregation": [question.aggregation] if is_list else question.aggregation,
        "timespan": question.span,
    }
    return found | ({"filter": question.filter} if question.filter else {})


def _member(answer: Any, question: InsightsMetric, request: HttpRequest) -> Any:
    """What one metric of several came to, or the error in its place."""
    if not isinstance(answer, dict) or type(answer.get("status")) is not int:
        return failures.unreadable(request, "the answer leaves this metric out")
    status, body = answer["status"], answer.get("body")
    if status == 200:
        try:
            return _value(body, question, request)
        except TidegateError as error:
            return error
    return member(status, body, request, _ROLE)


def _value(document: Any, question: InsightsMetric, request: HttpRequest) -> Any:
    value = document.get("value") if isinstance(document, dict) else None
    if not isinstance(value, dict) or not {"start", "end"} <= set(value):
        raise failures.unreadable(request, "the answer holds no value of a span")
    found = value.get(question.metric)
    return found.get(question.aggregation) if isinstance(found, dict) else None
