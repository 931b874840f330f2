"""What is installed on a cluster, for each test anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.installed import Installed


@pytest.fixture
def installed(real_kubeconfig: Path, tmp_path: Path) -> Iterator[Installed]:
    with Installed(real_kubeconfig, tmp_path) as installed:
        yield installed
