"""Azure Key Vault: a fake of Get Secret, written from Microsoft's documentation, over TLS.

Source: https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts.entra_fake import CLIENT, TENANT, Entra, entra
from parts.http_server import HttpFake
from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.azure_keyvault import FIXED_S, connect
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import IdentityToken, ServicePrincipal
from tidegate.kit.systems.azure_keyvault import KeyVaultServer, VaultSecret

AUDIENCE = "https://vault.azure.net/.default"
SECRET = "hunter2-hunter2"
VALUES = {"/secrets/redis": "s3cret-2", "/secrets/redis/v1": "s3cret-1", "/secrets/empty": ""}
REFUSED = {
    "disabled": (403, {"error": {"code": "Forbidden", "innererror": {"code": "SecretDisabled"}}}),
    "closed": (403, {"error": {"code": "Forbidden", "innererror": {"code": "ForbiddenByRbac"}}}),
    "busy": (429, {"error": {"code": "Throttled", "message": "s3cret"}}),
    "broken": (500, {"error": {"code": "InternalError"}}),
    "strange": (200, {"value": ["s3cret"]}),
    "none": (200, "s3cret"),
}


async def vault(request: web.Request) -> web.StreamResponse:
    assert request.query["api-version"] == "7.4"
    name = request.path.split("/")[2]
    if name in REFUSED:
        status, body = REFUSED[name]
        return web.json_response(body, status=status, headers={"Retry-After": "30"} if status == 429 else {})
    value = VALUES.get(request.path)
    if value is None:
        error = {"code": "SecretNotFound", "message": "s3cret"}
        return web.json_response({"error": error}, status=404)
    return web.json_response({"value": value, "id": "…", "attributes": {"enabled": True}})


@asynccontextmanager
async def asking(audience: str = AUDIENCE) -> AsyncIterator[tuple[Any, KeyVaultServer, Entra, HttpFake]]:
    """The adapter for a vault that takes tokens for this audience; it closes twice afterwards."""
    async with entra() as fake, fake.service(audience, vault) as service, fake.logging_in({}) as around:
        fake.secrets = {SECRET}
        who = ServicePrincipal(CLIENT, TENANT, SECRET, authority_host=fake.origin)
        server = KeyVaultServer(service.origin, "", IdentityToken(who, AUDIENCE))
        adapter = connect(server, around)
        try:
            yield adapter, server, fake, service
        finally:
            await adapter.close()
            await adapter.close()


async def test_secrets_are_read_with_one_token_each_once() -> None:
    async with asking() as (adapter, server, fake, service):
        newest, fixed = VaultSecret(server, "redis"), VaultSecret(server, "redis", "v1")
        empty = VaultSecret(server, "empty")
        found = await adapter.answer([newest, fixed, newest, empty])
        assert found == [
            Fetched({"value": "s3cret-2"}),
            Fetched({"value": "s3cret-1"}),
            Fetched({"value": "s3cret-2"}),
            Fetched({"value": ""}),
        ]
        assert [one.look_s for one in found] == [None, FIXED_S, None, None]
        assert len(service.requests) == 3
        assert len(fake.forms) == 1
        assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("name", "kind", "told"),
    [
        ("gone", Misconfigured, "404 Not Found (SecretNotFound)"),
        (
            "disabled",
            Denied,
            "403 Forbidden (SecretDisabled); give the identity the role Key Vault Secrets User",
        ),
        ("closed", Denied, "403 Forbidden (ForbiddenByRbac)"),
        ("busy", Unreachable, "to be asked again in 30 s"),
        ("broken", Unreachable, "500"),
        ("strange", Malformed, "holds no value"),
        ("none", Malformed, "holds no value"),
        ("a/../redis", Misconfigured, "404"),
    ],
)
async def test_a_secret_that_cannot_be_read_fails_alone(
    name: str, kind: type[TidegateError], told: str
) -> None:
    async with asking() as (adapter, server, _, _):
        good, bad = await adapter.answer([VaultSecret(server, "redis"), VaultSecret(server, name)])
        assert good == Fetched({"value": "s3cret-2"})
        assert isinstance(bad, kind)
        assert told in str(bad)
        assert "s3cret" not in f"{bad}{bad.excerpt}"


async def test_a_vault_that_takes_no_token_denies_all() -> None:
    async with asking("https://another.example/.default") as (adapter, server, fake, _):
        with pytest.raises(Denied) as caught:
            await adapter.answer([VaultSecret(server, "redis"), VaultSecret(server, "empty")])
        assert not any(token in str(caught.value) for token in fake.issued)
        assert SECRET not in str(caught.value)
