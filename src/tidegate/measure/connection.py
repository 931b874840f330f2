"""One server as the rounds know it: its adapter, the questions that wait for it, its back-off and budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from tidegate.base.errors import Failure, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter
from tidegate.kit.question import Question, Server
from tidegate.kit.systems.calls import Tally, calls_of
from tidegate.measure.backoff import hold_s
from tidegate.measure.budget import WINDOW_S, BudgetState, Purse, is_news
from tidegate.measure.followed import Followed, Run, TriggerKey
from tidegate.measure.schedule import GRID_S, PHASE_QUESTIONS, Lane, Phase, next_aligned, origin_s
from tidegate.telemetry.metrics.http_traffic import HttpTraffic

IDLE_S = 60.0
"""A connection that nobody follows is closed after this, or after two intervals of its last asker."""

_LONGEST_INTERVAL_S = 60.0
_HOLD_TOLERANCE_S = 0.005


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server at a glance: its system and label, the calls of its adapter, the triggers it is asked for.

    `round_trips` and `connections` are what the adapter counts itself, None where it does not. `failure` is
    that of the server as a whole, None while it answers. `http` is what went over HTTP; `types` are those of
    its triggers, `only` is the one that it is asked for where there is no other; `budget` None: it has none.
    """

    system: str
    label: str
    calls: int
    questions: int
    triggers: int
    round_trips: int | None
    connections: int | None
    failure: Failure | None
    http: HttpTraffic | None
    types: tuple[str, ...]
    only: TriggerKey | None
    budget: BudgetState | None = None


Start = tuple[Followed, bool, float | None]
"""A trigger that is due, whether its reading is reported, and when it was due as a poll."""


