"""Cloud Spanner: queries in one multiplexed session for each database.

Source: Google, Cloud Spanner REST reference v1, `sessions.create`, `sessions.executeSql`; "Sessions".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.gcp.calls import Call, Calls
from tidegate.connections.gcp.points import at, list_of
from tidegate.kit.systems.gcp_spanner import SpannerQuery

Value = int | TidegateError | None

ATTEMPTED = "run the query"
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_READ = {"singleUse": {"readOnly": {"strong": True}}}


class Spanner:
    """Runs queries. A session costs nothing to keep, and its end is found out by a query."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._sessions: dict[str, str] = {}

    async def values(self, questions: Sequence[SpannerQuery]) -> dict[SpannerQuery, Value]:
        """The value of each; raises what `Calls.send` raises."""
        known = set(self._sessions)
        values = await self._run(list(dict.fromkeys(questions)))
        # A session that was there before may have ended; one that is new has not.
        ended = [
            one for one, value in values.items() if one.database in known and isinstance(value, _NoSession)
        ]
        for question in ended:
            self._sessions.pop(question.database, None)
        return values | await self._run(ended) if ended else values

    async def _run(self, questions: Sequence[SpannerQuery]) -> dict[SpannerQuery, Value]:
        errors = await self._opened({one.database for one in questions})
        calls = {one: self._call(one) for one in questions if one.database in self._sessions}
        answers = await self._calls.send(list(calls.values())) if calls else {}
        return {
            one: self._value(answers[calls[one]]) if one in calls else errors[one.database]
            for one in questions
        }

    async def _opened(self, databases: set[str]) -> dict[str, TidegateError]:
        """The errors of those databases that have no session now."""
        body = msgspec.json.encode({"session": {"multiplexed": True}})
        missing = sorted(databases - set(self._sessions))
        calls = {
            database: Call(f"/v1/{_path(database)}/sessions", body=body, attempted=f"open {database}")
            for database in missing
        }
        answers = await self._calls.send(list(calls.values())) if calls else {}
        errors: dict[str, TidegateError] = {}
        for database, call in calls.items():
            answer = answers[call]
            name = answer if isinstance(answer, TidegateError) else answer.get("name")
            if isinstance(name, str) and name.startswith(f"{database}/sessions/"):
                self._sessions[database] = name
            elif isinstance(name, TidegateError):
                errors[database] = name
            else:
                errors[database] = self._calls.strange(call.attempted, "the answer names no session of it")
        return errors

    def _call(self, question: SpannerQuery) -> Call:
        body = {"sql": question.sql, "transaction": _READ}
        path = f"/v1/{_path(self._sessions[question.database])}:executeSql"
        return Call(path, body=msgspec.json.encode(body), attempted=ATTEMPTED)

    def _value(self, answer: Any) -> Value:
        if isinstance(answer, Misconfigured) and answer.answer.startswith("404"):
            return _NoSession(
                answer.attempted, on=answer.on, answer=answer.answer, next_step=answer.next_step
            )
        if isinstance(answer, TidegateError):
            return answer
        try:
            fields = list_of(at(answer, "metadata", "rowType") or {}, "fields")
            rows = list_of(answer, "rows")
        except (AttributeError, ValueError):
            return self._calls.strange(ATTEMPTED, "the answer is of another shape")
        kind = at(fields, 0, "type", "code")
        if not isinstance(kind, str):
            return self._calls.strange(ATTEMPTED, "the answer is of another shape")
        return self._first(rows, kind[:20]) if rows else None

    def _first(self, rows: Sequence[Any], kind: str) -> Value:
        cell = at(rows, 0, 0)
        if kind == "INT64" and isinstance(cell, str) and _WHOLE.fullmatch(cell):
            return int(cell)
        found = "NULL" if cell is None else f"of type {kind}" if kind != "INT64" else "no number"
        answer = f"reading first column as INT64: it is {found}"
        return Malformed(
            ATTEMPTED,
            on=self._calls.label,
            answer=answer,
            next_step="let the query CAST it AS INT64, and COALESCE what may be NULL",
        )


class _NoSession(Misconfigured):
    """The session that was asked is not there, or its database is not."""


def _path(name: str) -> str:
    return quote(name, safe="/")
