"""The manifests of the page about Google Cloud do what it says."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from parts.google_fake import FakeGoogle, key_file
from parts.google_tls import over_tls
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.base.errors import TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp import connect
from tidegate.connections.identities import Ground, Identities
from tidegate.kit.fetched import Fetched
from tidegate.kit.scaler import Polled
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kube.resource import SECRETS
from tidegate.operator.reconcile.trigger_plan import Plan, plan

PAGE = Path(__file__).parents[3] / "docs/reference/authentication/gcp.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
MANIFESTS = {
    (one["kind"], one["metadata"]["name"]): one
    for block in BLOCKS
    for one in yaml.safe_load_all(block)
    if "kind" in one
}
LOGINS = [key for key, one in MANIFESTS.items() if "gcpSecretManager" not in one["spec"]]
STORES = [key for key, one in MANIFESTS.items() if "gcpSecretManager" in one["spec"]]
DEPTH = "pubsub.googleapis.com/subscription/num_undelivered_messages"
SECRETS_KEPT = {"redis-password/latest": "s3cret", "redis-user/3": "worker"}


class World:
    """The page's manifests, and the Secret with the account's key that they name."""

    def __init__(self, key: str) -> None:
        self.key = key

    def get(self, resource: Any, namespace: str, name: str) -> Any:
        if resource == SECRETS:
            data = {"key.json": base64.b64encode(self.key.encode()).decode()}
            return {"kind": "Secret", "metadata": {"name": name}, "data": data}
        return MANIFESTS.get((resource.kind, name))


class Held:
    """What was fetched, by question."""

    def __init__(self) -> None:
        self.answers: dict[Any, Fetched] = {}

    def held(self, question: Any) -> Fetched | None:
        return self.answers.get(question)


async def secrets(cloud: FakeGoogle, request: web.Request) -> web.StreamResponse:
    """Secret Manager beside the rest of the fake."""
    found = re.fullmatch(r"/v1/projects/shop-prod/secrets/(.+)/versions/(.+):access", request.path)
    if found is None:
        return await cloud.answer(request)
    assert request.headers["Authorization"].removeprefix("Bearer ") in cloud.tokens
    text = SECRETS_KEPT[f"{found[1]}/{found[2]}"]
    return web.json_response({"payload": {"data": base64.b64encode(text.encode()).decode()}})


@asynccontextmanager
async def google(folder: Path) -> AsyncIterator[tuple[FakeGoogle, int, Any, World]]:
    """A cloud, its port, the surroundings of a program that has an identity there, and the page's world."""
    points = {("shop-prod", DEPTH, "orders"): [(30.0, {"int64Value": "14"})]}
    cloud = FakeGoogle(points=points)

    async def answer(request: web.Request) -> web.StreamResponse:
        return await secrets(cloud, request)

    async with over_tls(answer) as (fake, around):
        path = folder / "key.json"
        path.write_text(key_file(fake.origin))
        ground = Ground(Surroundings(**around), {"GOOGLE_APPLICATION_CREDENTIALS": str(path)})
        identities = Identities(ground)
        try:
            yield (
                cloud,
                fake.port,
                Surroundings(**around, identities=identities),
                World(key_file(fake.origin)),
            )
        finally:
            await identities.close()


def planned(key: tuple[str, str], trigger: dict[str, Any], world: World, **options: Any) -> Plan:
    reference = {"authenticationRef": {"kind": key[0], "name": key[1]}}
    object = decode(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [{**trigger, **reference}]},
        }
    )
    assert isinstance(object, ScaledObject)
    template = {"spec": {"containers": [{"name": "main"}]}}
    return plan(object, template, None, world, Options(**options))


@pytest.mark.parametrize("key", LOGINS, ids=lambda key: key[1])
async def test_each_login_of_the_page_reads_a_subscription(key: tuple[str, str], tmp_path: Path) -> None:
    async with google(tmp_path) as (cloud, port, around, world):
        endpoint = f"https://monitoring.googleapis.com:{port}"
        metadata = {"subscriptionName": "orders", "monitoringEndpoint": endpoint}
        made = planned(key, {"type": "gcp-pubsub", "metadata": metadata}, world)
        assert made.check("") is None
        [(_, scaler)] = made.scalers()
        assert isinstance(scaler, Polled)
        adapter: Any = connect(scaler.server(), around)  # type: ignore[attr-defined]

        async def ask(question: Any) -> Any:
            (answer,) = await adapter.answer([question])
            if isinstance(answer, TidegateError):
                raise answer
            return answer

        try:
            measured: Any = await scaler.measure(ask, datetime.now(UTC))  # type: ignore[arg-type]
        finally:
            await adapter.close()
        assert measured == 14
        assert len(cloud.tokens) == 1


@pytest.mark.parametrize("key", STORES, ids=lambda key: key[1])
async def test_each_store_of_the_page_gives_its_parameters(key: tuple[str, str], tmp_path: Path) -> None:
    async with google(tmp_path) as (_cloud, port, around, world):
        held = Held()
        lent = ("shop",) if "podIdentity" in MANIFESTS[key]["spec"]["gcpSecretManager"] else ()
        metadata = {"address": "redis:6379", "listName": "jobs", "listLength": "5"}
        trigger = {"type": "redis", "metadata": metadata}
        options = {"fetches": held, "lends_identity": lent}
        waiting = planned(key, trigger, world, **options)
        assert waiting.wanted
        for question in waiting.wanted[0]:
            asked: Any = question
            server: GcpServer = asked.server
            there = GcpServer(
                "secretmanager",
                server.account,
                f"https://secretmanager.googleapis.com:{port}",
                server.identity,
            )
            adapter = connect(there, around)
            try:
                [held.answers[question]] = await adapter.answer([question])
            finally:
                await adapter.close()
        [(_, scaler)] = planned(key, trigger, world, **options).scalers()
        found: Any = scaler
        assert found.password == "s3cret"
        assert found.username == ("worker" if lent else "")
