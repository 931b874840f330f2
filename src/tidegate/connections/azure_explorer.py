"""Azure Data Explorer: a query is a request; equal ones are sent once, a few at a time.

Several statements of one request would share their names, and one that fails would fail all: they are not
put together.

Source: Microsoft, "Query V2 HTTP response".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tidegate.base.errors import Malformed
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.azure_answers import document_of, refusal, tables_of
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.systems.azure_explorer import ExplorerQuery, ExplorerServer
from tidegate.kit.systems.http import HttpRequest

_ROLE = "the role `viewer` in the database"


def connect(server: ExplorerServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return ExplorerConnection(server, surroundings)


class ExplorerConnection(PackedConnection):
    """Answers `ExplorerQuery`s."""

    wake_gap_s = 5.0
    kinds = (ExplorerQuery,)

    def __init__(self, server: ExplorerServer, surroundings: Surroundings) -> None:
        self._at = server
        self._http = server.http(surroundings.queries_s)
        super().__init__(self._http, surroundings, concurrency=8)

    async def packed(self, questions: Sequence[ExplorerQuery]) -> Found:
        (question,) = questions
        limit_s = max(1, int(self.client.timeout_s))
        # Given up by us is given up there, too.
        options = {"servertimeout": f"{limit_s // 3600:02}:{limit_s // 60 % 60:02}:{limit_s % 60:02}"}
        body = {"db": question.database, "csl": question.query, "properties": {"Options": options}}
        request = HttpRequest(
            self._http,
            f"{self._at.base}/v2/rest/query",
            method="POST",
            headers=(("Content-Type", "application/json"), ("Accept", "application/json")),
            body=msgspec.json.encode(body),
            attempted="run the query",
        )
        response = await self.client.send(request)
        if response.status != 200:
            raise refusal(response, request, _ROLE)
        return {question: _tables(document_of(response, request), request)}


def _tables(frames: Any, request: HttpRequest) -> Any:
    if not isinstance(frames, list) or not all(isinstance(one, dict) for one in frames):
        raise failures.unreadable(request, "the answer is no list of frames")
    ends = [one for one in frames if one.get("FrameType") == "DataSetCompletion"]
    if len(ends) != 1:
        raise failures.unreadable(request, "the answer has no end")
    if ends[0].get("HasErrors") or ends[0].get("Cancelled"):
        answer = "the query failed on its way"
        step = "run it in the web interface of the cluster"
        raise Malformed(request.title(), on=request.server.label(), answer=answer, next_step=step)
    primary = [one for one in frames if one.get("TableKind") == "PrimaryResult"]
    return tables_of(primary, request, ("Columns", "ColumnType", "Rows"))
