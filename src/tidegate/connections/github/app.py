"""Tokens of a GitHub App's installation, made with the App's key and replaced before they end.

Source: GitHub, "Authenticating as a GitHub App installation".
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.http.client import HttpClient
from tidegate.connections.http.failures import refusal
from tidegate.connections.http.outgoing import Outgoing
from tidegate.kit.systems.github import GithubApp
from tidegate.kit.systems.http import HttpRequest

BACKDATED_S, LIFE_S = 30, 120
EARLY_S = 60.0

ATTEMPTED = "get a token for the GitHub App"


class AppTokens:
    """The header of each request; one token request however many wait for it."""

    def __init__(self, app: GithubApp, client: HttpClient, base: str) -> None:
        self._app = app
        self._client = client
        self._base = base
        self._lock = asyncio.Lock()
        self._token = ""
        self._until_s = 0.0

    async def __call__(self, outgoing: Outgoing) -> Mapping[str, str]:
        async with self._lock:
            if time.time() >= self._until_s:
                self._token, self._until_s = await self._fetched()
            return {"Authorization": f"token {self._token}"}

    def forget(self) -> None:
        """It was refused: the next request fetches another."""
        self._until_s = 0.0

    async def _fetched(self) -> tuple[str, float]:
        server = self._client.server
        signed = await asyncio.to_thread(signed_claim, self._app, int(time.time()))
        request = HttpRequest(
            server,
            f"{self._base}/app/installations/{self._app.installation_id}/access_tokens",
            method="POST",
            headers=(("Authorization", f"Bearer {signed}"), ("Accept", "application/vnd.github.v3+json")),
            attempted=ATTEMPTED,
        )
        response = await self._client.send(request)
        if response.status not in (200, 201):
            raise refusal(response, request)
        try:
            answer: Any = msgspec.json.decode(response.body)
            token, ends = answer["token"], datetime.fromisoformat(answer["expires_at"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            raise _strange(server.label()) from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise _strange(server.label())
        return token, ends.timestamp() - EARLY_S


def signed_claim(app: GithubApp, now_s: int) -> str:
    """The JWT (RS256) by which an App says who it is; Misconfigured where its key cannot be read."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    try:
        key = serialization.load_pem_private_key(app.key.encode(), None)
    except (ValueError, TypeError):
        raise unreadable_key() from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise unreadable_key()
    issued_s = now_s - BACKDATED_S
    claim = {"iat": issued_s, "exp": issued_s + LIFE_S, "iss": str(app.application_id)}
    head = {"alg": "RS256", "typ": "JWT"}
    text = b".".join(_url_safe(msgspec.json.encode(part)) for part in (head, claim))
    signature = key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return (text + b"." + _url_safe(signature)).decode()


def unreadable_key() -> TidegateError:
    return Misconfigured(
        ATTEMPTED, answer="appKey is no RSA key in PEM form", next_step="give the key's text, not a path"
    )


def _url_safe(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _strange(on: str) -> Malformed:
    return Malformed(ATTEMPTED, on=on, answer="the answer holds no token")
