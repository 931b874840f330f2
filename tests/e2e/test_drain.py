"""`kubectl drain`: what a node is emptied of, and what stays."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.kubectls import VERSIONS, kubectl_path
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("drain")]

MANIFEST = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: c, image: busybox, command: [sleep, "600"]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: busybox, command: [sleep, "600"]}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 2, selector: {matchLabels: {app: web}}}
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    needs_kubectl()
    up = Up(tmp_path_factory.mktemp("drain") / "data", "--pod-network", "shared")
    try:
        up.start()
        yield up
    finally:
        up.end()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_drain_evicts_what_its_budgets_allow_and_leaves_daemonsets(
    up: Up, version: str, tmp_path: Path
) -> None:
    path = kubectl_path(version)
    if path is None:
        pytest.skip(f"kubectl {version} is missing; `make tools` fetches it")

    def drain(*words: str) -> tuple[int, str]:
        command = [str(path), "--kubeconfig", str(up.kubeconfig), "drain", "local", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    up.kubectl("apply", "-f", str(manifest))
    up.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    up.kubectl("rollout", "status", "daemonset/agent", "--timeout=30s")
    code, said = drain()
    assert (code, "cannot delete DaemonSet-managed Pods" in said) == (1, True), said
    code, said = drain("--ignore-daemonsets", "--timeout=3s")
    assert (code, "violate the pod's disruption budget" in said) == (1, True), said
    up.kubectl("delete", "pdb", "web")
    code, said = drain("--ignore-daemonsets", "--timeout=30s")
    assert (code, said.count("evicted"), "node/local drained" in said) == (0, 2, True), said
    phases = ("get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.labels.app}={.status.phase} {end}")
    assert sorted(up.kubectl(*phases).split()) == ["agent=Running", "web=Pending", "web=Pending"]
    up.kubectl("uncordon", "local")
    up.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
