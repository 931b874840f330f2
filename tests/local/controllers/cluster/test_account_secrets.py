"""Secrets that hold a token of an account: filled, and gone with the account."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

from parts.world import World
from tidegate.kube.resource import SECRETS, SERVICE_ACCOUNTS
from tidegate.local.controllers.cluster.account_secrets import AccountSecrets

TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"


def signed(account: Any, secret: Any) -> str:
    return f"{account['metadata']['name']} {secret['metadata']['name']}"


def team(objects: Any, clock: Any) -> Iterable[Any]:
    return [AccountSecrets(objects, signed, "PEM")]


async def make(world: World, name: str, account: str) -> Any:
    meta = {"name": name, "namespace": "default", "annotations": {NAME: account}}
    return await world.objects.create(SECRETS, {"metadata": meta, "type": TYPE})


def content(world: World, name: str) -> dict[str, str] | None:
    found = world.objects.get(SECRETS, "default", name)
    if found is None:
        return None
    return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}


async def worker(world: World) -> Any:
    return await world.objects.create(
        SERVICE_ACCOUNTS, {"metadata": {"name": "worker", "namespace": "default"}}
    )


def test_a_secret_gets_a_token_and_what_comes_with_it(live: Any) -> None:
    async def scenario(world: World) -> None:
        account = await worker(world)
        await make(world, "s", "worker")
        await world.objects.create(SECRETS, {"metadata": {"name": "plain", "namespace": "default"}})
        await world.pass_s(1)
        assert content(world, "s") == {"token": "worker s", "ca.crt": "PEM", "namespace": "default"}
        found = world.objects.get(SECRETS, "default", "s")
        assert found is not None
        assert found["metadata"]["annotations"] == {NAME: "worker", UID: account["metadata"]["uid"]}
        assert content(world, "plain") == {}
        await world.objects.patch(SECRETS, "default", "s", {"data": {"ca.crt": None}})
        await world.pass_s(1)
        assert content(world, "s") == {"token": "worker s", "ca.crt": "PEM", "namespace": "default"}

    live(scenario, team)


def test_a_secret_goes_with_its_account_and_without_one(live: Any) -> None:
    async def scenario(world: World) -> None:
        await worker(world)
        await make(world, "s", "worker")
        await make(world, "of-nobody", "nobody")
        await world.pass_s(1)
        assert content(world, "s") is not None
        assert content(world, "of-nobody") is None
        await world.objects.delete(SERVICE_ACCOUNTS, "default", "worker")
        await world.pass_s(1)
        assert content(world, "s") is None
        await worker(world)
        meta = {"name": "old", "namespace": "default", "annotations": {NAME: "worker", UID: "another"}}
        await world.objects.create(SECRETS, {"metadata": meta, "type": TYPE})
        await world.pass_s(1)
        assert content(world, "old") is None, "it is of an earlier account of that name"

    live(scenario, team)
