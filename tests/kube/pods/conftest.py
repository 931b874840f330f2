"""The same folder on two clusters, local mode's and a real one whose kubelet is our node."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from parts.control_plane import ControlPlane
from parts.kubelet import Kubelet
from parts.real_cluster import REAL
from parts.server_process import Servers
from parts.side import NAMESPACE, Side
from parts.up import Up, needs_kubectl


@pytest.fixture(scope="module", params=[REAL])
def sides(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Side, Side]]:
    """Local mode, and the control plane of the tests; `begin` of the module has just been called with both,
    `end` is called whatever has failed.
    """
    needs_kubectl()
    folder = tmp_path_factory.mktemp("pods")
    ours = Up(folder / "ours", *request.module.FLAGS)
    real = Kubelet(servers.get(ControlPlane).token_kubeconfig, NAMESPACE, folder / "real")
    sides = Side(ours), Side(real)
    with ThreadPoolExecutor(2) as pool:
        try:
            # One after the other: each takes a block of addresses that it finds free.
            ours.start()
            ours.kubectl("create", "namespace", NAMESPACE)
            real.start()
            try:
                request.module.begin(sides)
                yield sides
            finally:
                request.module.end(sides)
        finally:
            ends = [pool.submit(cluster.end) for cluster in (ours, real)]
            for one in ends:
                one.result()
