"""Requests to GitHub's API: each with the ETag of what came before, within the rate limit.

Source: GitHub, "Best practices for using the REST API" and "Rate limits for the REST API".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.github.app import AppTokens
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import refusal, retry_after_s, unreadable
from tidegate.kit.systems.github import GithubServer
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, bearer, read_url

KEPT = 5000
"""Answers that are kept with their ETags."""

LARGE_BYTES = 256 << 10
_LIMIT_BYTES = 16 << 20
_HEADERS = (("Accept", "application/vnd.github.v3+json"), ("X-GitHub-Api-Version", "2022-11-28"))


@dataclass(frozen=True, slots=True)
class _Kept:
    etag: str
    document: Any


class Api:
    """Gets documents. `get` raises one of the five; None is "not found"."""

    def __init__(self, server: GithubServer, surroundings: Surroundings) -> None:
        url = read_url(server.api)
        login = HttpLogin((bearer(server.token),)) if server.token else HttpLogin()
        http = HttpServer(url.origin, login, name="GitHub")
        self._base = url.path.rstrip("/")
        self._unsigned = HttpClient(http, surroundings)
        self._tokens = AppTokens(server.app, self._unsigned, self._base) if server.app is not None else None
        self.client = HttpClient(http, surroundings, sign=self._tokens)
        self._kept: dict[str, _Kept] = {}
        self._asked: set[str] = set()
        self._until_s = 0.0

    def check_limit(self) -> None:
        """Unreachable while the rate limit is used up."""
        rest_s = self._until_s - time.time()
        if rest_s > 0:
            raise self._limited(rest_s)

    async def get(self, path: str, attempted: str) -> Any:
        """The JSON document at `path` (with its query), as it was before where it has not changed."""
        kept = self._kept.get(path)
        self._asked.add(path)
        headers = _HEADERS + ((("If-None-Match", kept.etag),) if kept is not None else ())
        request = HttpRequest(
            self.client.server,
            self._base + path,
            headers=headers,
            accepts=(200, 304),
            limit_bytes=_LIMIT_BYTES,
            attempted=attempted,
        )
        response = await self.client.send(request)
        self._note_limit(response)
        if response.status == 304 and kept is not None:
            return kept.document
        if response.status == 404:
            return None
        if response.status != 200:
            raise self._refusal(response, request)
        document = await self._decoded(response, request)
        etag = response.headers.get("ETag", "")
        if etag and len(self._kept) < KEPT:
            self._kept[path] = _Kept(etag, document)
        return document

    def sweep(self) -> None:
        """Forgets what nobody has asked for since the last sweep: runs that ended, repositories that went."""
        self._kept = {path: one for path, one in self._kept.items() if path in self._asked}
        self._asked = set()

    async def close(self) -> None:
        await asyncio.gather(self.client.close(), self._unsigned.close())

    async def _decoded(self, response: Response, request: HttpRequest) -> Any:
        try:
            if len(response.body) > LARGE_BYTES:
                return await asyncio.to_thread(msgspec.json.decode, response.body)
            return msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise unreadable(request, "the answer is not JSON", response.body) from None

    def _note_limit(self, response: Response) -> None:
        """When asking may go on, by the headers of each answer."""
        now_s, headers = time.time(), response.headers
        if _number(headers, "X-RateLimit-Remaining") == 0:
            reset = _number(headers, "X-RateLimit-Reset")
            self._until_s = max(self._until_s, float(reset) if reset is not None else now_s + 60)
        if response.status in (403, 429) and (rest_s := retry_after_s(headers)):
            self._until_s = max(self._until_s, now_s + rest_s)

    def _refusal(self, response: Response, request: HttpRequest) -> TidegateError:
        rest_s = self._until_s - time.time()
        if response.status in (403, 429) and rest_s > 0:
            return self._limited(rest_s)
        if response.status == 401 and self._tokens is not None:
            self._tokens.forget()
        return refusal(response, request)

    def _limited(self, rest_s: float) -> Limited:
        return Limited(
            "list the jobs",
            on=self.client.server.label(),
            answer=f"GitHub API rate limit exceeded, to be asked again in {rest_s:.0f} s",
            next_step="raise `pollingInterval`, name `repos`, or log in as a GitHub App",
            retry_after_s=rest_s,
        )


class Limited(Unreachable):
    """The rate limit is used up: nothing is asked until it is not."""


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 15 else None
