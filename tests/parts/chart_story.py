"""What is done with a release of the chart: workloads, what scales them, a queue, and looks at all of it."""

from __future__ import annotations

from typing import Any

import redis

from parts.chart_cluster import NAMESPACE, ChartCluster
from parts.charts import Object

SHOP = "shop"
QUEUE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis, labels: {app: redis}}
spec:
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec: {containers: [{name: redis, image: redis, ports: [{containerPort: 6379}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {app: redis}, ports: [{port: 6379}]}
"""


def workload(kind: str, name: str) -> Object:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "work", "image": "busybox"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def listening(name: str, length: int = 5) -> Object:
    metadata = {"address": f"redis.{NAMESPACE}.svc:6379", "listName": name, "listLength": str(length)}
    return {"type": "redis", "metadata": metadata}


def scaled_object(name: str, kind: str, *triggers: Object, **more: Any) -> Object:
    spec = {
        "scaleTargetRef": {"name": name, "kind": kind, "apiVersion": "apps/v1"},
        "pollingInterval": 1,
        "cooldownPeriod": 1,
        "maxReplicaCount": 4,
        "triggers": list(triggers) or [listening(name)],
        **more,
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": spec,
    }


def scaled_job(name: str, **more: Any) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "work", "image": "busybox"}]}
    spec = {
        "pollingInterval": 1,
        "jobTargetRef": {"template": {"spec": pod}},
        "triggers": [listening(name, 1)],
        **more,
    }
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": name}, "spec": spec}


def claimed_job(name: str) -> Object:
    """One that claims: a body with a NUL comes to its Job as a file. Who deletes a Job waits for nothing."""
    job = scaled_job(name, maxReplicaCount=2)
    job["metadata"]["annotations"] = {"tidegate.dev/claim": "true"}
    job["spec"]["jobTargetRef"]["backoffLimit"] = 0
    job["spec"]["jobTargetRef"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0
    return job


class Story:
    """The cluster with the release, and the queue."""

    def __init__(self, cluster: ChartCluster) -> None:
        self.cluster = cluster

    def queue(self) -> redis.Redis:
        (pod,) = self.cluster.get("pods -l app=redis", NAMESPACE)["items"]
        return redis.Redis(pod["status"]["podIP"], 6379)

    def push(self, name: str, count: int) -> None:
        self.queue().rpush(name, *(str(number) for number in range(count)))

    def has(self, name: str, replicas: int, kind: str = "deployment", namespace: str = SHOP) -> bool:
        return bool(self.cluster.get(f"{kind} {name}", namespace)["spec"]["replicas"] == replicas)

    def is_ready(self, name: str, namespace: str = SHOP) -> bool:
        found = self.cluster.get(name, namespace).get("status", {}).get("conditions", [])
        return any((one["type"], one["status"]) == ("Ready", "True") for one in found)

    def pods(self, app: str) -> set[str]:
        items = self.cluster.get(f"pods -l app={app}", NAMESPACE)["items"]
        return {one["metadata"]["uid"] for one in items}

    def jobs(self, name: str) -> list[Object]:
        """Those of a ScaledJob that have not ended, by attempt."""
        found = self.cluster.get(f"jobs -l scaledjob.keda.sh/name={name}", SHOP)["items"]
        going = [one for one in found if not one["status"].get("completionTime")]
        return sorted(going, key=lambda one: one["metadata"]["labels"].get("tidegate.dev/attempt", ""))

    def succeeds(self, job: str) -> None:
        """Its pod ends, as a kubelet would tell."""
        (pod,) = self.cluster.get(f"pods -l job-name={job}", SHOP)["items"]
        status = '{"status": {"phase": "Succeeded"}}'
        words = ("patch", "pod", pod["metadata"]["name"], "-n", SHOP, "--subresource=status", "--type=merge")
        self.cluster.kubectl(*words, "-p", status)

    def held(self, name: str, namespace: str = SHOP) -> bool:
        return "finalizer.keda.sh" in (self.cluster.get(name, namespace)["metadata"].get("finalizers") or ())
