"""The manifests of the page about Azure do what it says."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from parts.entra_fake import entra
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options, Unresolved, resolve
from tidegate.connections.azure_keyvault import connect as connect_vault
from tidegate.connections.azure_storage import connect as connect_storage
from tidegate.kit.fetched import Fetched
from tidegate.kit.identity import IdentityToken
from tidegate.kit.systems.azure_storage import AUDIENCE, QueueMessages
from tidegate.kube.resource import SECRETS
from tidegate.operator.reconcile.trigger_plan import plan

PAGE = Path(__file__).parents[3] / "docs/reference/authentication/azure.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one for block in BLOCKS for one in yaml.safe_load_all(block)
}
ASKING = [key for key, one in MANIFESTS.items() if "azureKeyVault" not in one["spec"]]
VAULTS = [key for key, one in MANIFESTS.items() if "azureKeyVault" in one["spec"]]
SECRET = "hunter2-hunter2"


class World:
    """The page's manifests, and the Secret that they name."""

    def get(self, resource: Any, namespace: str, name: str) -> Any:
        if resource == SECRETS:
            data = {"secret": base64.b64encode(SECRET.encode()).decode()}
            return {"kind": "Secret", "metadata": {"name": name}, "data": data}
        return MANIFESTS.get((resource.kind, name))


def scaled_by(key: tuple[str, str]) -> ScaledObject:
    """A ScaledObject whose trigger names that authentication."""
    trigger = {"type": "azure-queue", "metadata": {"queueName": "orders", "accountName": "shop"}}
    object = decode(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"name": "web"},
                "triggers": [{**trigger, "authenticationRef": {"kind": key[0], "name": key[1]}}],
            },
        }
    )
    assert isinstance(object, ScaledObject)
    return object


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text("federated-1")
    return str(path)


async def seven(request: web.Request) -> web.StreamResponse:
    return web.Response(headers={"x-ms-approximate-messages-count": "7"})


async def of_the_vault(request: web.Request) -> web.StreamResponse:
    assert request.path == "/secrets/storage-connection"
    return web.json_response({"value": "s3cret", "id": "…"})


@pytest.mark.parametrize("key", ASKING, ids=lambda key: key[1])
async def test_each_identity_of_the_page_counts_a_queue(key: tuple[str, str], token_file: str) -> None:
    made = plan(scaled_by(key), None, None, World(), Options())
    assert made.check("") is None
    [(_, scaler)] = made.scalers()
    asked: Any = scaler
    async with entra() as fake, fake.service(AUDIENCE, seven) as service:
        fake.secrets = {SECRET}
        async with fake.logging_in(fake.environment(token_file)) as around:
            server = replace(asked.server(), origin=service.origin)
            adapter = connect_storage(server, around)
            assert await adapter.answer([QueueMessages(server, "orders")]) == [7]
            await adapter.close()
        (form,) = fake.forms
        assert ("client_secret" in form) == (key[1] == "as-an-application")


@pytest.mark.parametrize("key", VAULTS, ids=lambda key: key[1])
async def test_each_vault_of_the_page_gives_its_secret(key: tuple[str, str]) -> None:
    (trigger,) = scaled_by(key).spec.triggers
    found = resolve(World(), "shop", trigger, None, "", Options())
    assert isinstance(found, Unresolved)
    assert found.is_waiting
    (question,) = found.wanted
    asked: Any = question
    audience = asked.server.token.audience
    async with entra() as fake, fake.service(audience, of_the_vault) as service:
        fake.secrets = {SECRET}
        who = replace(asked.server.token.identity, authority_host=fake.origin)
        server = replace(asked.server, origin=service.origin, token=IdentityToken(who, audience))
        async with fake.logging_in({}) as around:
            adapter = connect_vault(server, around)
            assert await adapter.answer([replace(asked, server=server)]) == [Fetched({"value": "s3cret"})]
            await adapter.close()


def test_what_was_not_lent_is_refused() -> None:
    key = ("ClusterTriggerAuthentication", "as-the-autoscaler")
    object = replace_namespace(scaled_by(key), "bakery")
    made = plan(object, None, None, World(), Options())
    assert "not lent to namespace bakery" in str(made.failures)


def replace_namespace(object: ScaledObject, namespace: str) -> ScaledObject:
    import msgspec

    metadata = msgspec.structs.replace(object.metadata, namespace=namespace)
    return msgspec.structs.replace(object, metadata=metadata)
