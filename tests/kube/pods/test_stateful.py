"""A StatefulSet on a real control plane with our node, and in local mode: kubectl shows the same."""

from __future__ import annotations

import json

from parts.looks import Sides, compare, events, printed, status
from parts.side import Side

FLAGS = ("--hpa-interval", "1")
SET = "statefulset/db"
MANIFEST = """
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
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: c
          image: busybox
          command: [sh, -c, "hostname | tee -a /files/names; trap exit TERM; while :; do sleep 0.2; done"]
          volumeMounts: [{name: files, mountPath: /files}]
  volumeClaimTemplates:
    - metadata: {name: files}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def volume(sides: Sides, index: int) -> str:
    """A real control plane has nobody who makes volumes: an administrator has made some."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"files-{index}"},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "capacity": {"storage": "1Gi"},
                "claimRef": {"namespace": "compared", "name": f"files-db-{index}"},
                "hostPath": {"path": str(sides[1].cluster.folder_for(f"files-{index}"))},
            },
        }
    )


def begin(sides: Sides) -> None:
    for index in range(4):
        sides[1].cluster.kubectl("apply", "-f", "-", stdin=volume(sides, index))
    for side in sides:
        side.cluster.kubectl("apply", "-n", "compared", "-f", "-", stdin=MANIFEST)
    settled(sides)


def end(sides: Sides) -> None:
    names = [f"files-{index}" for index in range(4)]
    sides[1].cluster.kubectl("delete", "pv", *names, "--wait=false", check=False)


def settled(sides: Sides, count: int = 2) -> None:
    for side in sides:
        side.kubectl("rollout", "status", SET, "--timeout=90s")
        side.until(
            "as many as wanted", "pods", "-l", "app=db", holds=lambda pods: len(pods["items"]) == count
        )


def said(sides: Sides, *words: str) -> None:
    ours, right = (side.said(*words) for side in sides)
    assert ours == right


def test_what_kubectl_shows_of_it(sides: Sides) -> None:
    compare(
        sides,
        status("statefulset", "db"),
        printed("get", "statefulsets,pods,controllerrevisions", "-o", "wide"),
        printed(
            "get",
            "pvc",
            "-o",
            "custom-columns=N:.metadata.name,L:.metadata.labels,O:.metadata.ownerReferences",
        ),
        printed("describe", "statefulsets"),
        printed("rollout", "history", SET),
        printed("rollout", "history", SET, "--revision=1"),
        events("db"),
    )


def names_written(side: Side, pod: str) -> list[str]:
    return side.kubectl("exec", pod, "--", "cat", "/files/names").split()


def test_an_update_a_step_back_and_scaling(sides: Sides) -> None:
    said(sides, "set", "env", SET, "VERSION=2")
    settled(sides)
    compare(sides, status("statefulset", "db"), printed("rollout", "history", SET), events("db"))
    # Each Pod found the files of the one before it.
    names = [names_written(sides[0], f"db-{index}") for index in range(2)]
    assert names == [["db-0"] * 2, ["db-1"] * 2]
    said(sides, "rollout", "undo", SET)
    settled(sides)
    said(sides, "rollout", "undo", SET, "--to-revision=77")
    said(sides, "rollout", "undo", SET, "--to-revision=3")
    said(sides, "rollout", "pause", SET)
    said(sides, "scale", SET, "--replicas=3")
    settled(sides, 3)
    said(sides, "scale", SET, "--replicas=1")
    settled(sides, 1)
    said(sides, "rollout", "restart", SET)
    settled(sides, 1)
    for side in sides:
        side.kubectl("patch", SET, "-p", '{"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}}')
        side.kubectl("set", "env", SET, "VERSION=4")
    said(sides, "rollout", "status", SET)
    for side in sides:
        kept = '{"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}}'
        side.kubectl("patch", SET, "-p", kept)
    compare(
        sides,
        status("statefulset", "db"),
        printed("get", "statefulsets,pods,controllerrevisions"),
        printed("describe", "statefulsets"),
        printed("rollout", "history", SET),
        events("db"),
    )
    found = [side.numbers("statefulset", "db") for side in sides]
    assert found[0] == found[1]


def test_what_is_left_of_it(sides: Sides) -> None:
    for side in sides:
        side.kubectl("delete", SET)
        side.until("its claim is gone", "pvc", holds=lambda found: len(found["items"]) == 2)
    compare(
        sides,
        printed("get", "statefulsets,pods,controllerrevisions"),
        printed("get", "pvc", "-o", "custom-columns=N:.metadata.name"),
    )
