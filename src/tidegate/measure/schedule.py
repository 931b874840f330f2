"""When things are due: a grid per server, phases per interval, and the heap they wait in.

Everything due for one server lies on a grid that starts at the server's origin, whatever the
interval, so that rounds of different intervals meet and travel together. A phase holds at most
1,000 different questions; further phases lie between the first ones:

    interval   |------------------------|------------------------|
    phases     0     2     1     3      0     2     1     3      0     (1/2, then 1/4, 3/4, then 1/8 …)

A phase that is added moves none of the others.
"""

from __future__ import annotations

import heapq
import math
import zlib
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from tidegate.kit.question import Question, Server

GRID_S = 0.25
PHASE_QUESTIONS = 1_000

_ORIGIN_SPAN_MS = 3_600_000
_ROUNDING = 1e-6

Member = TypeVar("Member", bound=Hashable)


def origin_s(server: Server) -> float:
    """Seconds (0 … 3,600) that shift all that is due for this server; the same in every process."""
    return (zlib.crc32(f"{server.system} {server.label()}".encode()) % _ORIGIN_SPAN_MS) / 1_000


def next_aligned(after_s: float, origin: float, step_s: float) -> float:
    """The first moment not before `after_s` that is a whole number of steps away from `origin`."""
    return origin + math.ceil((after_s - origin - _ROUNDING) / step_s) * step_s


def phase_share(ordinal: int) -> float:
    """Where the n-th phase lies in its interval (0 … 1): 0, 1/2, 1/4, 3/4, 1/8 …"""
    share, weight = 0.0, 0.5
    while ordinal:
        share += weight * (ordinal & 1)
        ordinal >>= 1
        weight /= 2
    return share


class Seat(Generic[Member]):
    """All members of a lane whose first questions are equal: they are asked once, in one phase."""

    __slots__ = ("members", "phase", "questions")

    def __init__(self, questions: tuple[Question, ...], phase: Phase[Member]) -> None:
        self.questions = questions
        self.phase = phase
        self.members: dict[Member, None] = {}

    @property
    def weight(self) -> int:
        return max(1, len(self.questions))


class Phase(Generic[Member]):
    """Seats that fall due together; at `due_s` next."""

    __slots__ = ("due_s", "ordinal", "seats", "weight")

    def __init__(self, ordinal: int) -> None:
        self.ordinal = ordinal
        self.due_s = 0.0
        self.seats: dict[Seat[Member], None] = {}
        self.weight = 0

    @property
    def room(self) -> int:
        return PHASE_QUESTIONS - self.weight

    def members(self) -> list[Member]:
        return [member for seat in self.seats for member in seat.members]

    def take(self, seat: Seat[Member]) -> None:
        self.seats[seat] = None
        self.weight += seat.weight
        seat.phase = self

    def drop(self, seat: Seat[Member]) -> None:
        del self.seats[seat]
        self.weight -= seat.weight


class Lane(Generic[Member]):
    """What is asked of one server at one interval."""

    __slots__ = ("interval_s", "origin", "phases", "seats")

    def __init__(self, origin: float, interval_s: float) -> None:
        self.origin = origin
        self.interval_s = interval_s
        self.phases: dict[int, Phase[Member]] = {}
        self.seats: dict[tuple[Question, ...], Seat[Member]] = {}

    def place(self, member: Member, questions: tuple[Question, ...]) -> tuple[Seat[Member], bool]:
        """The seat that `member` now has, and whether its phase is new."""
        seat = self.seats.get(questions)
        is_new = False
        if seat is None:
            need = max(1, len(questions))
            phase = next((one for one in self.phases.values() if one.room >= need), None)
            if phase is None:
                ordinal = next(n for n in range(len(self.phases) + 1) if n not in self.phases)
                phase = self.phases[ordinal] = Phase(ordinal)
                is_new = True
            seat = self.seats[questions] = Seat(questions, phase)
            phase.take(seat)
        seat.members[member] = None
        return seat, is_new

    def leave(self, member: Member, seat: Seat[Member]) -> None:
        """Gives the place up; empty seats and phases vanish."""
        del seat.members[member]
        if seat.members:
            return
        del self.seats[seat.questions]
        seat.phase.drop(seat)
        if not seat.phase.seats:
            del self.phases[seat.phase.ordinal]

    def has(self, phase: Phase[Member]) -> bool:
        return self.phases.get(phase.ordinal) is phase

    def due_after(self, phase: Phase[Member], after_s: float) -> float:
        """The phase's first moment later than `after_s`."""
        start = self.origin + phase_share(phase.ordinal) * self.interval_s
        due = next_aligned(after_s, start, self.interval_s)
        return due if due > after_s + _ROUNDING else due + self.interval_s

    def dissolve(self, phase: Phase[Member]) -> bool:
        """Moves the phase's seats to the others if they have room; whether it did.

        Right after the phase was served: then none of its members waits longer than an interval.
        """
        others = [one for one in self.phases.values() if one is not phase]
        if sum(one.room for one in others) < phase.weight:
            return False
        for seat in list(phase.seats):
            roomy = next((one for one in others if one.room >= seat.weight), None)
            if roomy is None:
                return False
            phase.drop(seat)
            roomy.take(seat)
        del self.phases[phase.ordinal]
        return True


class Agenda:
    """A heap of things to do at a moment; `alert` is called when the earliest moment moves forward."""

    __slots__ = ("_alert", "_count", "_heap")

    def __init__(self, alert: Callable[[], None]) -> None:
        self._alert = alert
        self._count = 0
        self._heap: list[tuple[float, int, Callable[[float], None]]] = []

    def add(self, due_s: float, act: Callable[[float], None]) -> None:
        """`act` gets its own due moment when it is done."""
        self._count += 1
        heapq.heappush(self._heap, (due_s, self._count, act))
        if self._heap[0][1] == self._count:
            self._alert()

    def next_due(self) -> float | None:
        return self._heap[0][0] if self._heap else None

    def act(self, until_s: float) -> None:
        """Does all that is due not later than `until_s`; what that adds waits for the next time."""
        due = []
        while self._heap and self._heap[0][0] <= until_s:
            due.append(heapq.heappop(self._heap))
        for due_s, _, act in due:
            act(due_s)
