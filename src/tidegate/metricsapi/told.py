"""What the operator has told of metrics, and when HPAs last asked for them. Values and moments only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tidegate.api.metric_stream import Metric

# The oldest are forgotten first.
MOST_TOLD = 50_000


@dataclass(slots=True)
class Told:
    """Values as of `measured_s`, good for `max_age_s` from then on. `number` is the metric's on the stream
    that is open, None where it told nothing yet. `asked_s` is when an HPA last asked. All by our own clock.
    """

    values: tuple[float, ...]
    measured_s: float
    max_age_s: float
    asked_s: float
    number: int | None = None

    def is_good(self, now_s: float) -> bool:
        return now_s - self.measured_s <= self.max_age_s


class Memory:
    """All that was told, by metric and by its number on the open stream."""

    def __init__(self) -> None:
        self._told: dict[Metric, Told] = {}
        self._by_number: dict[int, Metric] = {}

    def __len__(self) -> int:
        return len(self._told)

    def get(self, metric: Metric) -> Told | None:
        return self._told.get(metric)

    def named(self, number: int) -> Metric | None:
        """What a number of the open stream stands for."""
        return self._by_number.get(number)

    def name(self, number: int, metric: Metric) -> None:
        self._by_number[number] = metric

    def keep(self, metric: Metric, told: Told) -> list[int]:
        """Keeps it; the numbers of what had to be forgotten for it."""
        self._told.pop(metric, None)
        self._told[metric] = told
        forgotten = []
        while len(self._told) > MOST_TOLD:
            forgotten += self.forget(next(iter(self._told)))
        return forgotten

    def forget(self, metric: Metric) -> list[int]:
        """Keeps nothing of it; its number, if it had one."""
        told = self._told.pop(metric, None)
        if told is None or told.number is None:
            return []
        self._by_number.pop(told.number, None)
        return [told.number]

    def forget_number(self, number: int) -> None:
        """The number stands for nothing any more."""
        self._by_number.pop(number, None)

    def forget_numbers(self) -> None:
        """The stream has ended. What it told stays good until it is too old."""
        self._by_number.clear()
        for told in self._told.values():
            told.number = None

    def unasked_since(self, moment_s: float) -> Iterator[Metric]:
        """What no HPA has asked for since then."""
        return iter([metric for metric, told in self._told.items() if told.asked_s < moment_s])
