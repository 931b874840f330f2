"""How long a server that failed as a whole is left alone."""

from __future__ import annotations

_FIRST_S = 1.0
_FIRST_REFUSED_S = 10.0
_LONGEST_S = 60.0
_LONGEST_TOLD_S = 3600.0

# Trying again helps nobody soon when the server has said no, or when we cannot even ask.
_REFUSED = frozenset({"Denied", "Misconfigured", "Unsupported"})


def hold_s(
    kind: str, strikes: int, interval_s: float, gap_s: float = 0.0, told_s: float | None = None
) -> float:
    """Seconds until the next attempt after `strikes` (≥ 1) failures in a row, the last of `kind`.

    1, 2, 4 … 60 s, but a server that is down is tried at least once per polling interval, so that
    its triggers heal within one; a refusal starts at 10 s and is not bounded by the interval. `gap_s`
    is the adapter's own least distance between calls, `told_s` what the server itself has asked for.
    """
    doublings = min(strikes - 1, 16)
    if kind in _REFUSED:
        wanted = min(_FIRST_REFUSED_S * 2.0**doublings, _LONGEST_S)
    else:
        wanted = min(_FIRST_S * 2.0**doublings, _LONGEST_S, max(interval_s, _FIRST_S))
    return max(wanted, min(gap_s, _LONGEST_S), min(told_s or 0.0, _LONGEST_TOLD_S))
