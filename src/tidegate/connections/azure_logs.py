"""Log Analytics: queries of any workspaces in one batch, each with a status of its own.

Source: Microsoft, "Azure Monitor Log Analytics API", `$batch`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.azure_answers import code_of, document_of, member, refusal, tables_of
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.systems.azure_logs import LogQuery, LogsServer
from tidegate.kit.systems.http import HttpRequest

AT_ONCE = LogQuery.calls.together
"""Queries in a batch: the slowest of them delays all."""

_ROLE = "the role Log Analytics Reader on the workspace"
_JSON = ("Content-Type", "application/json")


def connect(server: LogsServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return LogsConnection(server, surroundings)


class LogsConnection(PackedConnection):
    """Answers `LogQuery`s. Five queries of a user run at once, the service says: more wait in its queue."""

    wake_gap_s = 30.0
    kinds = (LogQuery,)
    at_once = AT_ONCE
    longest = 200_000

    def __init__(self, server: LogsServer, surroundings: Surroundings) -> None:
        self._at = server
        self._http = server.http(surroundings.queries_s)
        super().__init__(self._http, surroundings, concurrency=4)

    def length(self, question: LogQuery) -> int:
        return len(question.query)

    async def packed(self, questions: Sequence[LogQuery]) -> Found:
        if len(questions) == 1:
            return {questions[0]: await self._alone(questions[0])}
        members = [
            {
                "id": f"{number}",
                "method": "POST",
                "path": "/query",
                "workspace": one.workspace,
                "headers": dict([_JSON]),
                "body": {"query": one.query},
            }
            for number, one in enumerate(questions)
        ]
        request = self._request("/v1/$batch", {"requests": members})
        response = await self.client.send(request)
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        document = document_of(response, request)
        answers = document.get("responses") if isinstance(document, dict) else None
        if not isinstance(answers, list):
            raise failures.unreadable(request, "the answer holds no responses", response.body)
        by_id = {one.get("id"): one for one in answers if isinstance(one, dict)}
        return {one: _member(by_id.get(f"{number}"), request) for number, one in enumerate(questions)}

    async def _alone(self, question: LogQuery) -> Any:
        path = f"/v1/workspaces/{quote(question.workspace, safe='')}/query"
        request = self._request(path, {"query": question.query})
        response = await self.client.send(request)
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        return _tables(document_of(response, request), request)

    def _request(self, path: str, body: Any) -> HttpRequest:
        return HttpRequest(
            self._http,
            f"{self._at.base}{path}",
            method="POST",
            headers=(_JSON,),
            body=msgspec.json.encode(body),
            attempted="run the query",
        )


def _member(answer: Any, request: HttpRequest) -> Any:
    """What one member of a batch came to, or the error in its place."""
    try:
        if not isinstance(answer, dict) or type(answer.get("status")) is not int:
            return failures.unreadable(request, "the answer leaves this query out")
        status, body = answer["status"], answer.get("body")
        if status == 200:
            return _tables(body, request)
        return member(status, body, request, _ROLE)
    except TidegateError as error:
        return error


def _tables(body: Any, request: HttpRequest) -> Any:
    """The tables; a part of an answer is none: what is missing might be the most of it."""
    if isinstance(body, dict) and body.get("error"):
        code = code_of(body)
        raise failures.unreadable(request, f"the answer is incomplete{f' ({code})' if code else ''}")
    return tables_of(
        body.get("tables") if isinstance(body, dict) else None, request, ("columns", "type", "rows")
    )
