"""Each conversation is held twice: with the embedded API, and with a real one, which is right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.conversation import Talk, talking
from parts.real_cluster import REAL
from parts.served import serving


@pytest.fixture(params=["embedded", REAL])
async def talk(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Talk]:
    if request.param == "embedded":
        async with serving(tmp_path / "data") as served, talking(served.server.kubeconfig, tmp_path) as one:
            yield one
    else:
        async with talking(request.getfixturevalue("real_kubeconfig"), tmp_path) as one:
            yield one
