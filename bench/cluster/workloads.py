"""What is scaled, put onto a cluster many at a time, and followed there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from parts.installed_objects import deployment, scaled_job, scaled_object
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import DEPLOYMENTS, JOBS, SCALED_JOBS, SCALED_OBJECTS, Resource

AT_ONCE = 24
PATIENCE_S = 900.0

Object = dict[str, Any]


class Follower:
    """Sees changes of one kind in a namespace, each with the moment at which it was seen."""

    def __init__(self, client: Client, resource: Resource, namespace: str) -> None:
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self.latest: dict[str, Object] = {}
        self.seen_s: dict[str, float] = {}
        self._news = asyncio.Event()

    async def run(self, version: str) -> None:
        """From a version on, until cancelled."""
        while True:
            watch = self._client.watch(self._resource, self._namespace, resource_version=version)
            async for event in watch:
                body = event.object
                version = body["metadata"]["resourceVersion"]
                if event.type in ("ADDED", "MODIFIED"):
                    name = body["metadata"]["name"]
                    self.latest[name], self.seen_s[name] = body, time.monotonic()
                    self._news.set()

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > deadline_s:
                raise SystemExit(f"not within {PATIENCE_S:g} s: {what}")
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._news.wait()
            self._news.clear()


class Cluster:
    """The administrator's view of the namespace."""

    def __init__(self, client: Client, namespace: str, queue: str) -> None:
        self.client = client
        self.namespace = namespace
        self._queue = queue

    async def deployments(self, names: Iterable[str]) -> None:
        await self._create(DEPLOYMENTS, (deployment(name) for name in names))

    async def scaled_objects(self, names: Iterable[str]) -> None:
        await self._create(SCALED_OBJECTS, (scaled_object(name, self._queue) for name in names))

    async def scaled_job(self, name: str, most: int) -> None:
        body = scaled_job(name, self._queue, maxReplicaCount=most)
        await self.client.create(SCALED_JOBS, self.namespace, body)

    async def keep_one(self, names: Iterable[str]) -> None:
        """From now on each has a worker, and an HPA that asks."""
        patch = {"spec": {"minReplicaCount": 1}}
        await at_once(self.client.patch(SCALED_OBJECTS, self.namespace, name, patch) for name in names)

    async def jobs(self) -> int:
        return len((await self.client.list(JOBS, self.namespace)).items)

    async def until_jobs(self, count: int) -> None:
        """Returns when there are so many."""
        async with self.following(JOBS) as follower:
            there = await self.jobs()
            await follower.until(lambda: there + len(follower.latest) >= count, f"{count} Jobs")

    @asynccontextmanager
    async def following(self, resource: Resource) -> AsyncIterator[Follower]:
        follower = Follower(self.client, resource, self.namespace)
        version = (await self.client.list(resource, self.namespace)).resource_version
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(follower.run(version))
            yield follower
            task.cancel()

    async def _create(self, resource: Resource, bodies: Iterable[Object]) -> None:
        await at_once(self.client.create(resource, self.namespace, body) for body in bodies)


async def at_once(work: Iterable[Awaitable[Any]]) -> None:
    """All of it, so many at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(job: Awaitable[Any]) -> None:
        async with room:
            await job

    await asyncio.gather(*map(one, work))


@asynccontextmanager
async def cluster(kubeconfig: Path, namespace: str, queue: str) -> AsyncIterator[Cluster]:
    client = Client(load(kubeconfig))
    try:
        yield Cluster(client, namespace, queue)
    finally:
        await client.close()


def is_ready(body: Object) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
