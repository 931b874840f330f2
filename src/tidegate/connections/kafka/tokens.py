"""Bearer tokens for OAUTHBEARER: client credentials, as for every server that speaks HTTP."""

from __future__ import annotations

import asyncio

import aiohttp

from tidegate.base.errors import Denied, Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import dialling
from tidegate.connections.http import tokens as http_tokens
from tidegate.kit.systems.http import HttpLogin, HttpServer, OAuthClient, read_url
from tidegate.kit.systems.kafka import Sasl

_SHARE = 0.8
"""The share of a login's time that the token may take."""


class Tokens:
    """The token of one login, kept while it is valid. Fetched over a session of its own."""

    def __init__(self, sasl: Sasl, surroundings: Surroundings) -> None:
        assert sasl.tokens is not None
        self._uri = sasl.tokens.uri
        self._client = OAuthClient(self._uri, sasl.username, sasl.password, sasl.tokens.scopes)
        self._surroundings = surroundings
        self._session: aiohttp.ClientSession | None = None
        self._tokens: http_tokens.Tokens | None = None

    async def token(self) -> str:
        """Denied, Unreachable, Malformed or Misconfigured where none is given."""
        if self._tokens is None:
            traffic = dialling.Traffic()
            self._session = dialling.session(self._surroundings, True, 1, traffic)
            server = HttpServer(self._origin(), login=HttpLogin(oauth=self._client), name="token server")
            self._tokens = http_tokens.Tokens(server, self._session, traffic)
        limit_s = self._surroundings.timeout_s * _SHARE
        try:
            async with asyncio.timeout(limit_s):
                return await self._tokens.token()
        except Denied as error:
            raise Denied(
                error.attempted,
                on=error.on,
                answer=error.answer,
                next_step="check `username`, `password`, `scopes` and `oauthTokenEndpointUri`",
            ) from error
        except TimeoutError as error:
            raise Unreachable(
                "get an OAuth2 token", on=self._origin(), answer=f"no answer within {limit_s:g} s"
            ) from error

    async def close(self) -> None:
        session, self._session, self._tokens = self._session, None, None
        if session is not None:
            await session.close()

    def _origin(self) -> str:
        try:
            return read_url(self._uri).origin
        except ValueError as error:
            raise Misconfigured("get an OAuth2 token", answer=f"`oauthTokenEndpointUri` {error}") from error
