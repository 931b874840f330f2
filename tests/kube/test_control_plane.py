"""The control plane of the tests is what it says: who is let in, and what its controllers do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from parts.control_plane import ControlPlane
from parts.conversation import Talk, talking
from parts.real_cluster import GROUP
from parts.server_process import Servers
from parts.waiting import until, wait_until
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import CONFIG_MAPS, SERVICE_ACCOUNTS, ApiError

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


@pytest.fixture(scope="module")
def plane(servers: Servers) -> ControlPlane:
    return servers.get(ControlPlane)


def test_it_is_a_release(plane: ControlPlane) -> None:
    assert plane.get("/version")["gitVersion"] == "v1.35.4"


async def test_an_administrator_comes_with_a_certificate_or_a_token(
    plane: ControlPlane, tmp_path: Path
) -> None:
    for kubeconfig in (plane.kubeconfig, plane.token_kubeconfig):
        async with talking(kubeconfig, tmp_path) as talk:
            answer = await talk.get("/api/v1/secrets")
            assert answer.status == 200


async def test_anybody_else_may_do_what_roles_say(plane: ControlPlane) -> None:
    plane.keys.issue("stranger", "stranger")
    kubeconfig = plane.keys.kubeconfig("stranger.kubeconfig", plane.url, **plane.keys.of_client("stranger"))
    client = Client(load(kubeconfig))
    with pytest.raises(ApiError) as refused:
        await client.list(CONFIG_MAPS, "default")
    await client.close()
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
    assert 'User "stranger" cannot list resource "configmaps"' in refused.value.message


async def test_a_namespace_gets_its_service_account_whose_tokens_are_taken(
    plane: ControlPlane, tmp_path: Path
) -> None:
    async with talking(plane.kubeconfig, tmp_path) as talk:
        account = f"/api/v1/namespaces/{talk.namespace}/serviceaccounts/default"
        wait_until(lambda: plane.has(account), "the namespace has its service account", 10)
        token = await made_token(talk)
        kubeconfig = plane.keys.kubeconfig("account.kubeconfig", plane.url, token=token)
        client = Client(load(kubeconfig))
        with pytest.raises(ApiError) as refused:
            await client.get(SERVICE_ACCOUNTS, talk.namespace, "default")
        await client.close()
        assert f"system:serviceaccount:{talk.namespace}:default" in refused.value.message


async def test_a_cache_follows_the_server_through_its_restart(plane: ControlPlane) -> None:
    client = Client(load(plane.kubeconfig))
    cache = Cache(client, CONFIG_MAPS, namespaces=["kube-public"])
    following = asyncio.create_task(cache.run())
    await until(lambda: cache.is_live, 20)
    await asyncio.to_thread(plane.api_server.stop)
    await until(lambda: not cache.is_live, 20)
    # In this thread, with which the process would end.
    plane.api_server.start()
    await client.create(CONFIG_MAPS, "kube-public", {"metadata": {"name": "late"}})
    await until(lambda: cache.get("kube-public", "late") is not None, 30)
    await client.delete(CONFIG_MAPS, "kube-public", "late")
    following.cancel()
    await asyncio.wait([following])
    await client.close()


async def test_a_cache_lists_again_where_the_server_has_forgotten_its_version(tmp_path: Path) -> None:
    with ControlPlane() as plane:
        client = Client(load(plane.kubeconfig))
        cache = Cache(client, CONFIG_MAPS, namespaces=["default"])
        following = asyncio.create_task(cache.run())
        await until(lambda: cache.is_live, 20)
        (part,) = cache.parts
        seen = part.resource_version
        async with talking(plane.kubeconfig, tmp_path) as talk:
            maps = talk.path("configmaps")
            await talk.made(maps, {"metadata": {"name": "elsewhere"}})
            # In this thread, with which the process would end.
            plane.forget()
            async with talk.watching(maps, resourceVersion=seen) as stream:
                event = await stream.next()
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
            answer = await talk.get(maps, resourceVersion=seen, resourceVersionMatch="Exact")
            assert (answer.status, answer.reason) == (410, "Expired")
            await talk.made("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "new"}})
            await until(lambda: cache.get("default", "new") is not None, 30)
        with pytest.raises(ApiError) as refused:
            await anext(aiter(client.watch(CONFIG_MAPS, "default", resource_version=seen)))
        assert refused.value.code == 410
        following.cancel()
        await asyncio.wait([following])
        await client.close()


async def made_token(talk: Talk) -> str:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await talk.made(talk.path("serviceaccounts", "default", subresource="token"), body)
    return str(made["status"]["token"])
