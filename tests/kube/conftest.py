"""Serves a tiny API to each test that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts import served as embedded
from parts.conversation import Talk, talking
from parts.real_cluster import REAL
from parts.tinyapi import TinyApi, serving
from tidegate.kube.client import Client
from tidegate.kube.config import Config


@pytest.fixture
async def api() -> AsyncIterator[TinyApi]:
    tiny = TinyApi()
    async with serving(tiny):
        yield tiny


@pytest.fixture
async def client(api: TinyApi) -> AsyncIterator[Client]:
    made = Client(Config(api.url))
    yield made
    await made.close()


@pytest.fixture(params=[REAL])
async def talks(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Talk, Talk]]:
    """One with the embedded API, one with the real one."""
    folders = [tmp_path / name for name in ("ours", "real")]
    for folder in folders:
        folder.mkdir()
    async with (
        embedded.serving(tmp_path / "data") as served,
        talking(served.server.kubeconfig, folders[0]) as ours,
        talking(request.getfixturevalue("real_kubeconfig"), folders[1]) as real,
    ):
        yield ours, real
