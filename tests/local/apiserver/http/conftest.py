"""A served control plane of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from parts.kubectls import VERSIONS, Kubectl, kubectl_of
from parts.served import Served, serving


@pytest.fixture
def serve(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Served]]:
    """Serves the same data directory as often as it is called: a restart."""
    return lambda: serving(tmp_path / "data")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path / "data") as running:
        yield running


@pytest.fixture(params=VERSIONS)
async def kubectl(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Kubectl:
    """Runs the kubectl of a version."""
    return kubectl_of(request.param, served, tmp_path)
