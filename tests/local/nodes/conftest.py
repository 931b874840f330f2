"""A node on objects in memory, with real processes in a directory of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.doomed import Doomed
from parts.machine import Machine, own_objects


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """Its pods write through to the test's own folder."""
    one = Machine(tmp_path / "state", own_objects())
    one.shares = tmp_path
    one.start()
    yield one
    await one.stop()


@pytest.fixture
async def doomed(tmp_path: Path) -> AsyncIterator[Doomed]:
    one = Doomed(tmp_path)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.process.kill()
        one.process.wait()
    if one.after is None:
        one.again()
    assert one.after is not None
    await one.after.stop()
