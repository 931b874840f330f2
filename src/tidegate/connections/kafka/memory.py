"""For how long commits have stood still, as far as this connection has seen."""

from __future__ import annotations

import asyncio

Place = tuple[str, str, int]
"""Group, topic, partition."""

KEPT_S = 3600.0
"""What nobody has asked about for so long is forgotten."""


class Memory:
    """Of each commit: what it is, since when, and when that was last seen."""

    def __init__(self) -> None:
        self._seen: dict[Place, tuple[int, float, float]] = {}
        self._swept_at = 0.0

    def unmoved_s(self, place: Place, committed: int) -> float:
        """Seconds since the commit was first seen where it is; 0 for one that is new here."""
        now = asyncio.get_running_loop().time()
        self._sweep(now)
        before = self._seen.get(place)
        since = before[1] if before is not None and before[0] == committed else now
        self._seen[place] = (committed, since, now)
        return now - since

    def _sweep(self, now: float) -> None:
        if now - self._swept_at > KEPT_S:
            self._swept_at = now
            self._seen = {place: seen for place, seen in self._seen.items() if now - seen[2] < KEPT_S}
