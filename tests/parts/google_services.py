"""Fakes of Cloud Storage's listings and of Cloud Spanner's sessions and queries.

Source: Google, Cloud Storage JSON API v1, `objects.list`; Cloud Spanner REST reference v1, `sessions.create`,
`sessions.executeSql`; AIP-193 for errors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from parts.google_fake import error

TOKEN = "ya29.hunter2-services"


class HeldTokens:
    """Identities that give one token, so that a test is about what is asked with it."""

    async def token(self, identity: Any, audience: str) -> str:
        return TOKEN

    async def billed(self, identity: Any) -> str:
        return ""

    def forget(self, identity: Any, audience: str, token: str) -> bool:
        return False


@dataclass
class StorageFake:
    """`buckets` hold names and sizes; a page has at most `most` entries, `prefixes` counted too."""

    buckets: dict[str, dict[str, int]] = field(default_factory=dict)
    most: int = 1000
    seen: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "UNAUTHENTICATED", "who is that?")
        found = re.fullmatch(r"/storage/v1/b/([^/]+)/o", request.path)
        if found is None or found[1] not in self.buckets:
            return error(404, "NOT_FOUND", "The specified bucket does not exist.")
        query = request.query
        self.seen.append(dict(query))
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries: dict[str, int | None] = {}
        for name, size in sorted(self.buckets[found[1]].items()):
            if name.startswith(prefix):
                before, sign, _ = (
                    name.removeprefix(prefix).partition(delimiter) if delimiter else ("", "", "")
                )
                entries[f"{prefix}{before}{sign}" if sign else name] = None if sign else size
        start, most = int(query.get("pageToken", 0)), min(self.most, int(query["maxResults"]))
        page = list(entries.items())[start : start + most]
        told: dict[str, Any] = {"kind": "storage#objects"}
        if items := [{"size": str(size)} for _, size in page if size is not None]:
            told["items"] = items
        if start + most < len(entries):
            told["nextPageToken"] = str(start + most)
        return web.json_response(told)


@dataclass
class SpannerFake:
    """`results` by query: column type and rows. Ended sessions are those that are no longer in `sessions`."""

    databases: tuple[str, ...] = ("projects/p/instances/i/databases/d",)
    results: dict[str, tuple[str, list[Any]]] = field(default_factory=dict)
    sessions: list[str] = field(default_factory=list)
    opened: int = 0
    ran: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return error(401, "UNAUTHENTICATED", "who is that?")
        body = await request.json()
        path = request.path.removeprefix("/v1/")
        if path.endswith("/sessions") and request.method == "POST":
            database = path.removesuffix("/sessions")
            if database not in self.databases:
                return error(404, "NOT_FOUND", f"Database not found: {database}")
            assert body == {"session": {"multiplexed": True}}
            self.opened += 1
            self.sessions.append(f"{database}/sessions/{self.opened}")
            return web.json_response({"name": self.sessions[-1], "multiplexed": True})
        session = path.removesuffix(":executeSql")
        if session not in self.sessions:
            return error(404, "NOT_FOUND", f"Session not found: {session}")
        assert body["transaction"] == {"singleUse": {"readOnly": {"strong": True}}}
        self.ran.append(body["sql"])
        if body["sql"] not in self.results:
            return error(400, "INVALID_ARGUMENT", f"Syntax error in {body['sql']}")
        kind, rows = self.results[body["sql"]]
        told: dict[str, Any] = {"metadata": {"rowType": {"fields": [{"name": "", "type": {"code": kind}}]}}}
        return web.json_response({**told, "rows": rows} if rows else told)
