"""What the rounds count about themselves: plain numbers for benchmarks and metrics."""

from __future__ import annotations

from dataclasses import dataclass, field

_BUCKETS = 2_000


class Lateness:
    """A histogram of seconds in steps of a millisecond, up to two seconds; the last bucket is "later"."""

    __slots__ = ("counts", "max_s", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (_BUCKETS + 1)
        self.max_s = 0.0
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[min(_BUCKETS, max(0, int(seconds * 1_000)))] += 1
        self.sum_s += max(0.0, seconds)
        if seconds > self.max_s:
            self.max_s = seconds

    def up_to(self, seconds: float) -> int:
        """How many entries are below `seconds`, which are whole milliseconds and at most two seconds."""
        return sum(self.counts[: round(seconds * 1_000)])

    def quantile_s(self, share: float) -> float:
        """Upper bound of the bucket that `share` (0 … 1) of the entries do not exceed; 0 without entries."""
        total = sum(self.counts)
        seen = 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if total and seen >= share * total:
                return min((bucket + 1) / 1_000, self.max_s) if bucket < _BUCKETS else self.max_s
        return 0.0


@dataclass(slots=True)
class Counters:
    """`rounds` are calls of an adapter (one batch each); `lateness` is due → reading stored, of polls.

    `wake_ups` are measurements that an object or a change asked for before its poll, `pushes` those of them
    that a server's own word caused.
    """

    rounds: int = 0
    questions: int = 0
    answers: int = 0
    readings: int = 0
    wake_ups: int = 0
    pushes: int = 0
    lateness: Lateness = field(default_factory=Lateness)
