"""Manifests for programs that are installed on a cluster: a workload, and what scales it by a Redis list."""

from __future__ import annotations

from typing import Any

from parts.installed import Installed

Object = dict[str, Any]


def deployment(name: str) -> Object:
    """At zero; nobody runs its pods."""
    labels = {"app": name}
    container = {"name": "work", "image": "busybox"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def scaled_object(name: str, address: str, **spec: Any) -> Object:
    """Follows the list of its own name, every second."""
    metadata = {"address": address, "listName": name, "listLength": "5"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": 1,
            "cooldownPeriod": 1,
            "triggers": [{"type": "redis", "metadata": metadata}],
            **spec,
        },
    }


def replicas(installed: Installed, name: str) -> int:
    return int(installed.get("deployment", name)["spec"]["replicas"])


def rules(*, without: tuple[str, ...] = ()) -> list[Object]:
    """What KEDA's ClusterRole lets its operator do, but for these resources."""
    read, write = ["get", "list", "watch"], ["get", "list", "patch", "update", "watch"]
    rows = (
        ("", ("configmaps", "pods", "secrets", "services"), read),
        ("", ("limitranges", "serviceaccounts"), read),
        ("", ("events",), ["create", "patch"]),
        ("*", ("*",), ["get"]),
        ("*", ("*/scale",), write),
        ("apps", ("deployments", "replicasets", "statefulsets"), read),
        ("autoscaling", ("horizontalpodautoscalers",), ["*"]),
        ("batch", ("jobs",), ["*"]),
        ("coordination.k8s.io", ("leases",), ["*"]),
        ("discovery.k8s.io", ("endpointslices",), read),
        ("keda.sh", ("*",), write),
    )
    made = []
    for group, resources, verbs in rows:
        kept = [one for one in resources if one not in without]
        if kept:
            made.append({"apiGroups": [group], "resources": kept, "verbs": verbs})
    return made


def scaled_job(name: str, address: str, **spec: Any) -> Object:
    """Follows the list of its own name, every second; nobody runs its pods."""
    metadata = {"address": address, "listName": name, "listLength": "1"}
    container = {"name": "work", "image": "busybox"}
    pods = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": name},
        "spec": {
            "jobTargetRef": {"template": pods},
            "pollingInterval": 1,
            "maxReplicaCount": 3,
            "triggers": [{"type": "redis", "metadata": metadata}],
            **spec,
        },
    }
