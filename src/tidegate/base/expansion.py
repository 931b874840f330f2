"""`$(NAME)` in the values, commands and arguments of containers."""

from __future__ import annotations

import re
from collections.abc import Callable

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, value_of: Callable[[str], str | None]) -> str:
    """`text` with each `$(NAME)` replaced by its value; names without a value stay as they are.

    `$$` is a plain `$`, so `$$(NAME)` says `$(NAME)`. Any other `$` stays.
    Source: Kubernetes documentation, "Define dependent environment variables".
    """

    def replace(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        value = value_of(found[1])
        return found[0] if value is None else value

    return _REFERENCE.sub(replace, text)
