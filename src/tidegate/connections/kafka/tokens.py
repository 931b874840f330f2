"""Bearer tokens for OAUTHBEARER: client credentials, as for every server that speaks HTTP."""

from __future__ import annotations

import aiohttp

from tidegate.base.errors import Denied, Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import dialling
from tidegate.connections.http import tokens as http_tokens
from tidegate.kit.systems.http import HttpLogin, HttpServer, OAuthClient, read_url
from tidegate.kit.systems.kafka import Sasl


class Tokens:
    """The token of one login, kept while it is valid. Fetched over a session of its own."""

    def __init__(self, sasl: Sasl, surroundings: Surroundings) -> None:
        assert sasl.tokens is not None
        self._uri = sasl.tokens.uri
        self._client = OAuthClient(self._uri, sasl.username, sasl.password, sasl.tokens.scopes)
        self._surroundings = surroundings
        self._session: aiohttp.ClientSession | None = None
        self._tokens: http_tokens.Tokens | None = None

    async def token(self, host: str = "") -> str:
        """Denied, Unreachable, Malformed or Misconfigured where none is given."""
        if self._tokens is None:
            traffic, around = dialling.Traffic(), self._surroundings
            self._session = dialling.session(around, True, 1, traffic)
            server = HttpServer(self._origin(), login=HttpLogin(oauth=self._client), name="token server")
            self._tokens = http_tokens.Tokens(server, self._session, traffic, around, around.timeout_s)
        try:
            return await self._tokens.token()
        except Denied as error:
            raise Denied(
                error.attempted,
                on=error.on,
                answer=error.answer,
                next_step="check `username`, `password`, `scopes` and `oauthTokenEndpointUri`",
            ) from error

    def forget(self, token: str) -> None:
        """A broker has refused it: the next login fetches another."""
        if self._tokens is not None:
            self._tokens.forget(token)

    async def close(self) -> None:
        session, self._session = self._session, None
        tokens, self._tokens = self._tokens, None
        if tokens is not None:
            await tokens.close()
        if session is not None:
            await session.close()

    def _origin(self) -> str:
        try:
            return read_url(self._uri).origin
        except ValueError as error:
            raise Misconfigured("get an OAuth2 token", answer=f"`oauthTokenEndpointUri` {error}") from error
