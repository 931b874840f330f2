"""Random worlds: whatever happens to them for days, the laws hold, and they come to where they must be.

`make check` lives a few, `make test` some dozens, always the same ones: their verdict belongs to the commit.
New ones are for long runs by hand, thousands of crowded ones:

    TIDEGATE_WORLDS=2000 .venv/bin/pytest -q tests/operator/test_random_worlds.py --hypothesis-seed=7
"""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings

from parts.random_plans import plans
from parts.world_end import live
from parts.world_happenings import Plan

WORLDS = int(os.environ.get("TIDEGATE_WORLDS", "0"))
# A crowded world costs a fraction of a second; the profiles count examples of laws that cost nothing.
FEW = settings.get_current_profile_name() == "quick"
LIVED = settings(max_examples=WORLDS or (8 if FEW else 30), derandomize=not WORLDS)
LEAST = 0 if FEW else 8


@pytest.mark.parametrize("kind", ["object", "job", "work"])
def test_a_random_world_keeps_the_laws(kind: str) -> None:
    @LIVED
    @given(plans(kind, LEAST))
    def law(plan: Plan) -> None:
        live(plan)

    law()