class Connection:
    """`server` None stands for triggers that ask nobody: they have due times but no adapter.

    At most one call is under way. `starting` is due now, `wanted` at the next slot (the value tells
    whether its reading is reported), `missed` failed with the server and is due when the hold ends.
    Where it has a budget (`purse`), what is due stands in the row `deferred` until its turn.
    """

    __slots__ = (
        "adapter",
        "asked_at",
        "calls",
        "deferred",
        "error",
        "failure",
        "held_until",
        "idle_s",
        "is_busy",
        "is_looked_at",
        "is_watched_idle",
        "label",
        "lanes",
        "missed",
        "next_slot",
        "origin",
        "pending",
        "purse",
        "questions",
        "server",
        "starting",
        "strikes",
        "told_factor",
        "wanted",
    )

    def __init__(self, server: Server | None, per_minute: float | None = None) -> None:
        self.server = server
        self.purse = Purse(per_minute) if per_minute is not None else None
        self.deferred: dict[Followed, tuple[bool, float | None]] = {}
        self.is_looked_at = False
        self.told_factor = 1.0
        self.label = server.label() if server is not None else ""
        self.origin = origin_s(server) if server is not None else 0.0
        self.adapter: Adapter | None = None
        self.lanes: dict[float, Lane[Followed]] = {}
        self.pending: dict[Question, list[Run]] = {}
        self.starting: list[Start] = []
        self.wanted: dict[Followed, bool] = {}
        self.missed: dict[Followed, None] = {}
        self.is_busy = False
        self.is_watched_idle = False
        self.error: TidegateError | None = None
        self.failure: Failure | None = None
        self.strikes = 0
        self.held_until = -math.inf
        self.asked_at = -math.inf
        self.next_slot = math.inf
        self.idle_s = IDLE_S
        self.calls = self.questions = 0

    def state(self) -> ServerState:
        """What is told of the server; not of a connection without one."""
        assert self.server is not None
        members = [
            one for lane in self.lanes.values() for seat in lane.seats.values() for one in seat.members
        ]
        return ServerState(
            self.server.system,
            self.label,
            self.calls,
            self.questions,
            len(members),
            getattr(self.adapter, "round_trips", None),
            getattr(self.adapter, "connections", None),
            self.failure,
            getattr(self.adapter, "http", None),
            tuple(sorted({one.scaler.type for one in members})),
            members[0].key if len(members) == 1 else None,
            self._budget_state(),
        )

    def _budget_state(self) -> BudgetState | None:
        purse = self.purse
        if purse is None:
            return None
        return BudgetState(purse.per_minute, purse.wanted, len(self.deferred), purse.calls, purse.factor)

    @property
    def batch(self) -> int:
        """Questions per call."""
        return min(self.adapter.batch, PHASE_QUESTIONS) if self.adapter is not None else PHASE_QUESTIONS

    @property
    def gap_s(self) -> float:
        """Least time between answers that no poll asked for."""
        return self.adapter.wake_gap_s if self.adapter is not None else GRID_S

    def open(self, connect: Callable[[Server], Adapter]) -> Adapter:
        """The adapter, made on first use. Raises whatever `connect` raises."""
        if self.adapter is None:
            assert self.server is not None
            self.adapter = connect(self.server)
        return self.adapter

    def is_held(self, now_s: float) -> bool:
        """A slot at the end of the hold may be served a little early: it is not held any more."""
        return now_s < self.held_until - _HOLD_TOLERANCE_S

    def slot(self, now_s: float) -> float:
        """When a wake-up of now is served: on the grid, and not within the gap of a metered server."""
        is_metered = self.gap_s > GRID_S
        earliest_s = max(now_s, self.asked_at + self.gap_s) if is_metered else now_s
        return next_aligned(earliest_s, self.origin, GRID_S)

    def soon(self, now_s: float) -> float:
        """When a push of now is served: at once, unless the server was asked within its gap."""
        return max(now_s, self.asked_at + max(self.gap_s, GRID_S))

    def take_wanted(self, until_s: float) -> dict[Followed, bool]:
        """Those whose turn it is; of a metered server, not those that a poll has asked for meanwhile."""
        wanted, self.wanted = self.wanted, {}
        if self.gap_s > GRID_S:
            # Who got the failure of a held server was not asked: nobody was asked after the last call.
            until_s -= self.gap_s
            self.wanted = {
                one: told for one, told in wanted.items() if min(one.sent_at, self.asked_at) > until_s
            }
            wanted = {one: told for one, told in wanted.items() if one not in self.wanted}
        return wanted

    def strike(self, error: TidegateError, now_s: float) -> bool:
        """Counts a failure of the whole server and holds it; whether this kind of failure is news."""
        is_news = self.failure is None or self.failure.kind != error.kind
        self.strikes += 1
        error.__traceback__ = None
        self.error = error
        self.failure = Failure.of(error)
        shortest = min(self.lanes, default=_LONGEST_INTERVAL_S)
        told_s = error.retry_after_s if isinstance(error, Unreachable) else None
        gap_s = min(self.gap_s, shortest)
        self.held_until = now_s + hold_s(error.kind, self.strikes, shortest, gap_s, told_s)
        return is_news

    def recover(self) -> bool:
        """Forgets its failures; whether there were any."""
        had_failed = self.failure is not None
        self.strikes = 0
        self.error = self.failure = None
        self.held_until = -math.inf
        return had_failed

    def take_batch(self) -> dict[Question, list[Run]]:
        """The questions of the next call with the runs that wait for them; nothing for nobody."""
        if len(self.pending) <= self.batch and self.purse is None:
            batch = self.take_pending()
        else:
            batch = dict(islice(self.pending.items(), self._affordable()))
            for question in batch:
                del self.pending[question]
        for question, runs in list(batch.items()):
            live = [run for run in runs if not run.followed.is_gone]
            # A question is a nested value: hashing it once more costs more than looking at its runs.
            if not live:
                del batch[question]
            elif len(live) < len(runs):
                batch[question] = live
        return batch

    def _affordable(self) -> int:
        """How many of the questions that wait may travel in one call of the adapter; one at least."""
        if self.purse is None:
            return self.batch
        tally = Tally()
        for count, question in enumerate(islice(self.pending, self.batch)):
            if not tally.fits((question,), self.purse.portion if count else None):
                return count
        return self.batch

    def take_pending(self) -> dict[Question, list[Run]]:
        pending, self.pending = self.pending, {}
        return pending

    def drop(self, followed: Followed) -> None:
        """Takes a trigger out of every list but the runs under way."""
        self.wanted.pop(followed, None)
        self.missed.pop(followed, None)
        self.deferred.pop(followed, None)
        if followed.seat is not None:
            lane = self.lanes[followed.interval_s]
            lane.leave(followed, followed.seat)
            followed.seat = None
            if not lane.phases:
                del self.lanes[followed.interval_s]

    def has_work(self) -> bool:
        """Whether something is to be started or sent."""
        return bool(self.starting or self.deferred or self.pending)

    def may_start(self) -> bool:
        """Whether something is to be started now; with a budget, what has been started is answered first."""
        return bool(self.starting or self.deferred) and not (self.purse is not None and self.pending)

    # --- a budget

    def defer(self, due: list[Start]) -> None:
        """Puts what is due at the end of the row; who stands there already keeps the place."""
        for followed, is_told, due_s in due:
            was_told, was_due = self.deferred.get(followed, (False, None))
            self.deferred[followed] = (was_told or is_told, due_s if was_due is None else was_due)

    def take_portion(self, most: int | None) -> list[Start]:
        """The first of the row, and those after them that make `most` calls with them; None: all."""
        tally, taken = Tally(), list[Start]()
        for followed, (is_told, due_s) in self.deferred.items():
            questions = followed.seat.questions if followed.seat is not None else ()
            if tally.fits(questions, most if taken else None):
                taken.append((followed, is_told, due_s))
            elif not tally.has_room:
                break
        for followed, _, _ in taken:
            del self.deferred[followed]
        return taken

    def turn_s(self, followed: Followed, now_s: float) -> float:
        """Seconds until it is its turn in the row; those of a newcomer where it does not stand there."""
        if self.purse is None:
            return 0.0
        tally = Tally()
        for one in self.deferred:
            if one is followed:
                break
            if one.seat is not None:
                tally.fits(one.seat.questions, None)
        return self.purse.ready_at(now_s, 1) - now_s + tally.calls * WINDOW_S / self.purse.per_minute

    def kept_s(self, followed: Followed) -> float:
        """How old a reading may be because of a budget: polls alone are paid, and one may come an interval
        late where others stand before it."""
        return 2 * followed.period_s if self.purse is not None else 0.0

    def look_at_budget(self) -> list[TriggerKey]:
        """Stretches the intervals as the triggers of now want it; those to whom that is news."""
        purse = self.purse
        if purse is None:
            return []
        rounds = [
            (interval_s, calls_of(one for seat in phase.seats for one in seat.questions))
            for interval_s, lane in self.lanes.items()
            for phase in lane.phases.values()
        ]
        if not purse.look(rounds):
            return []
        members = [
            one for lane in self.lanes.values() for seat in lane.seats.values() for one in seat.members
        ]
        for followed in members:
            followed.period_s = followed.interval_s * purse.factor
        if not is_news(self.told_factor, purse.factor):
            return []
        self.told_factor = purse.factor
        return [one.key for one in members]

    def next_due(self, lane: Lane[Followed], phase: Phase[Followed], due_s: float, now_s: float) -> float:
        """When a phase that was due at `due_s` is due next."""
        after_s = max(due_s, now_s)
        if self.purse is None or self.purse.factor == 1:
            return lane.due_after(phase, after_s)
        return next_aligned(
            max(due_s + lane.interval_s * self.purse.factor, after_s + GRID_S), self.origin, GRID_S
        )
