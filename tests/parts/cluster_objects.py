"""`Objects` on the API of a cluster: reads from caches, writes over HTTP.

What the node and the controllers of local mode are given in place of the embedded API, so that a real API
server can judge them. A write returns once the cache shows it, as the protocol promises; changes come in the
order of their commits for each kind, not between kinds.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.resource import EVENTS, ApiError, Resource
from tidegate.local.apiserver.writing import event_series
from tidegate.local.objects import Change, Object

SEEN_S = 20.0
Result = TypeVar("Result")


class ClusterObjects:
    """Serves `kinds`: each with the namespace to which it is narrowed, "" for all. `run` follows the server.

    Until every kind has been listed once nothing is answered: an object not seen yet would look gone.
    """

    def __init__(self, client: Client, kinds: Mapping[Resource, str]) -> None:
        self._client = client
        self._caches: dict[Resource, Cache[Object]] = {
            resource: Cache(client, resource, decode=partial(_decoded, resource), namespaces=[namespace])
            for resource, namespace in kinds.items()
        }
        self._moved: dict[Resource, asyncio.Event] = {resource: asyncio.Event() for resource in kinds}
        for resource, cache in self._caches.items():
            cache.subscribe(partial(self._note, resource))
            cache.on_return = partial(self._note, resource)

    async def run(self) -> None:
        """Follows the server until cancelled."""
        async with asyncio.TaskGroup() as group:
            for cache in self._caches.values():
                group.create_task(cache.run())

    async def synced(self) -> None:
        """Returns when everything is served."""
        await asyncio.gather(*(cache.synced() for cache in self._caches.values()))

    # --- reading

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return copy.deepcopy(self._cache(resource).get(namespace, name))

    def list(
        self, resource: Resource, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        found = self._cache(resource).list(namespace)
        if labels:
            found = [one for one in found if labels.items() <= (one["metadata"].get("labels") or {}).items()]
        return copy.deepcopy(sorted(found, key=_place))

    def owned(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        return [
            (resource, copy.deepcopy(one))
            for resource in self._caches
            for one in self._cache(resource).by_owner(uid)
        ]

    def subscribe(self, resources: Iterable[Resource], on_change: Callable[[Change], None]) -> None:
        for resource in resources:
            self._cache(resource).subscribe(partial(_tell, resource, on_change))

    # --- writing

    async def create(self, resource: Resource, body: Object) -> Object:
        namespace = (body.get("metadata") or {}).get("namespace") or ""
        return await self._written(resource, self._client.create(resource, namespace, body))

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        meta = body["metadata"]
        place = (meta.get("namespace") or "", meta["name"])
        return await self._written(resource, self._client.replace(resource, *place, body, subresource))

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        write = self._client.patch(resource, namespace, name, patch, subresource=subresource)
        return await self._written(resource, write)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        grace_s: int | None = None,
        uid: str = "",
    ) -> None:
        options: dict[str, Any] = {"propagation": propagation, "grace_s": grace_s, "uid": uid}
        before = self._cache(resource).get(namespace, name)
        left = await _answered(self._client.delete(resource, namespace, name, **options))
        if before is None:
            return
        # The server answers with a Status, or with the object: the last of it, or what something still holds.
        meta = left.get("metadata") or {}
        is_held = bool(meta.get("finalizers") or meta.get("deletionGracePeriodSeconds"))
        if is_held and left.get("kind") == resource.kind:
            await self._seen(resource, meta["resourceVersion"])
        else:
            await self._until(resource, lambda: not self._has(resource, before))

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        body = event_series.event_body(about, type, reason, message, source)
        meta, now = body["metadata"], self._client.clock.now()
        place = (meta["namespace"], meta["name"])
        try:
            try:
                known = await _answered(self._client.get(EVENTS, *place))
            except ApiError as error:
                if error.code != 404:
                    raise
                await _answered(self._client.create(EVENTS, place[0], event_series.first(body, now)))
            else:
                await _answered(self._client.patch(EVENTS, *place, event_series.again(known, now)))
        except ApiError as error:
            # A namespace that ends takes no news any more; nobody could read them there.
            if error.code not in (403, 404):
                raise

    # --- following

    async def _written(self, resource: Resource, write: Awaitable[Object]) -> Object:
        stored = await _answered(write)
        if resource in self._caches:
            await self._seen(resource, stored["metadata"]["resourceVersion"])
        return stored

    async def _seen(self, resource: Resource, version: str) -> None:
        """Returns when the cache has come as far as this version; a server's grow with each commit."""
        cache = self._caches[resource]
        await self._until(
            resource, lambda: all(int(one.resource_version or 0) >= int(version) for one in cache.parts)
        )

    async def _until(self, resource: Resource, is_so: Callable[[], bool]) -> None:
        moved = self._moved[resource]
        try:
            async with asyncio.timeout(SEEN_S):
                while not is_so():
                    moved.clear()
                    await moved.wait()
        except TimeoutError as error:
            told = f"a write of {resource.plural} was accepted, and not seen for {SEEN_S:g} s"
            raise ApiError(504, "Timeout", told) from error

    def _note(self, resource: Resource, *_: object) -> None:
        self._moved[resource].set()

    def _has(self, resource: Resource, before: Object) -> bool:
        meta = before["metadata"]
        found = self._caches[resource].get(*_place(before))
        return found is not None and bool(found["metadata"]["uid"] == meta["uid"])

    def _cache(self, resource: Resource) -> Cache[Object]:
        cache = self._caches.get(resource)
        if cache is None:
            raise ApiError(404, "NotFound", f"{resource.plural} are not followed here")
        late = [one.resource.plural for one in self._caches.values() if not one.is_synced]
        if late:
            raise ApiError(503, "ServiceUnavailable", f"not listed yet: {', '.join(late)}")
        return cache


async def _answered(call: Awaitable[Result]) -> Result:
    """ApiError, whatever kept the server from answering."""
    try:
        return await call
    except TidegateError as error:
        raise ApiError(503, "ServiceUnavailable", str(error)) from error


def _decoded(resource: Resource, raw: bytes) -> Object:
    """Items of lists do not say what they are."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **msgspec.json.decode(raw)}


def _place(found: Object) -> tuple[str, str]:
    return found["metadata"].get("namespace") or "", found["metadata"]["name"]


def _tell(
    resource: Resource, on_change: Callable[[Change], None], old: Object | None, new: Object | None
) -> None:
    if new is not None:
        on_change(Change("ADDED" if old is None else "MODIFIED", resource, new, old))
    elif old is not None:
        on_change(Change("DELETED", resource, old))
