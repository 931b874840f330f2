"""How many calls an account may have: when the next may go out, and how far intervals are stretched for it.

A budget is a number of calls in a minute, of one server value: an address or region with a login. Calls are
spread evenly, a second's worth at a time, so that neither a start nor a new leader bursts. Whoever has to
wait stands in a row, and nobody stands in it twice.

All of it is arithmetic on moments that are passed in.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidegate.kit.question import Server

WINDOW_S = 60.0

MOMENT_S = 1e-4
"""What is due so soon is done now."""

# A correction by what really went out: no further than so many times what the rule says.
_MOST_CORRECTED = 100.0
_NEWS = 1.05
# What calls really are is known by the last of them: by the rule, so many.
_REMEMBERED = 200
_TOLD = 1.25
_ROUNDING_S = 1e-6


@dataclass(frozen=True, slots=True)
class Stretch:
    """An interval as it is: `wanted_s` is what is written, `is_s` what the budget makes of it. `calls` are
    those that all triggers of the account would make in a minute, `budget` what it may have."""

    wanted_s: float
    is_s: float
    calls: float
    budget: float

    @property
    def is_stretched(self) -> bool:
        return self.is_s > self.wanted_s


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget at a glance: calls in a minute that it allows and that its triggers want, how many triggers
    wait for their turn, the calls so far."""

    per_minute: float
    wanted: float
    waiting: int
    calls: int
    factor: float


def budget_of(server: Server, budgets: Mapping[str, float]) -> float | None:
    """Calls in a minute for this server: by system and service (`aws.monitoring`), else by system."""
    service = getattr(server, "service", "")
    return budgets.get(f"{server.system}.{service}", budgets.get(server.system))


def is_news(before: float, now: float) -> bool:
    """Whether intervals are stretched so much further, or less, that people are told."""
    return (before > 1) != (now > 1) or not before / _TOLD <= now <= before * _TOLD


class Purse:
    """What is left of one account's budget."""

    __slots__ = (
        "_free_at",
        "_predicted",
        "_ratio",
        "_really",
        "_sent",
        "calls",
        "factor",
        "per_minute",
        "wanted",
    )

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self.calls = 0
        self.wanted = 0.0
        self.factor = 1.0
        self._free_at = -math.inf
        self._sent: deque[list[float]] = deque()
        self._predicted = self._really = 0.0
        self._ratio = 1.0

    @property
    def portion(self) -> int:
        """Calls that may go out at once: those of a second, and one at least."""
        return max(1, int(self.per_minute / WINDOW_S))

    def ready_at(self, now_s: float, calls: int) -> float:
        """From when on so many calls may go out.

        No minute has more than the budget; what is larger than that waits until a minute is empty.
        """
        if calls <= 0:
            return now_s
        ready_s = max(now_s, self._free_at)
        self._expire(now_s)
        left = sum(count for _, count in self._sent) + calls
        for at, count in self._sent:
            if left <= self.per_minute:
                break
            ready_s = max(ready_s, at + WINDOW_S)
            left -= count
        return ready_s

    def pay(self, now_s: float, calls: int) -> None:
        """Books calls that go out now."""
        self.calls += calls
        if self._predicted >= _REMEMBERED:
            self._predicted, self._really = self._predicted / 2, self._really / 2
        self._predicted += calls
        self._really += calls
        self._book(now_s, calls)

    def correct(self, now_s: float, booked: int, really: int) -> bool:
        """Books what really went out where it was something else; whether the rule is so wrong that
        intervals are to be looked at again."""
        self.calls += really - booked
        self._really += really - booked
        if really > booked:
            self._book(now_s, really - booked)
        elif self._sent and really < booked:
            self._sent[-1][1] -= min(self._sent[-1][1], booked - really)
            self._free_at -= (booked - really) * WINDOW_S / self.per_minute
        ratio = self._present_ratio()
        return not self._ratio / _NEWS <= ratio <= self._ratio * _NEWS

    def look(self, lanes: Iterable[tuple[float, int]]) -> bool:
        """Stretches all intervals alike, by lanes of (interval, calls of a round); whether that is news."""
        self._ratio = self._present_ratio()
        self.wanted = self._ratio * sum(calls * WINDOW_S / interval_s for interval_s, calls in lanes)
        before, self.factor = self.factor, max(1.0, self.wanted / self.per_minute)
        return before != self.factor

    def stretch(self, interval_s: float) -> Stretch:
        return Stretch(interval_s, interval_s * self.factor, self.wanted, self.per_minute)

    def _present_ratio(self) -> float:
        if self._predicted <= 0:
            return 1.0
        return min(max(self._really / self._predicted, 1 / _MOST_CORRECTED), _MOST_CORRECTED)

    def _book(self, now_s: float, calls: int) -> None:
        self._free_at = max(now_s, self._free_at) + calls * WINDOW_S / self.per_minute
        self._sent.append([now_s, float(calls)])

    def _expire(self, now_s: float) -> None:
        while self._sent and self._sent[0][0] <= now_s - WINDOW_S + _ROUNDING_S:
            self._sent.popleft()
