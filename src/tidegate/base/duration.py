"""Durations as Go writes them."""

from __future__ import annotations

import re
from fractions import Fraction

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_BARE = re.compile(r"[+-]?[0-9]+")
_CHARS_MAX = 1_000
_UNIT_NS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_MAX_NS = 2**63 - 1


def parse_duration(text: str) -> float:
    """Seconds: Go syntax (`300ms`, `1m30s`, `1.5h`), or a bare integer, which means milliseconds.

    ValueError when it is neither, negative, or longer than about 292 years; its text does not
    repeat `text`.
    """
    if len(text) > _CHARS_MAX:
        # Python itself refuses to convert very long numbers.
        raise ValueError("is longer than 292 years, or too exact")
    if _BARE.fullmatch(text):
        total = Fraction(int(text) * 10**6)
    else:
        total = _go_nanoseconds(text)
    if total < 0:
        raise ValueError("is negative")
    if total > _MAX_NS:
        raise ValueError("is longer than 292 years")
    return float(total / 10**9)


def _go_nanoseconds(text: str) -> Fraction:
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    total = Fraction(0)
    at = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None:
            break
        total += Fraction(found[1].rstrip(".")) * _UNIT_NS[found[2]]
        at = found.end()
    if at == 0 or at < len(rest):
        raise ValueError("is not a duration such as 300ms, 1m30s or 2h (a bare number means milliseconds)")
    return sign * total
