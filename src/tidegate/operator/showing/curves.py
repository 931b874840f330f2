"""How numbers of an object went in the last hours: kept in memory, a point for each change.

    curves.take(key, now_s, {"replicas": 3, "s0-redis-jobs": 23.0})
    curves.of(key)          {"replicas": [[moment, 3], …], "s0-redis-jobs": [[moment, 23.0], …]}

A point holds until the next one; None says that nobody knew. An object that rests costs nothing. What
changes all the time is kept more coarsely the older it is, and a spike stays.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Hashable, Mapping

KEPT_S = 6 * 3600.0
# Of one curve, 12 KB: 1,000 objects of three curves that change at every look come to 35 MB.
MOST_POINTS = 720
# Halving a curve's older half: of two neighbours that one stays which is farther from what stands before it.
OLDER = MOST_POINTS // 2

Point = list[float | None]


class Curve:
    """One number over time, in seconds since the epoch."""

    __slots__ = ("moments", "values")

    def __init__(self) -> None:
        self.moments: array[float] = array("d")
        self.values: array[float] = array("d")

    def add(self, now_s: float, value: float | None) -> None:
        """What stays the same adds nothing."""
        number = math.nan if value is None else value
        if self.values and (self.values[-1] == number or (math.isnan(self.values[-1]) and value is None)):
            return
        self.moments.append(now_s)
        self.values.append(number)
        if len(self.moments) > MOST_POINTS:
            self._thin()

    def forget_before(self, moment_s: float) -> None:
        """Drops what is older; the last point before it stays, because it holds until the next."""
        old = 0
        while old + 1 < len(self.moments) and self.moments[old + 1] <= moment_s:
            old += 1
        if old:
            del self.moments[:old]
            del self.values[:old]

    def points(self) -> list[Point]:
        return [
            [moment, None if math.isnan(value) else value]
            for moment, value in zip(self.moments, self.values, strict=True)
        ]

    def _thin(self) -> None:
        moments, values = array("d", self.moments[:1]), array("d", self.values[:1])
        for one in range(1, OLDER, 2):
            pair = range(one, min(one + 2, OLDER))
            kept = max(pair, key=lambda place: _distance(values[-1], self.values[place]))
            moments.append(self.moments[kept])
            values.append(self.values[kept])
        self.moments = moments + self.moments[OLDER:]
        self.values = values + self.values[OLDER:]


def _distance(before: float, after: float) -> float:
    """An unknown is far from everything: a gap is not smoothed over."""
    return math.inf if math.isnan(before) or math.isnan(after) else abs(after - before)


class Curves:
    """Those of all objects."""

    def __init__(self) -> None:
        self._curves: dict[Hashable, dict[str, Curve]] = {}

    def take(self, key: Hashable, now_s: float, numbers: Mapping[str, float | None]) -> None:
        """The numbers of an object as they are now; one that is not among them any more has ended."""
        curves = self._curves.setdefault(key, {})
        for name, value in numbers.items():
            curves.setdefault(name, Curve()).add(now_s, value)
        for name in [one for one in curves if one not in numbers]:
            ended = curves[name]
            ended.add(now_s, None)
            if ended.moments[-1] < now_s - KEPT_S:
                del curves[name]
        for curve in curves.values():
            curve.forget_before(now_s - KEPT_S)

    def keep_only(self, keys: Collection[Hashable]) -> None:
        """Forgets the objects that are gone."""
        for key in [one for one in self._curves if one not in keys]:
            del self._curves[key]

    def of(self, key: Hashable) -> dict[str, list[Point]]:
        return {name: curve.points() for name, curve in self._curves.get(key, {}).items()}

    def last(self, key: Hashable, name: str, count: int) -> list[Point]:
        """The newest points of one curve."""
        curve = self._curves.get(key, {}).get(name)
        return curve.points()[-count:] if curve is not None else []
