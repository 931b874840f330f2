"""A `tidegate up` per test, with kubectl; whatever happens, no process of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.up import Up, needs_kubectl


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """Serving, empty."""
    needs_kubectl()
    server = Up(tmp_path / "state", "--hpa-interval", "2")
    server.start()
    try:
        yield server
    finally:
        server.end()
