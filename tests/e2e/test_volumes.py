"""Volumes end to end: those that somebody made, and what becomes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("volumes")]

MANIFEST = """
apiVersion: v1
kind: PersistentVolume
metadata: {{name: shelf, labels: {{kind: shelf}}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: manual
  hostPath: {{path: {place}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: books}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: reader}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: busybox
      command: [sh, -c, "cat /books/old > /books/new; trap exit TERM; while :; do sleep 0.1; done"]
      volumeMounts:
        - {{name: books, mountPath: /books}}
        - {{name: books, mountPath: /only-read, readOnly: true, subPath: below}}
  volumes: [{{name: books, persistentVolumeClaim: {{claimName: books}}}}]
"""
WAITING = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: none}
spec: {accessModes: [ReadWriteOnce], storageClassName: "", resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  containers: [{name: c, image: busybox, command: [sleep, "60"]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: none}}]
"""


def phase(up: Up, *words: str) -> str:
    return str(up.get(*words)["status"]["phase"])


def test_a_folder_that_an_administrator_gives_is_used_and_kept(tmp_path: Path) -> None:
    needs_kubectl()
    up = Up(tmp_path / "state")
    up.start()
    place = up.folder_for("shelf")
    (place / "old").write_text("a book")
    try:
        up.kubectl("apply", "-f", "-", stdin=MANIFEST.format(place=place))
        up.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=60s")
        up.until("the pod has written", lambda: (place / "new").exists())
        assert (place / "new").read_text() == "a book"
        told = up.kubectl("exec", "reader", "--", "sh", "-c", "echo x > /only-read/x", check=False)
        assert "Read-only" in told
        assert up.kubectl("get", "pv", "shelf", "--no-headers").split()[4:6] == ["Bound", "default/books"]
        up.kill()
        up.start()
        up.kubectl("delete", "pvc", "books", "--wait=false")
        assert "Terminating" in up.kubectl("get", "pvc", "books", "--no-headers")
        up.kubectl("delete", "pod", "reader")
        up.until("the claim is gone", lambda: "NotFound" in up.kubectl("get", "pvc", "books", check=False))
        up.until("the volume is released", lambda: phase(up, "pv", "shelf") == "Released")
        assert (place / "old").read_text() == "a book"
    finally:
        up.kubectl("delete", "pods,pvc,pv", "--all", "--timeout=30s", check=False)
        up.end()
    assert (place / "new").exists()


def test_a_pod_waits_for_a_claim_that_no_volume_fits_and_says_so(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=WAITING)
    told = "pod has unbound immediate PersistentVolumeClaims"
    up.until("it says why", lambda: told in up.kubectl("describe", "pod", "waits"))
    assert (phase(up, "pod", "waits"), phase(up, "pvc", "none")) == ("Pending", "Pending")
    assert "no persistent volumes available for this claim" in up.kubectl("describe", "pvc", "none")


LIVE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {one: "1", two: "1"}
---
apiVersion: v1
kind: Pod
metadata: {name: sees}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: busybox
      command: [sh, -c, "trap exit TERM; while :; do sleep 0.1; done"]
      volumeMounts:
        - {name: settings, mountPath: /settings}
        - {name: settings, mountPath: /alone/one, subPath: one}
  volumes: [{name: settings, configMap: {name: settings}}]
"""


def test_a_running_pod_sees_all_of_a_change_but_in_a_part_that_is_mounted_alone(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=LIVE)
    up.kubectl("wait", "--for=condition=Ready", "pod/sees", "--timeout=60s")
    look = ("exec", "sees", "--", "sh", "-c")
    assert up.kubectl(*look, "cat /settings/one /settings/two /alone/one").strip() == "111"
    before = up.kubectl(*look, "readlink /settings/..data")
    up.kubectl("patch", "configmap", "settings", "-p", '{"data": {"one": "2", "two": "2"}}')
    up.until("it is seen", lambda: up.kubectl(*look, "cat /settings/one /settings/two").strip() == "22")
    assert up.kubectl(*look, "cat /alone/one").strip() == "1"
    assert up.kubectl(*look, "readlink /settings/..data") != before
