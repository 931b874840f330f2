"""What the operator's clock shows, seen from here."""

from __future__ import annotations

import math

WINDOW_S = 60.0


class Offset:
    """How far our monotonic clock is ahead of another's, from messages that say when they were sent.

    A message that took long makes the other clock look late; the quickest message of the last one to two
    minutes is the nearest to the truth. Older ones do not count, as no two clocks run equally fast.
    """

    def __init__(self) -> None:
        self._since_s = -math.inf
        self._least = math.inf
        self._least_before = math.inf

    def heard(self, sent_s: float, now_s: float) -> None:
        """A message that was sent when the other clock showed `sent_s` is here."""
        if now_s - self._since_s > WINDOW_S:
            self._least_before, self._least, self._since_s = self._least, math.inf, now_s
        self._least = min(self._least, now_s - sent_s)

    def here(self, moment_s: float) -> float:
        """A moment of the other clock on ours; minus infinity before the first message."""
        ahead_s = min(self._least, self._least_before)
        return moment_s + ahead_s if ahead_s < math.inf else -math.inf
