"""Every scenario runs twice: on objects in memory, and on the API server's own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from parts import world


@pytest.fixture(params=[world.in_memory, world.on_the_plane], ids=["memory", "plane"])
def live(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`live(scenario, team, outcome)`."""
    backing: Any = request.param
    return partial(world.live, backing=backing)
