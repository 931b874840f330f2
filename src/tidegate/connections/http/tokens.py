"""OAuth2 client credentials: one token for all requests, fetched once however many wait for it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, read_body
from tidegate.connections.http.dialling import proxy
from tidegate.kit.systems.http import HttpRequest, HttpServer, basic, encoded, read_url

if TYPE_CHECKING:
    from tidegate.connections.http.dialling import Traffic

_EARLY_S = 60.0
"""A token is replaced this long before it ends, or after half of a shorter life."""

_UNSAID_S = 300.0
_REFUSED_S = 1.0
"""For so long a failure answers everybody who waits: a batch asks for its token once."""

_UNREACHED_S = 10.0
"""While the old token serves, a token server that cannot be reached is asked again after so long."""

_SHARE = 0.8
"""The share of an exchange's time that its token may take: then it is known who was late."""

_LIMIT_BYTES = 64 << 10

_STEP = "check `clientID`, `clientSecret`, `scopes` and `oauthTokenURI`"
_OF_CLIENT = "check `clientID` and `clientSecret`, and that the client may use client credentials"
_OF_FORM = "check `endpointParams` and `oauthTokenURI`"
_CODES = {
    "invalid_client": _OF_CLIENT,
    "unauthorized_client": _OF_CLIENT,
    "invalid_scope": "check `scopes`, and that the client may have them",
    "invalid_request": _OF_FORM,
    "invalid_grant": _OF_FORM,
    "unsupported_grant_type": "let the token server allow client credentials",
}
"""The standard's words for a refusal (RFC 6749, 5.2), the one thing that is told of its answer."""

_OF_NO_CLIENT = frozenset({"invalid_scope", "invalid_grant", "unsupported_grant_type"})
"""Whoever hears these has been recognised: in the form the client would be no other."""


class Tokens:
    """The token of one server's login. Fetched over the server's own session: the same limits and TLS."""

    def __init__(
        self,
        server: HttpServer,
        session: aiohttp.ClientSession,
        traffic: Traffic,
        surroundings: Surroundings,
        timeout_s: float,
    ) -> None:
        assert server.login.oauth is not None
        self._oauth = server.login.oauth
        self._server = server
        self._surroundings = surroundings
        self._session = session
        self._traffic = traffic
        self._limit_s = timeout_s * _SHARE
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = self._ends = -math.inf
        self._is_in_form = False
        self._failure: TidegateError | None = None
        self._failed_at = -math.inf

    async def token(self) -> str:
        """A token that is valid for a while. Denied, Unreachable or Malformed where none is given.

        While the token server cannot be reached, the old one serves to its end.
        """
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                rest_s = _REFUSED_S if now >= self._ends else _UNREACHED_S
                if self._failure is None or now - self._failed_at >= rest_s:
                    await self._renew(now)
                is_served = isinstance(self._failure, Unreachable) and now < self._ends
                if self._failure is not None and not is_served:
                    raise self._failure.with_traceback(None)
            return self._token

    def forget(self, token: str) -> None:
        """It was refused: the next request fetches another, if that has not been done already."""
        if token == self._token:
            self._until = self._ends = -math.inf

    async def _renew(self, now: float) -> None:
        try:
            self._token, life_s = await self._fetched()
        except TidegateError as error:
            self._failure, self._failed_at = error, asyncio.get_running_loop().time()
            return
        self._failure = None
        self._until, self._ends = now + max(life_s / 2, life_s - _EARLY_S), now + life_s

    async def _fetched(self) -> tuple[str, float]:
        """Servers want the client in a header or in the form, with a secret or without: the header first."""
        try:
            async with asyncio.timeout(self._limit_s):
                response, request = await self._asked(self._is_in_form)
                is_other = response.status in (400, 401) and _code(response) not in _OF_NO_CLIENT
                if is_other and not self._is_in_form:
                    second, request = await self._asked(True)
                    if second.status == 200:
                        response, self._is_in_form = second, True
        except TimeoutError as error:
            raise failures.lost(error, self._request(), self._limit_s) from error
        if response.status != 200:
            raise self._refusal(response, request)
        return self._read(response, request)

    async def _asked(self, is_in_form: bool) -> tuple[Response, HttpRequest]:
        oauth, request = self._oauth, self._request()
        form = [("grant_type", "client_credentials")]
        if oauth.scopes:
            form.append(("scope", " ".join(oauth.scopes)))
        if is_in_form:
            form.append(("client_id", oauth.client_id))
            if oauth.client_secret:
                form.append(("client_secret", oauth.client_secret))
        form += oauth.parameters
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if not is_in_form:
            name, value = basic(quote(oauth.client_id, safe=""), quote(oauth.client_secret, safe=""))
            headers[name] = value
        self._traffic.requests += 1
        address = URL(f"{request.server.origin}{request.target()}", encoded=True)
        data = encoded(form).encode()
        try:
            async with self._session.post(
                address,
                data=data,
                headers=headers,
                allow_redirects=False,
                proxy=proxy(self._surroundings, str(address)),
            ) as response:
                body = await read_body(response, request)
                return Response(response.status, response.headers, body), request
        except (aiohttp.ClientError, OSError) as error:
            raise failures.lost(error, request, self._limit_s) from error

    def _request(self) -> HttpRequest:
        """What is asked, as errors tell it."""
        url = read_url(self._oauth.token_url)
        return HttpRequest(
            HttpServer(url.origin, login=self._server.login, name="token server"),
            url.target(),
            method="POST",
            limit_bytes=_LIMIT_BYTES,
            attempted="get an OAuth2 token",
        )

    def _refusal(self, response: Response, request: HttpRequest) -> TidegateError:
        if response.status in (400, 401, 403):
            code = _code(response)
            error: TidegateError = failures.Unauthorized(
                request.title(),
                on=request.server.label(),
                answer=failures.phrase(response.status) + (f" ({code})" if code else ""),
                next_step=_CODES.get(code, _STEP),
            )
            error.excerpt = failures.excerpt(response.body, failures.secrets_of(request))
            return error
        error = failures.refusal(response, request)
        return error if isinstance(error, Unreachable) else _unreadable(request, error.answer, response.body)

    def _read(self, response: Response, request: HttpRequest) -> tuple[str, float]:
        try:
            read: Any = msgspec.json.decode(response.body)
            token, life = read["access_token"], read.get("expires_in", _UNSAID_S)
            life_s = float(life)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable(request, "the answer holds no token") from error
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise _unreadable(request, "the answer holds no token")
        return token, life_s if math.isfinite(life_s) and life_s > 0 else _UNSAID_S


def _code(response: Response) -> str:
    """The standard's word in a refusal, "" for any other."""
    try:
        code = msgspec.json.decode(response.body)["error"]
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return ""
    return code if isinstance(code, str) and code in _CODES else ""


def _unreadable(request: HttpRequest, answer: str, body: bytes = b"") -> Malformed:
    return failures.unreadable(request, answer, body, "check `oauthTokenURI`")
