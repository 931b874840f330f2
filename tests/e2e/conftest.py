"""A `tidegate up` per test, with kubectl; whatever happens, no process of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
