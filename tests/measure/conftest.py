"""Puts `tests/parts` within reach, and gives the stand-ins of this room: servers, scalers, adapters."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
