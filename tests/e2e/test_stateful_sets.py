"""StatefulSets end to end: scaled from nothing and back by a ScaledObject, and killed at any moment."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from parts.manifests import sleepers
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real]

SET = """
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 0
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: c
          image: busybox
          command: [sh, -c, "echo $(hostname) >> /files/names; trap exit TERM; while :; do sleep 0.1; done"]
          volumeMounts: [{name: files, mountPath: /files}]
  volumeClaimTemplates:
    - metadata: {name: files}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
SCALED = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: db}
spec:
  scaleTargetRef: {kind: StatefulSet, name: db}
  pollingInterval: 1
  cooldownPeriod: 1
  maxReplicaCount: 3
  advanced: {horizontalPodAutoscalerConfig: {behavior: {scaleDown: {stabilizationWindowSeconds: 0}}}}
  triggers:
    - type: kubernetes-workload
      metadata: {podSelector: "app=load", value: "2"}
"""


def pods(up: Up) -> list[str]:
    return [one["metadata"]["name"] for one in up.get("pods", "-l", "app=db")["items"]]


@pytest.mark.xdist_group("stateful")
def test_a_scaled_object_scales_it_from_nothing_to_three_and_back(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=sleepers("load", 0))
    up.kubectl("apply", "-f", "-", stdin=SET)
    up.kubectl("apply", "-f", "-", stdin=SCALED)
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/db", "--timeout=30s")
    assert pods(up) == []
    up.kubectl("scale", "deployment/load", "--replicas=6")
    up.until("three of them", lambda: pods(up) == ["db-0", "db-1", "db-2"])
    up.kubectl("rollout", "status", "statefulset/db", "--timeout=60s")
    ready = up.kubectl("get", "statefulset", "db", "--no-headers").split()
    assert ready[1] == "3/3"
    assert up.kubectl("exec", "db-2", "--", "cat", "/files/names").split() == ["db-2"]
    address = up.get("pod", "db-0")["status"]["podIP"]
    name = "import socket; print(socket.gethostbyname('db-0.db'))"
    assert up.kubectl("exec", "db-2", "--", "python3", "-c", name).split() == [address]
    up.kubectl("scale", "deployment/load", "--replicas=0")
    up.until("none of them", lambda: pods(up) == [])
    assert len(up.get("pvc")["items"]) == 3
    up.kubectl("delete", "scaledobject", "db")


@pytest.mark.xdist_group("stateful-crash")
def test_crashes_lose_and_double_neither_pods_nor_claims(tmp_path: Path) -> None:
    needs_kubectl()
    seed = int(os.environ.get("TIDEGATE_SEED", str(random.SystemRandom().randrange(10**6))))
    chance = random.Random(seed)
    print(f"seed {seed} (TIDEGATE_SEED={seed} repeats it)")
    up = Up(tmp_path / "state")
    up.start()
    try:
        up.kubectl("apply", "-f", "-", stdin=SET)
        for round in range(6):
            up.kubectl("scale", "statefulset/db", f"--replicas={(3, 1)[round % 2]}")
            up.kubectl("set", "env", "statefulset/db", f"ROUND={round}")
            time.sleep(chance.uniform(0.1, 1.5))
            up.kill()
            time.sleep(chance.choice((0.0, chance.uniform(0.0, 1.0))))
            up.start()
        up.kubectl("scale", "statefulset/db", "--replicas=3")
        up.kubectl("rollout", "status", "statefulset/db", "--timeout=90s")
        judge(up)
        up.kubectl("delete", "statefulset", "db")
        up.until("nothing of it is left but its claims", lambda: pods(up) == [])
        assert up.get("controllerrevisions")["items"] == []
    finally:
        if up.process is None:
            up.start()
        up.kubectl("delete", "statefulsets,pods,pvc", "--all", "--timeout=60s", check=False)
        up.end()


def judge(up: Up) -> None:
    made = Counter(
        name
        for verb, resource, name, _, _ in up.journal()
        if verb == "create" and resource in ("persistentvolumeclaims", "controllerrevisions.apps")
    )
    assert [name for name, count in made.items() if count > 1] == [], "made twice"
    assert {name for name in made if name.startswith("files-")} == {f"files-db-{index}" for index in range(3)}
    items = up.get("pods", "-l", "app=db")["items"]
    assert [one["metadata"]["name"] for one in items] == ["db-0", "db-1", "db-2"]
    running = Counter(up.processes().values())
    assert set(running) == {one["metadata"]["uid"] for one in items}, "a process without an owner, or none"
    newest = max(up.get("controllerrevisions")["items"], key=lambda one: int(one["revision"]))
    for one in items:
        assert one["metadata"]["labels"]["controller-revision-hash"] == newest["metadata"]["name"]
        written = up.kubectl("exec", one["metadata"]["name"], "--", "cat", "/files/names").split()
        assert set(written) == {one["metadata"]["name"]}
