"""Sends requests to one server: its session, its limits, its redirects, its login.

    client = HttpClient(server, surroundings)
    response = await client.send(HttpRequest(server, "/api/v1/query", query=(("query", "up"),)))

Whatever its status, a complete answer is a `Response`; `failures.refusal` says what a bad one means.
A system whose requests are signed gives `sign`: it gets each request right before it is sent, complete,
and returns the headers to add.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, read_body
from tidegate.connections.http.outgoing import Outgoing, Sign
from tidegate.connections.tls_policy import USUAL
from tidegate.kit.systems.http import HttpRequest, HttpServer, bearer, encoded, header_problem, read_url
from tidegate.kit.tls import Tls

if TYPE_CHECKING:
    import aiohttp

    from tidegate.connections.aws.request_signature import RequestSignature
    from tidegate.connections.http.held_token import HeldToken
    from tidegate.connections.http.tokens import Tokens

CONCURRENCY = 16
"""Requests to one server at a time."""

_HOPS = 10
_MOVED = frozenset({301, 302, 303, 307, 308})
_WITH_BODY = (307, 308)


@dataclass(frozen=True, slots=True)
class _Hop:
    """Where a request goes next. Elsewhere than at its server it carries nothing of ours."""

    url: str
    method: str
    body: bytes
    is_home: bool


class HttpClient:
    """One session, opened by the first request. `concurrency` requests are under way at most."""

    def __init__(
        self,
        server: HttpServer,
        surroundings: Surroundings,
        *,
        sign: Sign | None = None,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.server = server
        self.concurrency = concurrency
        self.timeout_s = server.timeout_s or surroundings.timeout_s
        self._surroundings = surroundings
        self._sign = sign
        self._turns = asyncio.Semaphore(concurrency)
        self._opening = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._elsewhere: Any = None
        self._tokens: Tokens | None = None
        self._held = self._held_token()
        self._aws = self._aws_signature()
        self._traffic: Any = None

    @property
    def requests(self) -> int:
        """Requests sent since the client was made, redirects and token requests included."""
        return self._traffic.requests if self._traffic is not None else 0

    @property
    def connections(self) -> int:
        """Connections opened since the client was made."""
        return self._traffic.connections if self._traffic is not None else 0

    async def send(self, request: HttpRequest) -> Response:
        """The answer, after redirects. Raises one of the five where none came that can be read to its end.

        A connection that was closed before the answer began is replaced once, and so is an identity's token
        that is refused.
        """
        async with self._turns:
            # Fetching a token takes its own time, not the server's.
            token = await self._held.token() if self._held is not None else ""
            if self._aws is not None:
                self._sign = await self._aws.ready()
            try:
                response = await self._bounded(request)
            except failures.Cut:
                response = await self._bounded(request)
            if response.status == 401 and self._held is not None and self._held.forget(token):
                await self._held.token()
                response = await self._bounded(request)
            if response.status == 403 and self._aws is not None and self._aws.may_renew(response):
                self._sign = await self._aws.ready()
                response = await self._bounded(request)
            return response

    async def begin(self, request: HttpRequest) -> aiohttp.ClientResponse:
        """An answer that has only begun, for one that goes on and on; whoever has it closes it.

        It takes a connection, and no turn from `send`. Redirects are not followed.
        """
        import aiohttp
        from yarl import URL

        try:
            async with asyncio.timeout(self.timeout_s):
                session = await self._opened(request)
                self._traffic.requests += 1
                return await session.request(
                    request.method,
                    URL(self._url(request), encoded=True),
                    data=request.body or None,
                    headers=await self._headers(request),
                    skip_auto_headers=("Content-Type",),
                    allow_redirects=False,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failures.lost(error, request, self.timeout_s) from error

    async def close(self) -> None:
        """Safe when never used, and safe twice; a request afterwards opens anew."""
        session, self._session = self._session, None
        tokens, self._tokens = self._tokens, None
        if tokens is not None:
            await tokens.close()
        if session is not None:
            await session.close()
            await asyncio.sleep(0)  # sockets are closed in the loop's next turn
        if self._held is not None:
            await self._held.close()

    async def _bounded(self, request: HttpRequest) -> Response:
        import aiohttp

        try:
            async with asyncio.timeout(self.timeout_s):
                session = await self._opened(request)
                return await self._followed(session, request)
        except TidegateError:
            raise
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failures.lost(error, request, self.timeout_s) from error

    async def _followed(self, session: aiohttp.ClientSession, request: HttpRequest) -> Response:
        """The first answer that is no redirect."""
        hop = _Hop(self._url(request), request.method, request.body, is_home=True)
        for _ in range(_HOPS + 1):
            response = await (self._exchanged if hop.is_home else self._elsewhere_asked)(
                session, request, hop
            )
            location = response.headers.get("Location", "") if response.status in _MOVED else ""
            if not location or not self.server.follows_redirects:
                return response
            hop = self._next(request, hop, response.status, location)
        raise failures.unreadable(request, f"it redirects more than {_HOPS} times")

    async def _elsewhere_asked(
        self, session: aiohttp.ClientSession, request: HttpRequest, hop: _Hop
    ) -> Response:
        """A redirect that leads nowhere is this request's own failure, and says nothing of its server."""
        import aiohttp

        try:
            return await self._exchanged(session, request, hop)
        except (aiohttp.ClientError, OSError) as error:
            found = failures.lost(error, request, self.timeout_s)
            if not isinstance(found, failures.Down | failures.Silent):
                raise found from error
            answer = f"it redirects to {read_url(hop.url).origin}: {found.answer}"
            raise Malformed(request.title(), on=self.server.label(), answer=answer) from error

    async def _exchanged(self, session: aiohttp.ClientSession, request: HttpRequest, hop: _Hop) -> Response:
        from multidict import CIMultiDict
        from yarl import URL

        from tidegate.connections.http.dialling import proxy

        headers: CIMultiDict[str] = CIMultiDict({"Accept": "*/*"})
        if hop.is_home:
            headers.update(await self._headers(request))
            if self._sign is not None:
                headers.update(await self._sign(Outgoing(hop.method, hop.url, headers, hop.body)))
        self._traffic.requests += 1
        async with session.request(
            hop.method,
            URL(hop.url, encoded=True),
            data=hop.body or None,
            headers=headers,
            skip_auto_headers=("Content-Type",),
            allow_redirects=False,
            proxy=proxy(self._surroundings, hop.url),
            ssl=True if hop.is_home else self._elsewhere,
        ) as response:
            if response.status == 401 and hop.is_home and self._tokens is not None:
                self._tokens.forget(headers["Authorization"].removeprefix("Bearer "))
            body = await read_body(response, request)
            if self._tokens is not None or self._held is not None:
                body = _without(body, headers.get("Authorization", "").removeprefix("Bearer "))
            if self._aws is not None:
                body = _without(body, self._aws.session_token)
            return Response(response.status, response.headers, body)

    async def _headers(self, request: HttpRequest) -> dict[str, str]:
        """The request's own, then the login's, which count more."""
        from multidict import CIMultiDict

        login = self.server.login
        merged: CIMultiDict[str] = CIMultiDict()
        for name, value in (*request.headers, *login.headers):
            problem = header_problem(name, value)
            if problem:
                shown = name if name.isascii() and name.isprintable() else "a header"
                raise Misconfigured(f"send the header {shown}", on=self.server.label(), answer=problem)
            merged[name] = value
        if self._tokens is not None:
            name, value = bearer(await self._tokens.token())
            merged[name] = value
        if self._held is not None:
            merged.update(await self._held.headers())
        return dict(merged)

    def _url(self, request: HttpRequest) -> str:
        target = request.target()
        if self.server.login.query:
            target = _with_query(target, dict(self.server.login.query))
        if self.server.login.signature is not None:
            # What is signed is what AWS reads: blanks are %20 to it.
            path, mark, query = target.partition("?")
            target = f"{path}{mark}{query.replace('+', '%20')}"
        return f"{self.server.origin}{target if target.startswith('/') else '/' + target}"

    def _next(self, request: HttpRequest, hop: _Hop, status: int, location: str) -> _Hop:
        try:
            url = read_url(urljoin(hop.url, location.strip()))
        except ValueError as error:
            raise failures.unreadable(request, "it redirects to what is no URL") from error
        is_home = hop.is_home and url.origin == self.server.origin
        if hop.body and (status not in _WITH_BODY or not is_home):
            # Without what was sent, the answer would be to another question than ours.
            there = "to another server" if url.origin != self.server.origin else "to another page"
            step = f"use the address that it redirects to, at {url.origin}, if it is the right one"
            answer = f"it redirects what was sent {there} ({failures.phrase(status)})"
            raise failures.unreadable(request, answer, next_step=step)
        return _Hop(f"{url.origin}{url.target()}", hop.method, hop.body, is_home)

    async def _opened(self, request: HttpRequest) -> aiohttp.ClientSession:
        async with self._opening:
            if self._session is None or self._session.closed:
                from tidegate.connections.http.dialling import Traffic, session

                self._traffic = self._traffic or Traffic()
                at_home, self._elsewhere = await self._contexts()
                self._session = session(self._surroundings, at_home, self.concurrency, self._traffic)
                if self._tokens is not None:
                    await self._tokens.close()
                self._tokens = self._made_tokens(self._session)
            return self._session

    async def _contexts(self) -> tuple[Any, Any]:
        """TLS for the server, and for others that it redirects to: they see no certificate of ours."""
        tls, policy = self.server.tls, self._surroundings.tls
        if tls is None and policy == USUAL:
            return True, True
        from tidegate.connections.tls import shared_context

        plain = replace(tls, cert="", key="", key_password="") if tls is not None else Tls()
        return await shared_context(tls or plain, policy), await shared_context(plain, policy)

    def _aws_signature(self) -> RequestSignature | None:
        if self.server.login.signature is None:
            return None
        from tidegate.connections.aws.request_signature import RequestSignature

        return RequestSignature(self.server, self._surroundings)

    def _held_token(self) -> HeldToken | None:
        if self.server.login.token is None:
            return None
        from tidegate.connections.http.held_token import HeldToken

        return HeldToken(self.server, self._surroundings)

    def _made_tokens(self, session: aiohttp.ClientSession) -> Tokens | None:
        if self.server.login.oauth is None:
            return None
        from tidegate.connections.http.tokens import Tokens

        return Tokens(self.server, session, self._traffic, self._surroundings, self.timeout_s)


def _without(body: bytes, token: str) -> bytes:
    """A body without the token that it repeats: nobody else knows that it is a secret."""
    return body.replace(token.encode(), b"***") if token else body


def _with_query(target: str, given: Mapping[str, str]) -> str:
    """`target` with these parameters instead of its own of the same names."""
    path, _, query = target.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in given]
    return f"{path}?{'&'.join((*kept, encoded(given.items())))}"
