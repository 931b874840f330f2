"""The nouns of metrics: a family is declared once, a metric is a family with its samples of a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Type = Literal["gauge", "counter", "histogram"]
Origin = Literal["keda", "ours", "old", "framework"]
Labels = tuple[str, ...]
"""Values of labels, in the order of the family's names."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric's name as Prometheus shows it (`_total` included), its labels and its meaning.

    `origin` says where the name comes from: KEDA, us, KEDA before it renamed it, or the frameworks that KEDA
    is built on. `buckets` are a histogram's upper bounds without the infinite one.
    """

    name: str
    type: Type
    labels: tuple[str, ...]
    help: str
    origin: Origin = "keda"
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram's sample: entries within each bound (parallel to `buckets`), all entries, their sum."""

    within: tuple[int, ...]
    count: int
    sum: float


@dataclass(slots=True)
class Metric:
    """A family with its samples: at most one for each set of label values."""

    family: Family
    samples: dict[Labels, float] = field(default_factory=dict)
    distributions: dict[Labels, Distribution] = field(default_factory=dict)

    def set(self, value: float, *labels: str) -> None:
        self.samples[labels] = value

    def add(self, value: float, *labels: str) -> None:
        """For what several have in common: their values are added up."""
        self.samples[labels] = self.samples.get(labels, 0.0) + value


class Histogram:
    """Counts entries by the bounds of a family. Only grows."""

    __slots__ = ("_buckets", "_counts", "_sum")

    def __init__(self, buckets: Sequence[float]) -> None:
        self._buckets = tuple(buckets)
        self._counts = [0] * (len(self._buckets) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        place = next((at for at, bound in enumerate(self._buckets) if value <= bound), len(self._buckets))
        self._counts[place] += 1
        self._sum += value

    def distribution(self) -> Distribution:
        """What was counted so far."""
        within, seen = [], 0
        for count in self._counts[:-1]:
            seen += count
            within.append(seen)
        return Distribution(tuple(within), seen + self._counts[-1], self._sum)
