"""The manifests of the pages about sources do what they say; Vault's against a real OpenBao."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from msgspec.structs import replace

from parts.control_plane import ADMIN_TOKEN, ControlPlane
from parts.http_server import answering
from parts.one_round import one_round
from parts.openbao_server import OpenBao
from parts.server_process import Servers
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.triggerauthentication import authentication_problems
from tidegate.auth.files import ParameterFiles
from tidegate.auth.resolve import Options, Resolved, Unresolved, resolve
from tidegate.cli.polling.fetched_once import FetchedOnce
from tidegate.connections.adapter import Surroundings
from tidegate.connections.grants import Granted
from tidegate.kube import config
from tidegate.kube.account_tokens import account_token
from tidegate.kube.client import Client
from tidegate.kube.resource import NAMESPACES, SECRETS, SERVICE_ACCOUNTS
from tidegate.operator.reconcile.trigger_plan import plan

PAGES = Path(__file__).parents[3] / "docs/reference/authentication"
SHOWN = "https://vault.example:8200"


def manifests(page: str, **texts: str) -> dict[str, Any]:
    """The page's authentications by name, with other addresses in place of those that it shows."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (PAGES / page).read_text(), re.MULTILINE | re.DOTALL)
    text = "\n---\n".join(blocks)
    for shown, real in texts.items():
        text = text.replace(shown, real)
    found = [one for one in yaml.safe_load_all(text) if "kind" in one]
    return {one["metadata"]["name"]: one for one in found}


