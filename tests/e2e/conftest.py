"""A `tidegate up` per test or per module, with kubectl; whatever happens, no process of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.charts import Helm
from parts.up import Up, needs_kubectl


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Serving, empty. Parameter files lie in `files` beside the state."""
    needs_kubectl()
    files = str(tmp_path / "files")
    server = Up(tmp_path / "state", "--hpa-interval", "2", "--filepath-auth-root-path", files)
    server.start()
    try:
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def shared_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One for all tests of a module, whose pods share a network."""
    needs_kubectl()
    server = Up(tmp_path_factory.mktemp("up") / "data", "--pod-network", "shared")
    try:
        server.start()
        yield server
    finally:
        server.end()


@pytest.fixture(scope="module")
def helm(shared_up: Up) -> Helm:
    """Helm against the module's."""
    return Helm(shared_up.folder.parent / "home", shared_up.kubeconfig)
