"""Azure Key Vault: one request for each secret, a few at a time. No call gives the values of several.

Source: Microsoft, "Key Vault REST API", Get Secret; "Azure Key Vault service limits".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.azure_answers import refusal
from tidegate.connections.http import failures
from tidegate.connections.http.packs import Found, PackedConnection
from tidegate.kit.fetched import Fetched
from tidegate.kit.systems.azure_keyvault import VALUE, KeyVaultServer, VaultSecret
from tidegate.kit.systems.http import HttpRequest

_VERSION = "7.4"
_ROLE = "the role Key Vault Secrets User on the vault"
_LIMIT_BYTES = 256 << 10

FIXED_S = 3600.0
"""A version never changes: it is looked at again because it may be disabled."""


def connect(server: KeyVaultServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return KeyVaultConnection(server, surroundings)


class KeyVaultConnection(PackedConnection):
    """Answers `VaultSecret`s."""

    kinds = (VaultSecret,)

    def __init__(self, server: KeyVaultServer, surroundings: Surroundings) -> None:
        self._at = server
        self._http = server.http()
        super().__init__(self._http, surroundings, concurrency=8)

    async def packed(self, questions: Sequence[VaultSecret]) -> Found:
        (question,) = questions
        version = f"/{quote(question.version, safe='')}" if question.version else ""
        request = HttpRequest(
            self._http,
            f"{self._at.base}/secrets/{quote(question.name, safe='')}{version}",
            (("api-version", _VERSION),),
            limit_bytes=_LIMIT_BYTES,
            attempted=f"read secret {question.name}",
        )
        response = await self.client.send(request)
        if response.status != 200:
            raise _silent(refusal(response, request, _ROLE))
        try:
            body: Any = msgspec.json.decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            body = None
        value = body.get("value") if isinstance(body, dict) else None
        if not isinstance(value, str):
            raise failures.unreadable(request, "the answer holds no value")
        return {question: Fetched({VALUE: value}, look_s=FIXED_S if question.version else None)}


def _silent(error: TidegateError) -> TidegateError:
    """A vault's answers are for nobody's eyes."""
    error.excerpt = ""
    return error
