"""What can be a region's name: it becomes part of a host's, and whoever writes it is no administrator."""

from __future__ import annotations

import re

_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,40}")


def is_region(text: str) -> bool:
    """Whether a region may be called so. Which there are, nobody keeps a list of here."""
    return _REGION.fullmatch(text) is not None
