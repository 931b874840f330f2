"""One call of etcd's JSON gateway: at the member that answered last, at the others if it does not; logged in.

The token of a login is kept until it is refused: the server forgets those that rest, and a user's with the
password. What the server says in words is compared with what it is known to say, and never repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient
from tidegate.kit.systems.etcd import EtcdServer
from tidegate.kit.systems.http import HttpRequest, HttpServer, Pairs

if TYPE_CHECKING:
    from aiohttp import ClientResponse as Stream

T = TypeVar("T")

CONCURRENCY = 4
"""Calls at a time."""

STREAMS = 64
"""Streams at a time, each with a connection of its own."""


_LIMIT_BYTES = 8 << 20
_REFUSAL_BYTES = 64 << 10
_PERMISSION_DENIED, _FAILED_PRECONDITION, _UNAUTHENTICATED = 7, 9, 16
_WITHOUT_LOGIN = "user name is empty"
_STALE = ("invalid auth token", "revision of auth store is old", "revision in header is old")


class NotPermitted(Denied):
    """The user may not read all that was asked for in one call."""


class TooMany(Malformed):
    """More operations in one transaction than the server takes."""


class _Stale(Denied):
    """The token is not accepted any more, or there was none and now one is wanted."""


class Calls:
    """Calls of one cluster. `requests` counts all, logins included."""

    def __init__(self, server: EtcdServer, surroundings: Surroundings) -> None:
        self._server = server
        servers = [
            HttpServer(member, tls=server.tls, name="etcd", follows_redirects=False)
            for member in server.members
        ]
        self._clients = [HttpClient(one, surroundings, concurrency=CONCURRENCY) for one in servers]
        self._streaming = [HttpClient(one, surroundings, concurrency=STREAMS) for one in servers]
        self._at = 0
        self._token: str | None = None
        self._logging_in = asyncio.Lock()

    @property
    def requests(self) -> int:
        return sum(client.requests for client in (*self._clients, *self._streaming))

    @property
    def connections(self) -> int:
        return sum(client.connections for client in (*self._clients, *self._streaming))

    @property
    def patience_s(self) -> float:
        """How long a call may take when the last member is the first to answer."""
        return sum(client.timeout_s for client in self._clients)

    async def call(self, path: str, body: Mapping[str, Any], attempted: str) -> Any:
        """The answer's document. Raises one of the five; what is told of the last member that was asked."""

        async def at(client: HttpClient, token: str) -> Any:
            return await self._sent(client, path, body, attempted, token)

        return await self._somewhere(at)

    async def stream(self, path: str, body: bytes, attempted: str) -> tuple[HttpRequest, Stream]:
        """An answer that goes on and on, once it has begun; whoever has it closes it."""

        async def at(client: HttpClient, token: str) -> tuple[HttpRequest, Stream]:
            # Without it a member that has lost its cluster would go on in silence.
            request = self._request(
                client, path, body, attempted, token, (("Grpc-Metadata-hasleader", "true"),)
            )
            stream = await self._streaming[self._clients.index(client)].begin(request)
            if stream.status == 200:
                return request, stream
            with closing(stream):
                said = Response(stream.status, stream.headers, await stream.content.read(_REFUSAL_BYTES))
            self._read(client, request, said)
            raise self._error(client, Malformed, attempted, "the answer is not etcd's")

        return await self._somewhere(at)

    def canceled(self, request: HttpRequest, words: str) -> TidegateError:
        """What it means that a watch was cancelled for this reason."""
        server = request.server
        if "permission denied" in words:
            step = "give the user the right to read this key"
            return NotPermitted(
                request.title(), on=server.label(), answer="permission denied", next_step=step
            )
        if any(one in words for one in (*_STALE, _WITHOUT_LOGIN)):
            self._token = None
        return Unreachable(request.title(), on=server.label(), answer="the server has ended the watch")

    async def _somewhere(self, ask: Callable[[HttpClient, str], Awaitable[T]]) -> T:
        """What the first member says that answers at all, the last one that did before all others."""
        failure: TidegateError | None = None
        count = len(self._clients)
        for number in [(self._at + step) % count for step in range(count)]:
            try:
                answer = await self._logged_in(self._clients[number], ask)
            except Unreachable as error:
                failure = error
            else:
                self._at = number
                return answer
        assert failure is not None
        raise failure

    async def close(self) -> None:
        self._token = None
        for client in (*self._clients, *self._streaming):
            await client.close()

    async def _logged_in(self, client: HttpClient, ask: Callable[[HttpClient, str], Awaitable[T]]) -> T:
        token = await self._token_of(client)
        try:
            return await ask(client, token)
        except _Stale:
            if not self._server.username:
                raise
            return await ask(client, await self._token_of(client, token))

    async def _token_of(self, client: HttpClient, refused: str | None = None) -> str:
        """A token other than `refused`; "" where nobody logs in. One login, however many wait for it."""
        if not self._server.username:
            return ""
        async with self._logging_in:
            if self._token is None or self._token == refused:
                who = {"name": self._server.username, "password": self._server.password}
                try:
                    answer = await self._sent(client, "/v3/auth/authenticate", who, "log in")
                    self._token = str(answer["token"])
                except _WithoutLogins:
                    self._token = ""
                except (KeyError, TypeError) as error:
                    raise self._error(client, Malformed, "log in", "the answer holds no token") from error
                except TidegateError as error:
                    error.excerpt = ""  # an answer to a login may repeat the password
                    raise
            return self._token

    async def _sent(
        self, client: HttpClient, path: str, body: Mapping[str, Any], attempted: str, token: str = ""
    ) -> Any:
        request = self._request(client, path, msgspec.json.encode(body), attempted, token)
        return self._read(client, request, await client.send(request))

    def _request(
        self, client: HttpClient, path: str, body: bytes, attempted: str, token: str, more: Pairs = ()
    ) -> HttpRequest:
        login = (("Authorization", token),) if token else ()
        return HttpRequest(
            client.server,
            path,
            method="POST",
            headers=(("Content-Type", "application/json"), *login, *more),
            body=body,
            limit_bytes=_LIMIT_BYTES,
            attempted=attempted,
        )

    def _read(self, client: HttpClient, request: HttpRequest, response: Response) -> Any:
        attempted = request.title()
        try:
            document: Any = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            if response.status == 404:
                step = "check that it is a client port of etcd, and that its JSON gateway is not switched off"
                raise self._error(client, Malformed, attempted, "404 Not Found", step) from None
            if response.status != 200:
                raise failures.refusal(response, request) from None
            raise self._error(client, Malformed, attempted, "the answer is not JSON") from error
        if response.status == 200 and isinstance(document, dict):
            return document
        raise self._refusal(client, request, response, document)

    def _refusal(
        self, client: HttpClient, request: HttpRequest, response: Response, document: Any
    ) -> TidegateError:
        """What the gateway's error means, which says more than the status."""
        told = document if isinstance(document, dict) else {}
        code, words = told.get("code"), str(told.get("message") or told.get("error") or "")
        attempted = request.title()
        if "authentication is not enabled" in words and code == _FAILED_PRECONDITION:
            return self._error(client, _WithoutLogins, attempted, "it knows no users")
        if code == _UNAUTHENTICATED or any(one in words for one in _STALE):
            return self._error(client, _Stale, attempted, "the login is not accepted any more")
        if _WITHOUT_LOGIN in words:
            step = "give `username` and `password`"
            return self._error(client, _Stale, attempted, "it wants a login", step)
        if "invalid user ID or password" in words:
            step = "check `username` and `password`"
            return self._error(client, Denied, attempted, "the user or the password was not accepted", step)
        if code == _PERMISSION_DENIED:
            step = "give the user the right to read this key"
            return self._error(client, NotPermitted, attempted, "permission denied", step)
        if "too many operations" in words:
            return self._error(client, TooMany, attempted, "too many keys at once")
        return failures.refusal(response, request)

    def _error(
        self, client: HttpClient, kind: type[TidegateError], attempted: str, answer: str, next_step: str = ""
    ) -> TidegateError:
        return kind(attempted, on=client.server.label(), answer=answer, next_step=next_step)


class _WithoutLogins(Malformed):
    """The server has no users: whoever logs in all the same may go on without."""
