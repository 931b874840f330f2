"""The same folder on two clusters, local mode's and a real one whose kubelet is our node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.control_plane import ControlPlane
from parts.kubelet import Kubelet
from parts.real_cluster import REAL
from parts.server_process import Servers
from parts.side import NAMESPACE, Side
from parts.up import Up, needs_kubectl

MANIFESTS = Path(__file__).with_name("manifests.yaml")


@pytest.fixture(scope="module", params=[REAL])
def sides(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    """Local mode, and the control plane of the tests; the manifests have just been applied to both."""
    needs_kubectl()
    folder = tmp_path_factory.mktemp("pods")
    ours = Up(folder / "ours")
    real = Kubelet(servers.get(ControlPlane).token_kubeconfig, NAMESPACE, folder / "real")
    try:
        ours.start()
        ours.kubectl("create", "namespace", NAMESPACE)
        real.start()
        both = Side(ours), Side(real)
        for side in both:
            side.kubectl("apply", "-f", str(MANIFESTS))
        yield both
    finally:
        try:
            ours.end()
        finally:
            # Where a test has failed before it let go of it.
            Side(real).release("pod", "lingers")
            real.end()
