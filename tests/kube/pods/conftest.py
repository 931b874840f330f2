"""The same folder on two clusters, local mode's and a real one whose kubelet is our node."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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
    with ThreadPoolExecutor(2) as pool:
        try:
            # One after the other: each takes a block of addresses that it finds free.
            _start(ours)
            _start(real)
            yield Side(ours), Side(real)
        finally:
            # Where a test has failed before it let go of it.
            Side(real).release("pod", "lingers")
            ends = [pool.submit(cluster.end) for cluster in (ours, real)]
            for one in ends:
                one.result()


def _start(cluster: Up) -> None:
    cluster.start()
    if not isinstance(cluster, Kubelet):
        cluster.kubectl("create", "namespace", NAMESPACE)
    Side(cluster).kubectl("apply", "-f", str(MANIFESTS))
