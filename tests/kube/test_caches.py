"""A cache follows the server through everything a server does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from parts.tinyapi import TinyApi, serving, status
from parts.waiting import until
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.config import Config
from tidegate.kube.resource import PODS

POD = "/api/v1/namespaces/default/pods"


@asynccontextmanager
async def following(client, **options):
    """A running, synced cache and the record of its changes by name."""
    cache = Cache(client, PODS, **options)
    changes = []
    cache.subscribe(lambda old, new: changes.append((_name(old), _name(new))))
    task = asyncio.create_task(cache.run())
    try:
        async with asyncio.timeout(2):
            await cache.synced()
        yield cache, changes
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


def _name(pod):
    return pod["metadata"]["name"] if pod is not None else None


def names(pods):
    return sorted(_name(pod) for pod in pods)


def truth(api):
    return {path.split("/")[-1]: body for path, body in api.objects.items()}


def shown(cache):
    return {_name(pod): pod for pod in cache.list()}


async def test_it_shows_the_list_and_then_every_change(api, client):
    api.put(f"{POD}/a")
    async with following(client) as (cache, changes):
        assert cache.is_synced
        assert names(cache.list()) == ["a"]
        api.put(f"{POD}/b")
        api.put(f"{POD}/a", spec={"x": 2})
        api.drop(f"{POD}/b")
        await until(lambda: len(changes) == 4)
        assert changes == [(None, "a"), (None, "b"), ("a", "a"), ("b", None)]
        assert cache.get("default", "a")["spec"] == {"x": 2}
        assert cache.get("default", "b") is None
        assert shown(cache) == truth(api)


async def test_it_is_not_synced_before_the_list_is_whole(api, client):
    gate = asyncio.Event()

    async def wait(request):
        if request.query.get("continue"):
            await gate.wait()

    for n in range(501):
        api.put(f"{POD}/p{n:03}")
    api.refuse = wait
    cache = Cache(client, PODS)
    task = asyncio.create_task(cache.run())
    await until(lambda: len(cache.list()) == 500)
    assert not cache.is_synced
    gate.set()
    await until(lambda: cache.is_synced)
    assert len(cache.list()) == 501
    task.cancel()
    await asyncio.wait([task])


async def test_it_finds_by_label_and_by_owner_and_follows_their_changes(api, client):
    def put(name, app, *owners):
        references = [{"uid": uid, "kind": "Job"} for uid in owners]
        api.put(f"{POD}/{name}", metadata={"labels": {"app": app}, "ownerReferences": references})

    put("a", "web", "u1")
    put("b", "web", "u1", "u2")
    put("c", "db")
    async with following(client) as (cache, changes):
        assert names(cache.by_label("app", "web")) == ["a", "b"]
        assert names(cache.by_owner("u1")) == ["a", "b"]
        assert cache.by_label("app", "none") == cache.by_label("none", "web") == cache.by_owner("u9") == []
        put("a", "db", "u2")
        api.drop(f"{POD}/b")
        put("d", "web")
        await until(lambda: len(changes) == 6)
        assert names(cache.by_label("app", "web")) == ["d"]
        assert names(cache.by_label("app", "db")) == ["a", "c"]
        assert names(cache.by_owner("u1")) == []
        assert names(cache.by_owner("u2")) == ["a"]


async def test_a_namespace_narrows_a_list(api, client):
    api.put(f"{POD}/a")
    api.put("/api/v1/namespaces/other/pods/a")
    async with following(client) as (cache, _):
        assert len(cache.list()) == 2
        assert [pod["metadata"]["namespace"] for pod in cache.list("other")] == ["other"]


async def test_when_a_watch_ends_it_goes_on_from_where_it_was_without_listing(api, client):
    api.put(f"{POD}/a")
    async with following(client) as (cache, changes):
        await until(lambda: cache.is_live)
        api.put(f"{POD}/b")
        await until(lambda: len(changes) == 2)
        api.end_watches()
        api.put(f"{POD}/c")
        await until(lambda: len(changes) == 3)
        assert changes == [(None, "a"), (None, "b"), (None, "c")]
        assert len([1 for _, _, query, _ in api.requests if "watch" not in query]) == 1


async def test_when_its_version_is_too_old_it_lists_again_and_tells_only_what_differs(api, client):
    api.put(f"{POD}/same")
    api.put(f"{POD}/changed")
    api.put(f"{POD}/gone")
    async with following(client) as (cache, changes):
        await until(lambda: cache.is_live)

        async def refuse(request):
            if request.query.get("watch"):
                return web.json_response(status(410, "Expired", "too old"), status=410)
            return None

        api.refuse = refuse
        api.end_watches()
        await until(lambda: not cache.is_live)
        api.put(f"{POD}/changed", spec={"x": 1})
        api.drop(f"{POD}/gone")
        api.put(f"{POD}/new")
        api.forget_history()
        changes.clear()
        api.refuse = None
        await until(lambda: cache.is_live and len(changes) == 3)
        assert sorted(changes, key=str) == [("changed", "changed"), ("gone", None), (None, "new")]
        assert shown(cache) == truth(api)


async def test_a_namesake_is_another_object(api, client):
    api.put(f"{POD}/a", metadata={"uid": "one"})
    async with following(client) as (cache, changes):
        await until(lambda: cache.is_live)
        api.drop(f"{POD}/a")
        api.put(f"{POD}/a", metadata={"uid": "two"})
        api.forget_history()
        api.end_watches()
        await until(lambda: len(changes) == 3)
        assert changes == [(None, "a"), ("a", None), (None, "a")]
        assert cache.get("default", "a")["metadata"]["uid"] == "two"


async def test_it_survives_the_loss_of_its_server_and_keeps_what_it_knew():
    api = TinyApi()
    api.put(f"{POD}/a")
    client = None
    try:
        async with serving(api) as port:
            client = Client(Config(api.url))
            cache = Cache(client, PODS)
            task = asyncio.create_task(cache.run())
            await until(lambda: cache.is_live)
            assert cache.away is None
        await until(lambda: cache.away is not None and bool(cache.away.failure))
        assert not cache.is_live
        assert cache.is_synced
        assert names(cache.list()) == ["a"]
        returned = []
        cache.on_return = returned.append
        async with serving(api, port):
            api.put(f"{POD}/b")
            await until(lambda: names(cache.list()) == ["a", "b"])
            assert cache.is_live
            assert cache.away is None
            assert [away_s > 0 for away_s in returned] == [True]
            task.cancel()
            await asyncio.wait([task])
    finally:
        if client is not None:
            await client.close()


async def test_a_bookmark_moves_the_version_on(api, client):
    async with following(client) as (cache, changes):
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "77"}}}
        api.extra_lines.append(json.dumps(bookmark).encode())
        api.changed.set()
        await until(lambda: cache.part("").resource_version == "77")
        assert changes == []


def _strict(raw):
    pod = json.loads(raw)
    if pod.get("spec") == "bad":
        raise ValueError("spec is not an object")
    return pod


async def test_one_bad_object_does_not_spoil_the_list_and_is_named(api, client):
    api.put(f"{POD}/a", spec={})
    api.put(f"{POD}/b", spec="bad")
    api.put(f"{POD}/c", spec={})
    async with following(client, decode=_strict) as (cache, _):
        assert names(cache.list()) == ["a", "c"]
        assert cache.bad == {("default", "b"): "spec is not an object"}
        api.put(f"{POD}/b", spec={})
        await until(lambda: names(cache.list()) == ["a", "b", "c"])
        assert cache.bad == {}


async def test_an_object_that_turns_bad_does_not_look_deleted(api, client):
    api.put(f"{POD}/a", spec={"x": 1})
    async with following(client, decode=_strict) as (cache, changes):
        api.put(f"{POD}/a", spec="bad")
        await until(lambda: cache.bad)
        assert cache.get("default", "a")["spec"] == {"x": 1}
        assert changes == [(None, "a")]
        api.drop(f"{POD}/a")
        await until(lambda: len(changes) == 2)
        assert cache.bad == {}


async def test_explicit_nulls_in_metadata_are_nothing(api, client):
    api.put(f"{POD}/a", metadata={"labels": None, "ownerReferences": None})
    async with following(client) as (cache, _):
        assert names(cache.list()) == ["a"]


@pytest.mark.parametrize("code", [403, 500])
async def test_a_refusal_is_logged_once_and_healed(api, client, caplog, code):
    caplog.set_level("INFO", logger="tidegate.kube.caching.following")

    async def refuse(request):
        return web.json_response(status(code, "Forbidden", "pods is forbidden"), status=code)

    api.refuse = refuse
    cache = Cache(client, PODS)
    task = asyncio.create_task(cache.run())
    await until(lambda: len(api.requests) >= 2)
    assert not cache.is_synced
    api.refuse = None
    await until(lambda: cache.is_live, 4)
    task.cancel()
    await asyncio.wait([task])
    assert [record.message for record in caplog.records] == [
        "cache lost its server",
        "cache found its server",
    ]


async def test_a_server_that_ends_every_watch_at_once_is_not_asked_in_a_busy_loop(api, client):
    async def end(request):
        return web.Response(text="") if request.query.get("watch") else None

    api.refuse = end
    async with following(client):
        await asyncio.sleep(0.4)
        assert len(api.requests) < 6
