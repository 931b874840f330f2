"""A node on objects in memory, with real processes in a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.machine import Machine, own_objects


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    one = Machine(tmp_path / "state", own_objects())
    one.start()
    yield one
    await one.stop()
