"""The in-process door: `tidegate.local.objects.Objects` on the store and the verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from tidegate.kube.resource import EVENTS, ApiError, Resource
from tidegate.local.apiserver.kinds import Kind, Kinds, storage_key
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry
from tidegate.local.apiserver.writing import event_series
from tidegate.local.apiserver.writing.verbs import Deletion, Options, Target, Verbs
from tidegate.local.objects import Change, Object
from tidegate.runtime.clock import Clock

# Our own writers name only fields that exist: anything else is a mistake of ours, and said aloud.
_STRICT = Options(field_validation="Strict")


class LocalObjects:
    """See the protocol for what each method promises."""

    def __init__(self, store: Store, kinds: Kinds, verbs: Verbs, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._verbs = verbs
        self._clock = clock
        self._subscribers: dict[str, list[Callable[[Change], None]]] = {}
        self._resources: dict[str, Resource] = {}

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        row = self._store.get(storage_key(resource), (namespace, name))
        return row.parse() if row else None

    def list(
        self, resource: Resource, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        rows = self._store.rows(storage_key(resource), namespace)
        if labels:
            wanted = labels.items()
            rows = [row for row in rows if wanted <= row.labels.items()]
        return [row.parse() for row in rows]

    def owned(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        found = []
        for key, row in self._store.owned(uid):
            body = row.parse()
            found.append((self._resource(key, body), body))
        return found

    async def create(self, resource: Resource, body: Object) -> Object:
        copy = _copy(body)
        namespace = (copy.get("metadata") or {}).get("namespace") or ""
        written = await self._verbs.create(Target(self._kind(resource), namespace), copy, _STRICT)
        return _parse(written.body)

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        copy = _copy(body)
        meta = copy["metadata"]
        target = Target(self._kind(resource), meta.get("namespace") or "", meta["name"], subresource)
        return _parse((await self._verbs.update(target, copy, _STRICT)).body)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        target = Target(self._kind(resource), namespace, name, subresource)
        return _parse((await self._verbs.patch(target, "merge", _copy(patch), _STRICT)).body)

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
        target = Target(self._kind(resource), namespace, name)
        await self._verbs.delete(target, Deletion(propagation, grace_s, uid))

    def subscribe(self, resources: Iterable[Resource], on_change: Callable[[Change], None]) -> None:
        keys = []
        for resource in resources:
            key = storage_key(resource)
            self._resources[key] = resource
            self._subscribers.setdefault(key, []).append(on_change)
            keys.append(key)
        self._store.listen(keys, self._spread)

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        body = event_series.event_body(about, type, reason, message, source)
        meta, now = body["metadata"], self._clock.now()
        place = (meta["namespace"], meta["name"])
        known = self._store.newest(storage_key(EVENTS), place)
        try:
            if known is None:
                await self.create(EVENTS, event_series.first(body, now))
            else:
                await self.patch(EVENTS, *place, event_series.again(known.parse(), now))
        except ApiError as error:
            # A namespace that ends takes no news any more; nobody could read them there.
            if error.code not in (403, 404):
                raise

    def _spread(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            change = Change(
                entry.type,
                self._resources[entry.key],
                entry.row.parse(),
                entry.previous.parse() if entry.previous else None,
            )
            for on_change in self._subscribers[entry.key]:
                try:
                    on_change(change)
                except Exception as error:
                    # One reader's mistake must not keep the news from the others.
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": f"a subscriber to {entry.key} failed", "exception": error}
                    )

    def _kind(self, resource: Resource) -> Kind:
        kind = self._kinds.of(resource)
        if kind is None:
            raise ApiError(
                404,
                "NotFound",
                f"the server could not find the requested resource: {resource.path()}",
                {"group": resource.group, "kind": resource.plural},
            )
        return kind

    def _resource(self, key: str, body: Object) -> Resource:
        """The resource of a stored object, also when its definition is gone."""
        known = self._resources.get(key)
        if known is None:
            plural, _, group = key.partition(".")
            version = body["apiVersion"].rpartition("/")[2]
            is_namespaced = bool(body["metadata"].get("namespace"))
            known = self._resources[key] = Resource(group, version, plural, body["kind"], is_namespaced)
        return known


def _copy(body: Object) -> Object:
    return _parse(msgspec.json.encode(body))


def _parse(body: bytes) -> Object:
    copy: Object = msgspec.json.decode(body)
    return copy
