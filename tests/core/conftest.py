"""Puts `tests/parts` within reach. Laws are not timed: a busy machine proves nothing against them."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import settings

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
