"""Patterns that come from manifests: matched in time that grows with the text alone, whatever they are."""

from __future__ import annotations

import functools
from collections.abc import Iterator
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


def shell_glob(text: str) -> Pattern:
    """`*` and `**` stand for any text, `?` for one character, `[a-c]` and `[!x]` for one of these or of all
    others, `{a,b}` for one of these patterns. ValueError reads on after the pattern."""
    return pattern(f"(?s){''.join(_Glob(text).parts())}")


class _Glob:
    """Reads a glob from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def parts(self, depth: int = 0) -> Iterator[str]:
        """Pieces of a pattern, up to the end; within braces up to what closes them."""
        import re2

        while self._at < len(self._text):
            sign = self._text[self._at]
            if depth and sign in ",}":
                return
            self._at += 1
            if sign == "\\":
                yield re2.escape(self._next("\\ takes the meaning of nothing away"))
            elif sign in "*?":
                yield ".*" if sign == "*" else "."
            elif sign == "[":
                yield self._one_of()
            elif sign == "{":
                yield self._alternatives(depth + 1)
            else:
                yield re2.escape(sign)
        if depth:
            raise ValueError("has a { that nothing closes")

    def _next(self, problem: str) -> str:
        if self._at >= len(self._text):
            raise ValueError(problem)
        self._at += 1
        return self._text[self._at - 1]

    def _one_of(self) -> str:
        import re2

        problem = "has a [ that nothing closes"
        sign, negation, inside = self._next(problem), "", ""
        if sign == "!":
            sign, negation = self._next(problem), "^"
        while sign != "]" or not inside:
            inside += re2.escape(self._next(problem)) if sign == "\\" else _IN_CLASS.get(sign, sign)
            sign = self._next(problem)
        return f"[{negation}{inside}]"

    def _alternatives(self, depth: int) -> str:
        if depth > 8:
            raise ValueError("nests braces deeper than 8 levels")
        choices = ["".join(self.parts(depth))]
        while self._next("has a { that nothing closes") == ",":
            choices.append("".join(self.parts(depth)))
        return f"(?:{'|'.join(choices)})"


_IN_CLASS = {"[": "\\[", "^": "\\^", "]": "\\]"}
"""What would mean something in RE2's classes and does not in a shell's."""
