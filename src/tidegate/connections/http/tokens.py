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
from tidegate.connections.grants import Granted, Grants
from tidegate.connections.http import failures
from tidegate.connections.http.answer import Response, read_body
from tidegate.connections.http.dialling import proxy
from tidegate.kit.systems.http import HttpRequest, HttpServer, basic, encoded, read_url

if TYPE_CHECKING:
    from tidegate.connections.http.dialling import Traffic

_EARLY_S = 60.0
"""Many token servers give a token for five minutes: renewed late, it spares them every second request."""

_UNSAID_S = 300.0

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
    """The token of one server's login. Fetched over the server's own session: the same limits and TLS.

    A token that is good serves to its end, whatever the token server says of the next.
    """

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
        self._is_in_form = False
        self._grants: Grants[str, str] = Grants(self._fetched, early_s=_EARLY_S)

    async def token(self) -> str:
        """A token that is good now. Denied, Unreachable or Malformed where none is given."""
        return await self._grants.get(self._oauth.token_url)

    def forget(self, token: str) -> None:
        """It was refused: the next request fetches another, if that has not been done already."""
        self._grants.forget(self._oauth.token_url, token)

    async def close(self) -> None:
        """Before the session is closed; safe twice."""
        await self._grants.close()

    async def _fetched(self, _: str) -> Granted[str]:
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

    def _read(self, response: Response, request: HttpRequest) -> Granted[str]:
        try:
            read: Any = msgspec.json.decode(response.body)
            token, life = read["access_token"], read.get("expires_in", _UNSAID_S)
            life_s = float(life)
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable(request, "the answer holds no token") from error
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise _unreadable(request, "the answer holds no token")
        return Granted(token, life_s if math.isfinite(life_s) and life_s > 0 else _UNSAID_S)


def _code(response: Response) -> str:
    """The standard's word in a refusal, "" for any other."""
    try:
        code = msgspec.json.decode(response.body)["error"]
    except (msgspec.DecodeError, LookupError, TypeError, ValueError):
        return ""
    return code if isinstance(code, str) and code in _CODES else ""


def _unreadable(request: HttpRequest, answer: str, body: bytes = b"") -> Malformed:
    return failures.unreadable(request, answer, body, "check `oauthTokenURI`")
