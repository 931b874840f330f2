"""The ConfigMap of each namespace by which its pods check the certificate of the API: kept as it is to be."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.kube.resource import CONFIG_MAPS, NAMESPACES, Resource
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.objects import AUTHORITY, Change, Object, Objects


class RootAuthority:
    """`certificate` (PEM) is what the ConfigMaps hold."""

    def __init__(self, objects: Objects, certificate: str) -> None:
        self.objects = objects
        self._content = {"ca.crt": certificate}

    def resources(self) -> Iterable[Resource]:
        return (NAMESPACES, CONFIG_MAPS)

    def keys(self, change: Change) -> Iterable[str]:
        meta = change.object["metadata"]
        if change.resource == NAMESPACES:
            return [meta["name"]]
        return [meta["namespace"]] if meta["name"] == AUTHORITY else []

    async def reconcile(self, key: str) -> float | None:
        namespace = self.objects.get(NAMESPACES, "", key)
        if namespace is None or is_deleting(namespace):
            return None
        found = self.objects.get(CONFIG_MAPS, key, AUTHORITY)
        if found is None:
            meta = {"name": AUTHORITY, "namespace": key}
            body: Object = {
                "apiVersion": CONFIG_MAPS.api_version,
                "kind": CONFIG_MAPS.kind,
                "metadata": meta,
                "data": self._content,
            }
            await self.objects.create(CONFIG_MAPS, body)
        elif found.get("data") != self._content:
            await self.objects.update(CONFIG_MAPS, {**found, "data": self._content})
        return None
