"""Stories in virtual time, each told in the order of several seeds."""

from __future__ import annotations

import pytest

from parts import virtualtime


@pytest.fixture(params=range(3), ids=lambda seed: f"seed{seed}")
def tell(request):
    """Runs a story in an order drawn from a seed."""
    return lambda story: virtualtime.run(story, seed=request.param)
