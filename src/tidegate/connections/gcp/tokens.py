"""An account's access token: a claim signed with its key, exchanged, and kept until shortly before it ends.

Source: Google, "Using OAuth 2.0 for Server to Server Applications", HTTP/REST.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from google.auth import crypt, jwt

from tidegate.base.errors import Denied, Misconfigured, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.answer import Response
from tidegate.connections.http.client import HttpClient, Outgoing
from tidegate.connections.http.failures import excerpt, phrase, refusal, unreadable
from tidegate.kit.systems.gcp import ServiceAccount
from tidegate.kit.systems.http import HttpRequest, HttpServer, bearer, encoded, read_url

ATTEMPTED = "get an access token"

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE_S = 3600
_EARLY_S = 240.0
"""A token is replaced this long before it ends, or after half of a shorter life."""

_UNSAID_S = 300.0
_REFUSED_S = 1.0
"""For so long a failure answers everybody who waits: a batch asks for its token once."""

_CODE = re.compile(r"[a-z_]{1,40}")


class AccountTokens:
    """The header of each request; one token request however many wait for it."""

    def __init__(self, account: ServiceAccount, scope: str, surroundings: Surroundings) -> None:
        self._account = account
        self._scope = scope
        url = read_url(account.token_uri)
        self._path = url.target()
        self._server = HttpServer(url.origin, name="Google's token server", follows_redirects=False)
        self.client = HttpClient(self._server, surroundings)
        self._lock = asyncio.Lock()
        self._token = ""
        self._until_s = -math.inf
        self._failure: TidegateError | None = None
        self._failed_s = -math.inf

    async def __call__(self, outgoing: Outgoing) -> Mapping[str, str]:
        """Denied, Unreachable, Malformed or Misconfigured where no token is to be had."""
        async with self._lock:
            now_s = asyncio.get_running_loop().time()
            if now_s >= self._until_s:
                if self._failure is not None and now_s - self._failed_s < _REFUSED_S:
                    raise self._failure.with_traceback(None)
                try:
                    self._token, life_s = await self._fetched()
                except TidegateError as error:
                    self._failure, self._failed_s = error, asyncio.get_running_loop().time()
                    raise
                self._until_s = now_s + max(life_s / 2, life_s - _EARLY_S)
            return dict([bearer(self._token)])

    @property
    def secrets(self) -> tuple[str, ...]:
        """What an answer might repeat."""
        return (self._token,) if self._token else ()

    def forget(self) -> None:
        """It was refused: the next request fetches another."""
        self._until_s = -math.inf

    async def close(self) -> None:
        await self.client.close()

    async def _fetched(self) -> tuple[str, float]:
        signed = await asyncio.to_thread(signed_claim, self._account, self._scope, int(time.time()))
        request = HttpRequest(
            self._server,
            self._path,
            method="POST",
            headers=(("Content-Type", "application/x-www-form-urlencoded"),),
            body=encoded((("grant_type", _GRANT), ("assertion", signed))).encode(),
            attempted=ATTEMPTED,
        )
        response = await self.client.send(request)
        if response.status != 200:
            raise self._refusal(response, request, signed)
        try:
            answer: Any = msgspec.json.decode(response.body)
            token, life_s = answer["access_token"], float(answer.get("expires_in", _UNSAID_S))
        except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise unreadable(request, "the answer holds no token") from None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise unreadable(request, "the answer holds no token")
        return token, life_s if math.isfinite(life_s) and life_s > 0 else _UNSAID_S

    def _refusal(self, response: Response, request: HttpRequest, signed: str) -> TidegateError:
        if response.status not in (400, 401, 403):
            return refusal(response, request)
        try:
            told = msgspec.json.decode(response.body)["error"]
        except (msgspec.DecodeError, KeyError, TypeError):
            told = ""
        code = f" ({told})" if isinstance(told, str) and _CODE.fullmatch(told) else ""
        error = Denied(
            f"{ATTEMPTED} for {self._account.email}",
            on=self._server.label(),
            answer=f"{phrase(response.status)}{code}",
            next_step="check that the account and its key exist, and the clock",
        )
        error.excerpt = excerpt(response.body, (signed,))
        return error


def signed_claim(account: ServiceAccount, scope: str, now_s: int) -> str:
    """The JWT (RS256) by which an account asks for a token; Misconfigured where its key cannot be read."""
    try:
        signer = crypt.RSASigner.from_string(account.key, account.key_id or None)
    except (ValueError, TypeError):
        raise Misconfigured(
            f"{ATTEMPTED} for {account.email}",
            answer="the credentials' private_key is no RSA key in PEM form",
            next_step="give the whole text of the key file",
        ) from None
    claim = {
        "iss": account.email,
        "scope": scope,
        "aud": account.token_uri,
        "iat": now_s,
        "exp": now_s + _LIFE_S,
    }
    return str(jwt.encode(signer, claim).decode())
