"""The client and its caches against the embedded API: the counterpart they meet in local mode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from parts.waiting import until
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import SECRETS
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.http.server import Listen, Server
from tidegate.runtime.clock import SystemClock


class NoPods:
    """Nothing runs here."""


@asynccontextmanager
async def embedded(directory, port=0) -> AsyncIterator[Server]:
    plane = await open_plane(directory, SystemClock())
    server = Server(plane, NoPods(), directory, SystemClock(), Listen(port=port))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
        await plane.close()


def secret(name):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


async def test_a_cache_follows_the_server_through_its_restart(tmp_path):
    directory = tmp_path / "data"
    client = None
    async with embedded(directory) as server:
        port = int(server.url.rpartition(":")[2])
        client = Client(load(server.kubeconfig))
        await client.create(SECRETS, "default", secret("a"))
        cache = Cache(client, SECRETS, namespaces=["default"])
        following = asyncio.create_task(cache.run())
        await until(lambda: cache.is_live)
        await client.create(SECRETS, "default", secret("b"))
        await until(lambda: len(cache.list()) == 2)
        await client.delete(SECRETS, "default", "a")
        await until(lambda: cache.get("default", "a") is None)
    await until(lambda: not cache.is_live)
    async with embedded(directory, port):
        await client.create(SECRETS, "default", secret("c"))
        await until(lambda: cache.get("default", "c") is not None, 5)
        names = sorted(item["metadata"]["name"] for item in cache.list())
        assert names == ["b", "c"]
        following.cancel()
        await asyncio.wait([following])
        await client.close()
