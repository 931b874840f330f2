"""Calls of a Vault's API: headers, the active node of a cluster, and what statuses mean.

A standby node sends its callers to the active one (307). What a Vault says in words may repeat what it was
sent: its words are looked at, and never told.

Source: https://developer.hashicorp.com/vault/api-docs#http-status-codes
"""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.kit.systems.http import HttpRequest, HttpServer, path_of, read_url
from tidegate.kit.systems.vault import VaultServer

_HOPS = 3
_LIMIT_BYTES = 1 << 20
_STRANGE = "check the address: what answers there is another service"


class Sealed(Unreachable):
    """It holds its secrets and cannot open them, or has no active node."""


WHOLE = (Sealed, failures.Down, failures.Silent)
"""What says that nobody is served, whatever is asked."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is {} where there is none; `now_s` is what the Vault's clock says, or ours where it does not."""

    status: int
    body: dict[str, Any] = field(repr=False)
    now_s: float
    error: TidegateError | None = None
    """What the status means, where it is none of success."""

    def says(self, word: str) -> bool:
        """Whether one of its errors or warnings has this word."""
        texts = [*(self.body.get("errors") or ()), *(self.body.get("warnings") or ())]
        return any(isinstance(text, str) and word in text.lower() for text in texts)

    def part(self, name: str) -> dict[str, Any]:
        """A member that is an object, {} for any other."""
        found = self.body.get(name)
        return found if isinstance(found, dict) else {}


class Calls:
    """The connections to a Vault: to the address that was given, and to the active node that it may name."""

    def __init__(self, server: VaultServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self.client = HttpClient(self._http(server.origin), surroundings)
        self._active: HttpClient | None = None
        self._before = (0, 0)

    @property
    def requests(self) -> int:
        return self.client.requests + self._before[0] + (self._active.requests if self._active else 0)

    @property
    def connections(self) -> int:
        return self.client.connections + self._before[1] + (self._active.connections if self._active else 0)

    async def call(
        self, method: str, path: str, attempted: str, *, token: str = "", body: Any = None
    ) -> Reply:
        """The answer, whatever it says. Raises where none came, or one that it is sealed or wants rest."""
        try:
            return await self._called(self._active or self.client, method, path, attempted, token, body)
        except WHOLE:
            if self._active is None:
                raise
        # Another node may be the active one by now; those at the address know.
        await self._leave()
        return await self._called(self.client, method, path, attempted, token, body)

    async def close(self) -> None:
        """Safe when never used, and safe twice."""
        await self._leave()
        await self.client.close()

    async def _leave(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            requests, connections = self._before
            self._before = requests + active.requests, connections + active.connections
            await active.close()

    async def _called(
        self, client: HttpClient, method: str, path: str, attempted: str, token: str, body: Any
    ) -> Reply:
        for _ in range(_HOPS):
            request = self._request(client.server, method, path, attempted, token, body)
            response = await client.send(request)
            if response.status != 307:
                return _reply(response, request)
            client = await self._to_active(response, request)
        raise failures.unreadable(request, "its nodes send us to each other")

    async def _to_active(self, response: Response, request: HttpRequest) -> HttpClient:
        try:
            origin = read_url(response.headers.get("Location", "").strip()).origin
        except ValueError:
            raise failures.unreadable(request, "a standby node does not say which one is active") from None
        if self._server.origin.startswith("https:") and not origin.startswith("https:"):
            # The token would go over the wire in clear text.
            raise failures.unreadable(request, "a standby node sends us to one without TLS")
        if origin == self._server.origin:
            return self.client
        if self._active is None or self._active.server.origin != origin:
            await self._leave()
            self._active = HttpClient(self._http(origin), self._surroundings)
        return self._active

    def _http(self, origin: str) -> HttpServer:
        return HttpServer(origin, tls=self._server.tls, name="Vault", follows_redirects=False)

    def _request(
        self, server: HttpServer, method: str, path: str, attempted: str, token: str, body: Any
    ) -> HttpRequest:
        headers = [("X-Vault-Request", "true")]
        if token:
            headers.append(("X-Vault-Token", token))
        if self._server.namespace:
            headers.append(("X-Vault-Namespace", self._server.namespace))
        if body is not None:
            headers.append(("Content-Type", "application/json"))
        return HttpRequest(
            server,
            path_of(f"{self._server.base}/v1/{path}"),
            method=method,
            headers=tuple(headers),
            body=b"" if body is None else msgspec.json.encode(body),
            limit_bytes=_LIMIT_BYTES,
            attempted=attempted,
        )


def _reply(response: Response, request: HttpRequest) -> Reply:
    body: Any = {}
    if response.body:
        try:
            body = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
    if response.status < 300:
        if not isinstance(body, dict):
            raise Malformed(
                request.title(),
                on=request.server.label(),
                answer="the answer is no JSON object",
                next_step=_STRANGE,
            )
        return Reply(response.status, body, _now_s(response))
    body = body if isinstance(body, dict) else {}
    reply = Reply(response.status, body, _now_s(response), _refusal(response, request))
    if response.status == 503 and reply.says("sealed"):
        step = "unseal it"
        raise Sealed(request.title(), on=request.server.label(), answer="it is sealed", next_step=step)
    if response.status == 501:
        answer, step = "it is not initialized", "initialize and unseal it"
        raise Sealed(request.title(), on=request.server.label(), answer=answer, next_step=step)
    if response.status == 503:
        answer = f"{failures.phrase(503)}: it has no active node, or is in maintenance"
        raise Sealed(request.title(), on=request.server.label(), answer=answer, next_step="look at its log")
    if isinstance(reply.error, Unreachable) and reply.error.retry_after_s is not None:
        raise reply.error
    return reply


def _now_s(response: Response) -> float:
    """Clocks of machines differ: the end of a certificate is told by the clock of who made it."""
    try:
        return email.utils.parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return time.time()


def _refusal(response: Response, request: HttpRequest) -> TidegateError:
    error = failures.refusal(response, request)
    # What it was sent may be a token of a ServiceAccount, and what it says may repeat it.
    error.excerpt = ""
    return error
