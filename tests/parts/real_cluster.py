"""The real Kubernetes that the embedded one is held against.

Ours, started once per run, unless pytest is told another:

    pytest --kubeconfig FILE -m real tests/kube
"""

from __future__ import annotations

from pathlib import Path

import pytest

from parts.server_process import Servers

GROUP = "control-plane"
MARKS = (pytest.mark.real, pytest.mark.xdist_group(GROUP))
# As one of the parameters of a fixture whose other is "embedded".
REAL = pytest.param("real", marks=MARKS)


def kubeconfig_of(given: str | None, servers: Servers) -> Path:
    """The given kubeconfig, or an administrator's of our own control plane."""
    from parts.control_plane import ControlPlane  # not for runs that need none: it makes certificates

    return Path(given) if given else servers.get(ControlPlane).kubeconfig