class World:
    """The page's manifests, and the Secret that one of them names."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found

    def get(self, resource: Any, namespace: str, name: str) -> Any:
        if resource == SECRETS and name == "login":
            data = {"secret": base64.b64encode(b"hunter2").decode()}
            return {"kind": "Secret", "metadata": {"name": name}, "data": data}
        return self.found.get(name)


def scaled(name: str, trigger: dict[str, Any]) -> ScaledObject:
    """A ScaledObject of namespace shop whose trigger has this authentication."""
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "scaleTargetRef": {"name": "web"},
            "triggers": [{**trigger, "authenticationRef": {"name": name}}],
        },
    }
    object = decode(body)
    assert isinstance(object, ScaledObject)
    return object


async def parameters(found: dict[str, Any], name: str, surroundings: Surroundings) -> dict[str, str]:
    """What the authentication gives a trigger, once all that it wants was fetched."""
    trigger = scaled(name, {"type": "redis", "metadata": {}}).spec.triggers[0]
    fetched = FetchedOnce(surroundings)
    options = Options(fetches=fetched)
    try:
        resolve(World(found), "shop", trigger, None, "", options)
        await fetched.fetch()
        resolved = resolve(World(found), "shop", trigger, None, "", options)
    finally:
        await fetched.close()
    assert isinstance(resolved, Resolved), resolved
    return resolved.params


@pytest.mark.parametrize("page", ["vault.md", "service-account-token.md", "oauth2.md", "files.md"])
def test_the_pages_hold_authentications_that_no_webhook_refuses(page: str) -> None:
    found = manifests(page)
    assert found
    for body in found.values():
        decode(body)
        assert list(authentication_problems(body)) == []


def test_the_file_of_the_page_gives_its_parameters_and_says_what_is_wrong_until_then(tmp_path: Path) -> None:
    found = manifests("files.md")
    (shown,) = re.findall(r"^```json\n(.*?)^```", (PAGES / "files.md").read_text(), re.MULTILINE | re.DOTALL)
    trigger = scaled("broker", {"type": "redis", "metadata": {}}).spec.triggers[0]
    assert trigger.authentication_ref is not None
    of_cluster = replace(
        trigger, authentication_ref=replace(trigger.authentication_ref, kind="ClusterTriggerAuthentication")
    )
    options = Options(files=ParameterFiles(tmp_path))
    missing = resolve(World(found), "shop", of_cluster, None, "", options)
    assert isinstance(missing, Unresolved)
    assert "team/broker.json" in missing.message
    (tmp_path / "team").mkdir()
    (tmp_path / "team/broker.json").write_text(shown)
    resolved = resolve(World(found), "shop", of_cluster, None, "", options)
    assert isinstance(resolved, Resolved), resolved
    assert resolved.params == {"username": "worker", "password": "s3cret"}


@pytest.fixture(scope="module")
def bao(servers: Servers) -> Iterator[OpenBao]:
    """As the page has it: a secret, a role of the PKI engine, a role for ServiceAccount shop/robot."""
    plane = servers.get(ControlPlane)
    with OpenBao() as bao:
        bao.mount("secret", "kv", version="2")
        bao.ask("PUT", "secret/data/redis", {"data": {"username": "u", "password": "hunter2"}})
        bao.mount("pki", "pki")
        bao.ask("POST", "pki/root/generate/internal", {"common_name": "tests", "ttl": "700h"})
        bao.ask("POST", "pki/roles/web", {"allow_any_name": True, "max_ttl": "72h"})
        bao.policy("shop", "secret/data/*", "pki/issue/web")
        bao.ask("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        kubernetes = {
            "kubernetes_host": plane.url,
            "kubernetes_ca_cert": Path(plane.keys.folder / "ca.crt").read_text(),
            "token_reviewer_jwt": ADMIN_TOKEN,
            "disable_local_ca_jwt": True,
        }
        bao.ask("POST", "auth/kubernetes/config", kubernetes)
        role = {"bound_service_account_names": "robot", "bound_service_account_namespaces": "shop"}
        bao.ask("POST", "auth/kubernetes/role/shop", {**role, "policies": ["shop"], "ttl": "1h"})
        yield bao


@pytest.mark.real
@pytest.mark.xdist_group("openbao")
async def test_each_authentication_of_the_vault_page_gives_what_it_names(
    bao: OpenBao, servers: Servers
) -> None:
    plane = servers.get(ControlPlane)
    client = Client(config.load(str(plane.kubeconfig)))
    if not plane.has("/api/v1/namespaces/shop"):
        await client.create(NAMESPACES, "", {"metadata": {"name": "shop"}})
    if not plane.has(SERVICE_ACCOUNTS.path("shop", "robot")):
        await client.create(SERVICE_ACCOUNTS, "shop", {"metadata": {"name": "robot"}})

    async def give(namespace: str, name: str, audience: str, life_s: int) -> Granted[str]:
        token = await account_token(client, namespace, name, audience, life_s)
        return Granted(token.text, token.life_s)

    found = manifests("vault.md", **{SHOWN: bao.url, "s.reader": bao.new_token("shop")})
    surroundings = Surroundings(account_token=give)
    try:
        by_token = await parameters(found, "redis-by-token", surroundings)
        by_account = await parameters(found, "redis-by-account", surroundings)
        certificate = await parameters(found, "certificate", surroundings)
    finally:
        await client.close()
    assert by_token == {"password": "hunter2"}
    assert by_account == {"username": "u", "password": "hunter2"}
    assert certificate["cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY-----" in certificate["key"]


async def test_the_page_about_tokens_of_accounts_gives_one() -> None:
    async def give(namespace: str, name: str, audience: str, life_s: int) -> Granted[str]:
        assert (namespace, name, audience, life_s) == ("shop", "robot", "", 3600)
        return Granted("jwt", 3600.0)

    found = manifests("service-account-token.md")
    given = await parameters(found, "as-robot", Surroundings(account_token=give))
    assert given == {"bearerToken": "jwt"}


async def test_the_page_about_oauth_lets_a_trigger_log_in() -> None:
    forms: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/oauth2/token":
            forms.append({key: str(value) for key, value in (await request.post()).items()})
            return web.json_response({"access_token": "given", "expires_in": 600})
        assert request.headers["Authorization"] == "Bearer given"
        return web.json_response({"subscriptions": {"s": {"msgBacklog": 7}}})

    async with answering(answer) as server:
        found = manifests("oauth2.md", **{"https://login.example": server.origin})
        metadata = {
            "adminURL": server.origin,
            "topic": "persistent://a/b/c",
            "subscription": "s",
            "authModes": "oauth",
        }
        object = scaled("as-a-client", {"type": "pulsar", "metadata": metadata})
        made = plan(object, None, None, World(found), Options())
        assert made.check("") is None
        measured = await one_round([scaler for _, scaler in made.scalers()])
    assert measured.values == [7.0]
    (form,) = forms
    assert form["scope"] == "metrics.read"
    assert form["audience"] == "https://metrics.example"
