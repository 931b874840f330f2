"""`tidegate.kube.client.Client` without a network: the verbs on `MemoryObjects`, and all that may go wrong.

Watches show a change `lag_s` later; a list takes `list_s`. `before` runs ahead of every write and may
change the world or raise; a write named in `lost` is carried out, but its answer never comes. Discovery
meets `undiscovered`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from parts.memory_objects import MemoryObjects, scale_of
from tidegate.base.errors import Unreachable
from tidegate.base.selectors import parse_selector
from tidegate.kube.client import MERGE, Listing, Page
from tidegate.kube.resource import (
    CLOUD_EVENT_SOURCES,
    CLUSTER_CLOUD_EVENT_SOURCES,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    HPAS,
    JOBS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    SERVICE_ACCOUNTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.kube.watching import WatchEvent
from tidegate.local.objects import Change
from tidegate.runtime.clock import Clock

Object = dict[str, Any]
KEDA = (SCALED_OBJECTS, SCALED_JOBS, TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
EVENTING = (CLOUD_EVENT_SOURCES, CLUSTER_CLOUD_EVENT_SOURCES)
WORKLOADS = (DEPLOYMENTS, JOBS, PODS, HPAS, ENDPOINT_SLICES)
SERVED = (*KEDA, *EVENTING, *WORKLOADS, SECRETS, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS)


@dataclass(frozen=True, slots=True)
class Write:
    """A request that changes something."""

    verb: str
    resource: Resource
    name: str
    subresource: str = ""
    body: Any = None


async def nothing(write: Write) -> None:
    """Lets every write through."""


class MemoryClient:
    def __init__(self, objects: MemoryObjects, clock: Clock, served: tuple[Resource, ...] = SERVED) -> None:
        self.objects = objects
        self.clock = clock
        self.served = served
        self.writes: list[Write] = []
        self.before: Callable[[Write], Awaitable[None]] = nothing
        self.lost: Callable[[Write], bool] = lambda write: False
        self.unlisted: set[Resource] = set()
        self.undiscovered: Exception | None = None
        self.is_away = False
        self.lag_s = 0.0
        self.list_s = 0.0
        self._log: list[tuple[float, int, str, Resource, bytes]] = []
        self._news = asyncio.Event()
        objects.subscribe(served, self._record)

    def forbid(self, resource: Resource) -> None:
        """The kind may not be listed any more, and its watches end."""
        self.unlisted.add(resource)
        self._news.set()

    def leave(self) -> None:
        """Nobody answers any more, until `come_back`."""
        self.is_away = True
        self._news.set()

    def come_back(self) -> None:
        self.is_away = False

    def _check(self) -> None:
        if self.is_away:
            raise Unreachable("ask the API server", answer="connection refused")

    async def close(self) -> None:
        """Nothing is open."""

    def _record(self, change: Change) -> None:
        raw = msgspec.json.encode(change.object)
        version = int(change.object["metadata"]["resourceVersion"])
        self._log.append((self.clock.monotonic(), version, change.type, change.resource, raw))
        self._news.set()

    # --- reading

    async def request(self, method: str, path: str, **_: Any) -> bytes:
        """Discovery: the resources of one group and version."""
        self._check()
        if self.undiscovered is not None:
            raise self.undiscovered
        api_version = path.removeprefix("/apis/").removeprefix("/api/")
        found = [one for one in self.served if one.api_version == api_version]
        if not found:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        entries = [
            {"name": one.plural, "kind": one.kind, "namespaced": one.is_namespaced, "verbs": []}
            for one in found
        ]
        return msgspec.json.encode({"kind": "APIResourceList", "resources": entries})

    async def get(self, resource: Resource, namespace: str, name: str, *, subresource: str = "") -> Object:
        await asyncio.sleep(0)
        self._check()
        found = self.objects.get(resource, namespace, name)
        if found is None:
            raise ApiError(404, "NotFound", f'{resource.plural} "{name}" not found')
        return self._scale(resource, found) if subresource == "scale" else found

    async def list(self, resource: Resource, namespace: str = "", *, labels: str = "", **_: str) -> Listing:
        if resource in self.unlisted:
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        selector = parse_selector(labels)
        found = self.objects.list(resource, namespace)
        items = [one for one in found if selector.matches(one["metadata"].get("labels") or {})]
        return Listing(items, self._version())

    async def pages(self, resource: Resource, namespace: str = "", **_: str) -> AsyncGenerator[Page]:
        if resource in self.unlisted:
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        await asyncio.sleep(self.list_s)
        self._check()
        items = [msgspec.json.encode(one) for one in self.objects.list(resource, namespace)]
        yield Page(items, self._version())

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        resource_version: str = "",
        on_open: Callable[[], None] | None = None,
        **_: str,
    ) -> AsyncGenerator[WatchEvent]:
        self._check()
        if on_open is not None:
            on_open()
        seen, position = int(resource_version or 0), 0
        while True:
            while position < len(self._log):
                at_s, version, kind, changed, raw = self._log[position]
                position += 1
                if changed != resource or version <= seen:
                    continue
                await self.clock.sleep(at_s + self.lag_s - self.clock.monotonic())
                yield WatchEvent(kind, raw)
            await self._more(position)
            self._check()
            if resource in self.unlisted:
                raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")

    async def _more(self, position: int) -> None:
        if position >= len(self._log):
            self._news.clear()
            await self._news.wait()

    def _version(self) -> str:
        return str(self.objects.version)

    def _scale(self, resource: Resource, found: Object) -> Object:
        return scale_of(resource, found)

    # --- writing

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        write = Write("create", resource, body["metadata"]["name"], body=body)
        metadata = {**body["metadata"], **({"namespace": namespace} if namespace else {})}
        return await self._write(write, lambda: self.objects.create(resource, {**body, "metadata": metadata}))

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Object, subresource: str = ""
    ) -> Object:
        write = Write("replace", resource, name, subresource, body)
        return await self._write(write, lambda: self.objects.update(resource, body, subresource))

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE,
    ) -> Object:
        assert content_type == MERGE
        write = Write("patch", resource, name, subresource, patch)
        return await self._write(
            write, lambda: self.objects.patch(resource, namespace, name, patch, subresource)
        )

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, propagation: str = "", uid: str = ""
    ) -> Object:
        write = Write("delete", resource, name)
        wanted: dict[str, Any] = {"propagation": propagation} if propagation else {}
        wanted |= {"uid": uid} if uid else {}
        return (
            await self._write(write, lambda: self.objects.delete(resource, namespace, name, **wanted)) or {}
        )

    async def _write(self, write: Write, carry_out: Callable[[], Awaitable[Any]]) -> Any:
        self._check()
        self.writes.append(write)
        await self.before(write)
        result = await carry_out()
        if self.lost(write):
            raise Unreachable(f"{write.verb} {write.name}", answer="the connection was lost")
        return result
