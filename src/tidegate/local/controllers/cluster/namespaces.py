"""Namespaces: a default ServiceAccount in each, and nothing left in one that goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tidegate.kube.resource import NAMESPACES, SERVICE_ACCOUNTS, ApiError, Resource
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.controllers.pod_control import each
from tidegate.local.objects import Change, Object, Objects

# Pods take their grace period to end; asking again is cheaper than following every kind.
POLL_S = 0.5
OURS = "kubernetes"
DEFAULT = "default"


class Namespaces:
    """The namespace controller over all kinds that `kinds()` lists now."""

    def __init__(self, objects: Objects, kinds: Callable[[], Iterable[Resource]]) -> None:
        self.objects = objects
        self.kinds = kinds

    def resources(self) -> Iterable[Resource]:
        return (NAMESPACES, SERVICE_ACCOUNTS)

    def keys(self, change: Change) -> Iterable[str]:
        meta = change.object["metadata"]
        if change.resource == NAMESPACES:
            return [meta["name"]]
        return [meta["namespace"]] if meta["name"] == DEFAULT else []

    async def reconcile(self, key: str) -> float | None:
        found = self.objects.get(NAMESPACES, "", key)
        if found is not None and not is_deleting(found):
            await self._ensure_account(key)
            return None
        # Also when it is gone already: nothing may live in a namespace that is not there.
        if await self._empty(key):
            return POLL_S
        if found is None:
            return None
        spec = found.get("spec") or {}
        kept = [one for one in spec.get("finalizers") or [] if one != OURS]
        if kept != spec.get("finalizers"):
            released = {**found, "spec": {**spec, "finalizers": kept}}
            await self.objects.update(NAMESPACES, released, subresource="finalize")
        return None

    async def _empty(self, namespace: str) -> bool:
        """Deletes everything in the namespace; whether something was left to delete."""
        left = [
            (kind, one)
            for kind in self.kinds()
            if kind.is_namespaced
            for one in self.objects.list(kind, namespace)
        ]
        await each([(kind, one) for kind, one in left if not is_deleting(one)], self._delete)
        return bool(left)

    async def _ensure_account(self, namespace: str) -> None:
        if self.objects.get(SERVICE_ACCOUNTS, namespace, DEFAULT) is None:
            body: Object = {
                "apiVersion": SERVICE_ACCOUNTS.api_version,
                "kind": SERVICE_ACCOUNTS.kind,
                "metadata": {"name": DEFAULT, "namespace": namespace},
            }
            await self.objects.create(SERVICE_ACCOUNTS, body)

    async def _delete(self, item: tuple[Resource, Object]) -> None:
        resource, found = item
        try:
            await self.objects.delete(resource, *key_of(found), uid=found["metadata"]["uid"])
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
