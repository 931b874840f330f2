"""Patterns that come from manifests: matched in time that grows with the text alone, whatever they are."""

from __future__ import annotations

import functools
from typing import Any

LONGEST = 1024
_MEMORY_BYTES = 4 << 20


class Pattern:
    """A compiled pattern in RE2's dialect: no backreferences, no look-around."""

    __slots__ = ("_compiled", "text")

    def __init__(self, text: str, compiled: Any) -> None:
        self.text = text
        self._compiled = compiled

    def is_in(self, text: str) -> bool:
        """Whether it matches somewhere in `text`."""
        return self._compiled.search(text) is not None

    def is_all_of(self, text: str) -> bool:
        """Whether it matches `text` from its beginning to its end."""
        return self._compiled.fullmatch(text) is not None


@functools.lru_cache(4096)
def pattern(text: str, *, ignores_case: bool = False) -> Pattern:
    """ValueError reads on after the pattern, which it does not repeat."""
    import re2  # type: ignore[import-untyped]  # google-re2 brings no types

    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} characters")
    options = re2.Options()
    options.case_sensitive = not ignores_case
    options.log_errors = False
    options.max_mem = _MEMORY_BYTES
    try:
        return Pattern(text, re2.compile(text, options))
    except re2.error as error:
        said = error.args[0] if error.args else ""
        reason = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"is no pattern ({reason.partition(':')[0] or 'it cannot be read'})") from error


def glob(text: str) -> Pattern:
    """`*` stands for any text and `?` for one character; `\\` takes their meaning away."""
    import re2

    parts, is_escaped = [], False
    for sign in text:
        if is_escaped or sign not in "*?\\":
            parts.append(re2.escape(sign))
            is_escaped = False
        elif sign == "\\":
            is_escaped = True
        else:
            parts.append(".*" if sign == "*" else ".")
    return pattern(f"(?s){''.join(parts)}")
