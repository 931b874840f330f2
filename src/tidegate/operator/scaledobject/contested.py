"""HPAs that somebody else writes back each time: two who write in turn would never end.

A KEDA that still runs beside us is such a somebody. What it has undone a few times within a minute is left
as it is for a while, longer each time, and told once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.kube.client import FIELD_MANAGER
from tidegate.runtime.clock import Clock

Object = Mapping[str, Any]

TIMES, WITHIN_S = 3, 60.0
HOLD_S, LONGEST_S = 60.0, 600.0


@dataclass(slots=True)
class _Contest:
    """What we want an HPA to be, when it was undone of late, and how long it is left next time."""

    wanted: Object
    moments: list[float] = field(default_factory=list)
    until_s: float = 0.0
    hold_s: float = HOLD_S
    is_told: bool = False


class Contests:
    """Asked before an HPA is written that is not as it should be."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_key: dict[tuple[str, str], _Contest] = {}

    def rest_s(self, key: tuple[str, str], wanted: Object) -> float:
        """How long to leave it as it is; 0 where it may be written now."""
        now_s, contest = self._clock.monotonic(), self._by_key.get(key)
        if contest is None or contest.wanted != wanted or now_s - contest.until_s > 2 * LONGEST_S:
            contest = self._by_key[key] = _Contest(wanted, until_s=now_s)
        if now_s < contest.until_s:
            return contest.until_s - now_s
        contest.moments = [one for one in contest.moments if now_s - one < WITHIN_S]
        if len(contest.moments) < TIMES:
            contest.moments.append(now_s)
            return 0.0
        contest.moments.clear()
        contest.until_s = now_s + contest.hold_s
        contest.hold_s = min(2 * contest.hold_s, LONGEST_S)
        return contest.until_s - now_s

    def forget(self, key: tuple[str, str]) -> None:
        self._by_key.pop(key, None)

    def is_news(self, key: tuple[str, str]) -> bool:
        """Whether it was not told yet that somebody else writes it."""
        contest = self._by_key[key]
        was_told, contest.is_told = contest.is_told, True
        return not was_told


def writer_of(hpa: Object) -> str:
    """Who wrote it last beside us, by the name of the field manager; "somebody else" where nobody says."""
    found = [
        one
        for one in hpa["metadata"].get("managedFields") or ()
        if one.get("manager") != FIELD_MANAGER and not one.get("subresource")
    ]
    last = max(found, key=lambda one: str(one.get("time") or ""), default=None)
    return str(last["manager"]) if last is not None else "somebody else"
