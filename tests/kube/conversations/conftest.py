"""Each conversation is held twice: with the embedded API, and with a real one, which is right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.conversation import Talk, talking
from parts.real_cluster import REAL
from parts.served import serving
from tidegate.kube.client import Client
from tidegate.kube.config import load


@pytest.fixture(params=["embedded", REAL])
async def kubeconfig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    if request.param == "embedded":
        async with serving(tmp_path / "data") as served:
            yield served.server.kubeconfig
    else:
        yield request.getfixturevalue("real_kubeconfig")


@pytest.fixture
async def talk(request: pytest.FixtureRequest, kubeconfig: Path, tmp_path: Path) -> AsyncIterator[Talk]:
    # To empty a namespace costs the controllers a hundred requests, for nothing where all is thrown away.
    is_tidied = request.config.getoption("--kubeconfig") is not None
    async with talking(kubeconfig, tmp_path, is_tidied=is_tidied) as one:
        yield one


@pytest.fixture
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    made = Client(load(kubeconfig))
    yield made
    await made.close()
