"""Garbage collection: objects whose owners are gone, and the two ways to delete an owner that wait.

An object dies when it names owners and none of them lives. An owner "lives" when the object of that
kind, name and namespace has that very uid. Owners seen to go are believed at once; owners that were
never seen only after `DELAY_S`, since a client may create the child first.

Foreground: the owner stays until the dependants that block it are gone. Orphan: it stays until none
names it any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tidegate.kube.resource import CRDS, EVENTS, ApiError, Resource
from tidegate.local.controllers.owner_references import is_deleting, key_of, references
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

Place = tuple[Resource, str, str]
"""Resource, namespace and name of one object."""

DELAY_S = 5.0
REMEMBERED = 10_000
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Garbage:
    """The garbage collector over all kinds that `kinds()` lists now."""

    def __init__(self, objects: Objects, clock: Clock, kinds: Callable[[], Iterable[Resource]]) -> None:
        self.objects = objects
        self.clock = clock
        self.kinds = kinds
        self._gone: OrderedDict[str, None] = OrderedDict()
        self._suspected: dict[str, float] = {}

    def resources(self) -> Iterable[Resource]:
        # Kinds are followed as they come and go; their definitions tell when.
        return [CRDS, *(one for one in self.kinds() if one not in (CRDS, EVENTS))]

    def keys(self, change: Change) -> Iterable[Place]:
        found = change.object
        if change.type == "DELETED":
            return self._after_deletion(change)
        if not _is_news(change):
            return []
        keys = [(change.resource, *key_of(found))] if references(found) or is_deleting(found) else []
        if change.previous is not None and references(change.previous) != references(found):
            keys += self._owners(change.previous)
        return keys

    def _after_deletion(self, change: Change) -> list[Place]:
        uid = change.object["metadata"]["uid"]
        self._suspected.pop(uid, None)
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        dependants = [(resource, *key_of(one)) for resource, one in self.objects.owned(uid)]
        return [*dependants, *self._owners(change.object)]

    def _owners(self, found: Object) -> list[Place]:
        """Owners that may wait for `found` to go."""
        places = []
        for ref in references(found):
            resource = self._resource(ref)
            if resource is not None:
                places.append(_place(resource, found, ref))
        return places

    async def reconcile(self, key: Place) -> float | None:
        resource, namespace, name = key
        found = self.objects.get(resource, namespace, name)
        if found is None:
            return None
        if is_deleting(found):
            return await self._let_go(resource, found)
        return await self._judge(resource, found)

    async def _let_go(self, resource: Resource, found: Object) -> float | None:
        """What a waiting owner needs: its dependants deleted, or freed of it."""
        finalizers = found["metadata"].get("finalizers") or []
        if ORPHAN in finalizers:
            await self._orphan(found)
            await self._drop_finalizer(resource, found, ORPHAN)
        elif FOREGROUND in finalizers:
            dependants = self.objects.owned(found["metadata"]["uid"])
            for kind, one in dependants:
                if not is_deleting(one):
                    await self._judge(kind, one)
            if not any(_blocks(one, found) for _, one in dependants):
                await self._drop_finalizer(resource, found, FOREGROUND)
        return None

    async def _orphan(self, found: Object) -> None:
        uid = found["metadata"]["uid"]
        for kind, one in self.objects.owned(uid):
            await self._keep_owners(kind, one, [ref for ref in references(one) if ref["uid"] != uid])

    async def _drop_finalizer(self, resource: Resource, found: Object, finalizer: str) -> None:
        metadata = found["metadata"]
        kept = [one for one in metadata["finalizers"] if one != finalizer]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "finalizers": kept}}
        await self.objects.patch(resource, *key_of(found), patch)

    async def _judge(self, resource: Resource, found: Object) -> float | None:
        """Deletes `found` when no owner is left to it."""
        living, waiting, gone, unknown = [], [], [], []
        for ref in references(found):
            owner = self._owner(found, ref)
            if owner is None:
                unknown.append(ref)
            elif not owner:
                gone.append(ref)
            elif is_deleting(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or []):
                waiting.append(ref)
            else:
                living.append(ref)
        if not gone:
            self._suspected.pop(found["metadata"]["uid"], None)
        if living or unknown:
            ended = [*gone, *waiting]
            if ended and self._is_certain(found, gone):
                await self._keep_owners(
                    resource, found, [one for one in references(found) if one not in ended]
                )
                return None
            return self._wait_s(found) if gone else None
        if not gone and not waiting:
            return None
        if not self._is_certain(found, gone):
            return self._wait_s(found)
        await self._delete(resource, found, is_waited_for=bool(waiting))
        return None

    def _owner(self, found: Object, ref: dict[str, Any]) -> Object | None:
        """The owner; {} when there is none such; None when that cannot be known (kind not served)."""
        if ref["uid"] in self._gone:
            return {}
        resource = self._resource(ref)
        if resource is None:
            return None
        owner = self.objects.get(*_place(resource, found, ref))
        return owner if owner is not None and owner["metadata"]["uid"] == ref["uid"] else {}

    def _resource(self, ref: dict[str, Any]) -> Resource | None:
        group = ref.get("apiVersion", "").rpartition("/")[0]
        return next((one for one in self.kinds() if (one.group, one.kind) == (group, ref.get("kind"))), None)

    def _is_certain(self, found: Object, gone: Sequence[dict[str, Any]]) -> bool:
        """Whether the owners that are not there were seen to go, or have been missing for long enough."""
        uid = found["metadata"]["uid"]
        if all(ref["uid"] in self._gone for ref in gone):
            self._suspected.pop(uid, None)
            return True
        since = self._suspected.setdefault(uid, self.clock.monotonic())
        if self.clock.monotonic() - since < DELAY_S:
            return False
        self._suspected.pop(uid, None)
        return True

    def _wait_s(self, found: Object) -> float:
        since = self._suspected[found["metadata"]["uid"]]
        return max(since + DELAY_S - self.clock.monotonic(), 0.01)

    async def _keep_owners(self, resource: Resource, found: Object, kept: list[dict[str, Any]]) -> None:
        metadata = found["metadata"]
        patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": kept}}
        try:
            await self.objects.patch(resource, *key_of(found), patch)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    async def _delete(self, resource: Resource, found: Object, *, is_waited_for: bool) -> None:
        """In the foreground for an owner that waits and when it has dependants of its own to wait for."""
        uid = found["metadata"]["uid"]
        finalizers = found["metadata"].get("finalizers") or []
        has_blockers = any(_blocks(one, found) for _, one in self.objects.owned(uid))
        is_foreground = FOREGROUND in finalizers or (is_waited_for and has_blockers)
        try:
            await self.objects.delete(
                resource,
                *key_of(found),
                propagation="Foreground" if is_foreground else "Background",
                uid=uid,
            )
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def _place(resource: Resource, dependant: Object, ref: dict[str, Any]) -> Place:
    """Where the owner would be: in the dependant's namespace, unless its kind is cluster-scoped."""
    namespace = dependant["metadata"].get("namespace", "") if resource.is_namespaced else ""
    return resource, str(namespace), str(ref["name"])


def _blocks(dependant: Object, owner: Object) -> bool:
    uid = owner["metadata"]["uid"]
    return any(ref["uid"] == uid and ref.get("blockOwnerDeletion") for ref in references(dependant))


def _is_news(change: Change) -> bool:
    """Whether owners, finalizers or the mark of deletion changed: nothing else matters here."""
    if change.previous is None:
        return True
    new, old = change.object["metadata"], change.previous["metadata"]
    fields = ("ownerReferences", "finalizers", "deletionTimestamp")
    return any(new.get(field) != old.get(field) for field in fields)
