"""The client and its caches against the embedded API: the counterpart they meet in local mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parts.served import without_authorities
from parts.waiting import until
from tidegate.kube.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.discovery import Discovery
from tidegate.kube.events import Events, News, Reference
from tidegate.kube.merge import guarded
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, EVENTS, ApiError
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.http.server import Listen, Server
from tidegate.runtime.clock import SystemClock


class NoPods:
    """Nothing runs here."""


@asynccontextmanager
async def embedded(directory, port=0) -> AsyncIterator[Server]:
    plane = await without_authorities(await open_plane(directory, SystemClock()))
    server = Server(plane, NoPods(), directory, SystemClock(), Listen(port=port))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await plane.close()


@pytest.fixture
async def client(tmp_path) -> AsyncIterator[Client]:
    async with embedded(tmp_path / "data") as server:
        made = Client(load(server.kubeconfig))
        yield made
        await made.close()


def settings(name, **values):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


async def test_an_object_lives_its_life(client):
    created = await client.create(CONFIG_MAPS, "default", settings("a", x="1"))
    patched = await client.patch(CONFIG_MAPS, "default", "a", {"data": {"y": "2"}})
    assert patched["data"] == {"x": "1", "y": "2"}
    stale = guarded({"data": {"x": "3"}}, created["metadata"]["resourceVersion"])
    with pytest.raises(ApiError) as conflict:
        await client.patch(CONFIG_MAPS, "default", "a", stale)
    with pytest.raises(ApiError) as taken:
        await client.create(CONFIG_MAPS, "default", settings("a"))
    with pytest.raises(ApiError) as namesake:
        await client.delete(CONFIG_MAPS, "default", "a", uid="another")
    reasons = [caught.value.reason for caught in (conflict, taken, namesake)]
    assert reasons == ["Conflict", "AlreadyExists", "Conflict"]
    await client.delete(CONFIG_MAPS, "default", "a")
    with pytest.raises(ApiError) as gone:
        await client.get(CONFIG_MAPS, "default", "a")
    assert gone.value.reason == "NotFound"


async def test_a_list_of_several_pages_is_whole(client):
    for start in range(0, 520, 40):
        names = [f"c{n:03}" for n in range(start, start + 40)]
        await asyncio.gather(*(client.create(CONFIG_MAPS, "default", settings(name)) for name in names))
    listing = await client.list(CONFIG_MAPS, "default")
    assert [item["metadata"]["name"] for item in listing.items] == [f"c{n:03}" for n in range(520)]


async def test_a_cache_follows_the_server_through_its_restart(tmp_path):
    directory = tmp_path / "data"
    client = None
    async with embedded(directory) as server:
        port = int(server.url.rpartition(":")[2])
        client = Client(load(server.kubeconfig))
        await client.create(CONFIG_MAPS, "default", settings("a", x="1"))
        cache = Cache(client, CONFIG_MAPS, namespace="default")
        following = asyncio.create_task(cache.run())
        await until(lambda: cache.is_live)
        await client.create(CONFIG_MAPS, "default", settings("b"))
        await until(lambda: len(cache.list()) == 2)
        await client.delete(CONFIG_MAPS, "default", "a")
        await until(lambda: cache.get("default", "a") is None)
    await until(lambda: not cache.is_live)
    async with embedded(directory, port):
        await client.create(CONFIG_MAPS, "default", settings("c"))
        await until(lambda: cache.get("default", "c") is not None, 5)
        names = sorted(item["metadata"]["name"] for item in cache.list())
        assert names == ["b", "c"]
        following.cancel()
        await asyncio.wait([following])
        await client.close()


async def test_kinds_and_words_are_resolved(client):
    discovery = Discovery(client)
    assert (await discovery.served("apps/v1", "Deployment", "scale")).resource == DEPLOYMENTS
    assert (await discovery.named("cm")).resource == CONFIG_MAPS


async def test_repeated_news_is_one_event_with_a_count(client):
    about = Reference.of(await client.create(CONFIG_MAPS, "default", settings("a")))
    events = Events(client, SystemClock(), "tidegate")
    for _ in range(3):
        await events.emit(about, News("Warning", "Broken", "it broke"))
    (event,) = (await client.list(EVENTS, "default", fields="involvedObject.name=a")).items
    assert (event["reason"], event["count"]) == ("Broken", 3)
