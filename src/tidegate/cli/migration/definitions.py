"""KEDA's CustomResourceDefinitions and helm: who owns them, and who would delete them.

Helm deletes what its stored release has and its new one has not, unless the object in the cluster is
annotated to be kept (`helm upgrade`); at `helm uninstall` the stored manifest alone counts. With a definition
every object of its kind goes.

Source: Helm documentation, "Chart Development Tips and Tricks: Tell Helm Not To Uninstall a Resource";
helm.sh/helm/v3 (pkg/kube, pkg/action).
"""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass
from typing import Any

import yaml

from tidegate.kube.client import Client
from tidegate.kube.resource import CRDS, SECRETS

Object = dict[str, Any]
GROUPS = ("keda.sh", "eventing.keda.sh")
KEEP = "helm.sh/resource-policy"
RELEASE = "meta.helm.sh/release-name"
NAMESPACE = "meta.helm.sh/release-namespace"
MANAGED = "app.kubernetes.io/managed-by"


@dataclass(frozen=True, slots=True)
class Release:
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Definition:
    """One as it stands. `owner` is the helm release that it is annotated with."""

    name: str
    is_kept: bool
    owner: Release | None
    version: str

    def change(self, release: Release) -> Object:
        """The merge patch of metadata that keeps it, and gives it to that release; {} where both are so."""
        wanted = {KEEP: "keep", RELEASE: release.name, NAMESPACE: release.namespace}
        if self.is_kept and self.owner == release:
            return {}
        labels = {MANAGED: "Helm"}
        return {"annotations": wanted, "labels": labels, "resourceVersion": self.version}


async def definitions(client: Client) -> list[Definition]:
    """Those of KEDA's groups."""
    found = (await client.list(CRDS)).items
    return [_definition(one) for one in found if one["spec"]["group"] in GROUPS]


def _definition(body: Object) -> Definition:
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    name, namespace = annotations.get(RELEASE), annotations.get(NAMESPACE)
    owner = Release(name, namespace) if name and namespace else None
    is_kept = annotations.get(KEEP) == "keep"
    return Definition(metadata["name"], is_kept, owner, metadata["resourceVersion"])


async def adopt(client: Client, one: Definition, release: Release) -> None:
    """Keeps it and gives it to the release. Conflict where it has changed since it was read."""
    change = one.change(release)
    if change:
        await client.patch(CRDS, "", one.name, {"metadata": change})


async def deleted_with(client: Client, namespaces: set[str], owner: Release) -> dict[Release, list[str]]:
    """Which definitions `helm uninstall` of the releases there would delete, whatever they are annotated with
    now; those of `owner` are its own.

    Read from helm's own Secrets: the newest revision of each release.
    """
    newest: dict[Release, Object] = {}
    for namespace in sorted(namespaces):
        for secret in (await client.list(SECRETS, namespace, labels="owner=helm")).items:
            release = Release(secret["metadata"]["labels"].get("name", ""), namespace)
            if release not in newest or _revision(secret) > _revision(newest[release]):
                newest[release] = secret
    found = {release: _stored(secret) for release, secret in newest.items() if release != owner}
    return {release: names for release, names in found.items() if names}


def _revision(secret: Object) -> int:
    return int((secret["metadata"].get("labels") or {}).get("version") or 0)


def _stored(secret: Object) -> list[str]:
    """The definitions in a stored release that it does not say are kept."""
    text = gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"])))
    manifest = json.loads(text).get("manifest") or ""
    bodies = [one for one in yaml.safe_load_all(manifest) if one]
    return [
        one["metadata"]["name"]
        for one in bodies
        if one.get("kind") == CRDS.kind
        and (one.get("spec") or {}).get("group") in GROUPS
        and (one["metadata"].get("annotations") or {}).get(KEEP) != "keep"
    ]
