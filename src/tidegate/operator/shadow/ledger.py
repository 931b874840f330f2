"""The differences of a day: those that last, and how many passed. In memory, and bounded.

Nothing of it is kept anywhere else: an operator that only looks on has nowhere to write. After a restart the
day begins anew, and the report says since when it was looked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tidegate.operator.shadow.differences import Difference

DAY = timedelta(hours=24)
KEPT = 50
"""Of one object, differences that are over."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A difference since it is seen. `is_told`: it has lasted, and was told."""

    difference: Difference
    since: datetime
    is_told: bool = False

    def rest_s(self, now: datetime) -> float:
        """How long it may still last before it counts."""
        return self.difference.grace_s - (now - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Past:
    """A difference that lasted and is over."""

    difference: Difference
    since: datetime
    until: datetime


@dataclass(slots=True)
class Account:
    """One object's. `passed` counts differences that were over before they counted: both came to the same;
    `longest_s` is the longest of these. `is_cut`: older ones of the day have made room for newer ones.
    `jobs_started` are the Jobs that KEDA has started since."""

    since: datetime
    standing: dict[str, Standing] = field(default_factory=dict)
    past: deque[Past] = field(default_factory=lambda: deque(maxlen=KEPT))
    passed: int = 0
    longest_s: float = 0.0
    looks: int = 0
    jobs_started: int = 0
    is_cut: bool = False

    def look(self, found: Mapping[str, Difference], now: datetime) -> tuple[list[Standing], float | None]:
        """What has come to last, once each; and in how many seconds the next one may."""
        self.looks += 1
        for aspect, standing in list(self.standing.items()):
            same = found.get(aspect)
            if same is None or same.mark != standing.difference.mark:
                self._close(aspect, standing, now)
        for aspect, difference in found.items():
            before = self.standing.get(aspect)
            since = before.since if before is not None else now
            self.standing[aspect] = Standing(difference, since, before is not None and before.is_told)
        news = []
        for aspect, standing in self.standing.items():
            if not standing.is_told and standing.rest_s(now) <= 0:
                self.standing[aspect] = replace(standing, is_told=True)
                news.append(self.standing[aspect])
        rests = [one.rest_s(now) for one in self.standing.values() if not one.is_told]
        return news, min(rests, default=None)

    def lasting(self) -> Iterator[Standing]:
        """The differences that count, and are not over."""
        return (one for one in self.standing.values() if one.is_told)

    def of_day(self, now: datetime) -> list[Past]:
        """Those of the last 24 hours that are over, the oldest first."""
        return [one for one in self.past if one.until > now - DAY]

    def _close(self, aspect: str, standing: Standing, now: datetime) -> None:
        del self.standing[aspect]
        if standing.is_told:
            self.is_cut = self.is_cut or len(self.past) == KEPT
            self.past.append(Past(standing.difference, standing.since, now))
            return
        self.passed += 1
        self.longest_s = max(self.longest_s, (now - standing.since).total_seconds())
