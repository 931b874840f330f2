"""Objects of manifest files as a lookup, and what they lack as a list of what to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.cli.manifests.files import Document
    from tidegate.kube.resource import Resource


class ManifestLookup:
    """Objects of the files by place; what they lack is fetched from the cluster, if there is one."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._bodies = {_key(one.body): as_stored(one.body) for one in documents}
        self._fetched: dict[tuple[str, str, str], dict[str, Any] | None] = {}
        self.missing: list[tuple[Resource, str, str]] = []

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        key = (resource.kind, namespace if resource.is_namespaced else "", name)
        if key in self._bodies:
            return self._bodies[key]
        if key not in self._fetched:
            self.missing.append((resource, key[1], name))
        return self._fetched.get(key)

    def keep(self, resource: Resource, namespace: str, name: str, body: dict[str, Any] | None) -> None:
        self._fetched[(resource.kind, namespace, name)] = body


def _key(body: dict[str, Any]) -> tuple[str, str, str]:
    metadata = body["metadata"]
    kind = str(body["kind"])
    return (kind, "" if kind.startswith("Cluster") else metadata["namespace"], str(metadata.get("name", "")))


def as_stored(body: dict[str, Any]) -> dict[str, Any]:
    """A manifest as a server would keep it: stringData of a Secret is data."""
    import base64

    if body["kind"] != "Secret" or not body.get("stringData"):
        return body
    if not isinstance(body["stringData"], dict):
        return body
    plain = {key: base64.b64encode(str(text).encode()).decode() for key, text in body["stringData"].items()}
    return {**body, "data": {**(body.get("data") or {}), **plain}}
