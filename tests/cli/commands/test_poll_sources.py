"""`tidegate poll` fetches what a trigger needs once, uses it, says where it was, and gives it back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import yaml
from aiohttp import web
from click.testing import CliRunner, Result

from parts.http_server import HttpFake, answering
from tidegate.cli.commands.poll import command
from tidegate.cli.commands.validate import command as validate

LEASED = "database/creds/api"


def manifests(origin: str) -> str:
    """Two triggers of one authentication, and one of a path that is not there."""

    def authentication(name: str, path: str) -> dict[str, Any]:
        vault = {
            "address": origin,
            "authentication": "token",
            "credential": {"token": "t"},
            "secrets": [{"parameter": "token", "path": path, "key": "password"}],
        }
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "TriggerAuthentication",
            "metadata": {"name": name},
            "spec": {"hashiCorpVault": vault},
        }

    def trigger(name: str, path: str) -> dict[str, Any]:
        metadata = {
            "url": f"{origin}{path}",
            "valueLocation": "count",
            "targetValue": "1",
            "authMode": "bearer",
        }
        return {"type": "metrics-api", "metadata": metadata, "authenticationRef": {"name": name}}

    scaled = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [trigger("leased", "/a"), trigger("leased", "/b"), trigger("lost", "/c")],
        },
    }
    return str(
        yaml.safe_dump_all([authentication("leased", LEASED), authentication("lost", "old/gone"), scaled])
    )


async def service(request: web.Request) -> web.StreamResponse:
    """A Vault that leases, and the API that takes what it has leased."""
    if not request.path.startswith("/v1/"):
        is_known = request.headers.get("Authorization") == "Bearer leased-one"
        return web.json_response({"count": 7}, status=200 if is_known else 401)
    if request.path.endswith("lookup-self"):
        return web.json_response({"data": {"ttl": 0, "renewable": False}})
    if request.path == f"/v1/{LEASED}":
        lease = {"lease_id": f"{LEASED}/1", "lease_duration": 3600, "renewable": True}
        return web.json_response({**lease, "data": {"password": "leased-one"}})
    return web.json_response({"errors": []}, status=204 if "leases" in request.path else 404)


def told(*words: str, by: Any = command) -> tuple[Result, HttpFake]:
    """What the command says of these manifests, and what was asked."""

    async def whole() -> tuple[Result, HttpFake]:
        async with answering(service) as fake:
            run: Callable[[], Result] = lambda: CliRunner().invoke(  # noqa: E731
                by, [*words, "-"], input=manifests(fake.origin)
            )
            return await asyncio.to_thread(run), fake

    return asyncio.run(whole())


def test_each_trigger_says_which_source_its_credentials_are_from() -> None:
    result, fake = told()
    source = f"credentials from hashiCorpVault {LEASED} on Vault {fake.origin}, good for 3600 s"
    assert f"scaledobject/web, trigger 0: metrics-api: {source}" in result.stderr
    assert f"scaledobject/web, trigger 1: metrics-api: {source}" in result.stderr
    assert "trigger 2: metrics-api: cannot read old/gone on Vault" in result.stderr
    assert "leased-one" not in result.output


def test_values_are_fetched_once_used_and_given_back() -> None:
    _, fake = told()
    asked = fake.paths()
    assert asked.count(f"/v1/{LEASED}") == 1
    assert asked.count("/v1/auth/token/lookup-self") == 1
    assert {"/a", "/b"} < set(asked)
    assert "/c" not in asked
    assert asked[-1] == "/v1/sys/leases/revoke"


def test_programs_are_told_the_sources_too() -> None:
    result, fake = told("-o", "json")
    answers = msgspec.json.decode(result.stdout)
    source = f"hashiCorpVault {LEASED} on Vault {fake.origin}, good for 3600 s"
    assert [one["sources"] for one in answers] == [[source], [source], []]
    assert [one["value"] for one in answers] == [7, 7, None]


def test_validate_asks_nobody() -> None:
    result, fake = told(by=validate)
    assert result.exit_code == 0
    assert fake.requests == []
