"""The operator's client and its caches with any API server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts.conversation import Talk
from parts.waiting import until
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.discovery import Discovery
from tidegate.kube.events import Events, News, Reference
from tidegate.kube.merge import guarded
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, EVENTS, SECRETS, ApiError
from tidegate.runtime.clock import SystemClock


def settings(name: str, **values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": values}


async def test_an_object_lives_its_life(talk: Talk, client: Client) -> None:
    created = await client.create(CONFIG_MAPS, talk.namespace, settings("a", x="1"))
    patched = await client.patch(CONFIG_MAPS, talk.namespace, "a", {"data": {"y": "2"}})
    assert patched["data"] == {"x": "1", "y": "2"}
    stale = guarded({"data": {"x": "3"}}, created["metadata"]["resourceVersion"])
    with pytest.raises(ApiError) as conflict:
        await client.patch(CONFIG_MAPS, talk.namespace, "a", stale)
    with pytest.raises(ApiError) as taken:
        await client.create(CONFIG_MAPS, talk.namespace, settings("a"))
    with pytest.raises(ApiError) as namesake:
        await client.delete(CONFIG_MAPS, talk.namespace, "a", uid="another")
    reasons = [caught.value.reason for caught in (conflict, taken, namesake)]
    assert reasons == ["Conflict", "AlreadyExists", "Conflict"]
    await client.delete(CONFIG_MAPS, talk.namespace, "a")
    with pytest.raises(ApiError) as gone:
        await client.get(CONFIG_MAPS, talk.namespace, "a")
    assert gone.value.reason == "NotFound"


async def test_a_list_of_several_pages_is_whole(talk: Talk, client: Client) -> None:
    for start in range(0, 520, 40):
        names = [f"c{n:03}" for n in range(start, start + 40)]
        bodies = [{"metadata": {"name": name}} for name in names]
        await asyncio.gather(*(client.create(SECRETS, talk.namespace, body) for body in bodies))
    listing = await client.list(SECRETS, talk.namespace)
    assert [item["metadata"]["name"] for item in listing.items] == [f"c{n:03}" for n in range(520)]


async def test_kinds_and_words_are_resolved(talk: Talk, client: Client) -> None:
    discovery = Discovery(client)
    assert (await discovery.served("apps/v1", "Deployment", "scale")).resource == DEPLOYMENTS
    assert (await discovery.named("cm")).resource == CONFIG_MAPS


async def test_repeated_news_is_one_event_with_a_count(talk: Talk, client: Client) -> None:
    about = Reference.of(await client.create(CONFIG_MAPS, talk.namespace, settings("a")))
    events = Events(client, SystemClock(), "tidegate")
    for _ in range(3):
        await events.emit(about, News("Warning", "Broken", "it broke"))
    (event,) = (await client.list(EVENTS, talk.namespace, fields="involvedObject.name=a")).items
    assert (event["reason"], event["count"]) == ("Broken", 3)


async def test_a_cache_follows_the_server(talk: Talk, client: Client) -> None:
    await client.create(SECRETS, talk.namespace, {"metadata": {"name": "a"}})
    cache = Cache(client, SECRETS, namespaces=[talk.namespace])
    following = asyncio.create_task(cache.run())
    await until(lambda: cache.is_live, 10)
    await client.create(SECRETS, talk.namespace, {"metadata": {"name": "b"}})
    await until(lambda: len(cache.list()) == 2, 10)
    await client.patch(SECRETS, talk.namespace, "b", {"metadata": {"labels": {"x": "y"}}})
    await until(lambda: "labels" in cache.get(talk.namespace, "b")["metadata"], 10)
    await client.delete(SECRETS, talk.namespace, "a")
    await until(lambda: cache.get(talk.namespace, "a") is None, 10)
    following.cancel()
    await asyncio.wait([following])
