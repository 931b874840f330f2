"""The manifests of `tests/migration/workloads.yaml`, with their Redis and the workloads they scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tidegate.kube.client import Client
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    DEPLOYMENTS,
    HPAS,
    JOBS,
    NAMESPACES,
    NODES,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    STATEFUL_SETS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)

Object = dict[str, Any]

FILE = Path(__file__).parents[1] / "migration/workloads.yaml"
NAMESPACE = "shop"
PASSWORD = "open-sesame"
LISTS = {"orders": 25, "crunch": 3}
KINDS = (
    NODES,
    NAMESPACES,
    SECRETS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    HPAS,
    JOBS,
    SCALED_OBJECTS,
    SCALED_JOBS,
    TRIGGER_AUTHENTICATIONS,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
)
BY_KIND = {one.kind: one for one in KINDS}
_BEFORE = {"restored": 3}


def manifests(redis: str) -> list[Object]:
    """All of them, the workloads first; `redis` is the address of the Redis."""
    read = [one for one in yaml.safe_load_all(FILE.read_text().replace("REDIS", redis)) if one]
    at = next(index for index, one in enumerate(read) if one["kind"] == "ScaledObject")
    return [*read[:at], *_targets(read), *read[at:]]


def _targets(read: list[Object]) -> list[Object]:
    scaled = [one for one in read if one["kind"] == "ScaledObject" and one["metadata"]["name"] != "lost"]
    return [_target(one["spec"]["scaleTargetRef"]) for one in scaled]


def _target(ref: Object) -> Object:
    name, kind = ref["name"], ref.get("kind", "Deployment")
    requests = {"cpu": "100m", "memory": "64Mi"}
    container = {"name": "main", "image": "busybox", "resources": {"requests": requests}}
    spec: Object = {
        "replicas": _BEFORE.get(name, 1),
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"nodeName": "nowhere", "containers": [container]},
        },
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }


async def created(client: Client, body: Object) -> Object:
    """The object as the server keeps it; one that is there already is left as it is."""
    resource, metadata = BY_KIND[body["kind"]], body["metadata"]
    namespace = metadata.get("namespace", "")
    try:
        return await client.create(resource, namespace, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return await client.get(resource, namespace, metadata["name"])


async def listed(client: Client, resource: Resource, namespace: str = NAMESPACE) -> dict[str, Object]:
    """The objects of a kind by name."""
    found = await client.list(resource, namespace if resource.is_namespaced else "")
    return {one["metadata"]["name"]: one for one in found.items}
