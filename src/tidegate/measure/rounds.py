"""Rounds: what is due is asked once, one list per server, and the last reading is kept.

    follow ──► seat in a lane ──► due, woken or asked for ──► runs step side by side ──► questions
                                                                  ▲                        │ one list
    kept reading ◄── outcome ◄────────────────────────────────────┴──── answers ◄── adapter ◄ per server

One scheduler holds a heap of due moments; one task per server exists only while there is work for
it. Long loops give way every few hundred steps, so that no batch holds the event loop.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tidegate.base.errors import Failure, sentence
from tidegate.connections.adapter import Adapter
from tidegate.core.values import Reading
from tidegate.kit.question import Question, Server
from tidegate.kit.scaler import Clocked, Polled
from tidegate.measure.budget import Stretch
from tidegate.measure.connection import Connection, ServerState
from tidegate.measure.counters import Counters
from tidegate.measure.followed import Followed, Run, Snapshot, TriggerKey
from tidegate.measure.readings import Readings
from tidegate.measure.schedule import GRID_S, Agenda, Lane, Phase
from tidegate.measure.serving import CHUNK, EARLY_S, Serving
from tidegate.measure.watching import Watching
from tidegate.runtime.clock import Clock

# A clock trigger looks at the wall clock at least this often: that clock may be set, a machine may sleep.
_CLOCK_CHECK_S = 60.0
_LEAST_CLOCK_WAIT_S = 0.005
# Who asks for a reading waits no longer for a turn.
_LONGEST_TURN_S = 5.0


@dataclass(frozen=True, slots=True)
class NextPoll:
    """Seconds until a trigger is measured next. `is_held`: its server has failed and rests till then."""

    rest_s: float
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds that a trigger's last measurement took, and that its last poll was late; None before. How many
    measurements found that their source had nothing to say."""

    took_s: float | None = None
    late_s: float | None = None
    empties: int = 0


class Rounds:
    """Measures followed triggers and keeps their readings.

    `connect` makes the adapter of a server and touches no network. `on_reading` is called for each
    reading that polls and wake-ups bring, when it is other news than the last reported one, and
    always when it carries a snapshot; `on_kept` for each one that is kept, whoever asked. `on_server`
    hears once when a server fails, once when the kind of failure changes, and once (None) when it
    answers again. All callbacks must return at once. `timeout_s` bounds one call of an adapter.
    """

    def __init__(
        self,
        clock: Clock,
        connect: Callable[[Server], Adapter],
        on_reading: Callable[[TriggerKey, Reading], None],
        *,
        on_server: Callable[[str, Failure | None], None] | None = None,
        on_kept: Callable[[TriggerKey], None] | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._clock = clock
        self._followed: dict[TriggerKey, Followed] = {}
        self._newcomers: list[Followed] = []
        self._alert = asyncio.Event()
        self._agenda = Agenda(self._alert.set)
        self._readings = Readings(clock, on_reading, on_kept)
        self._serving = Serving(clock, self._agenda, self._readings, connect, on_server, timeout_s)
        self._watching = Watching(clock, self._agenda, self._serving.adapter, self._pushed)

    @property
    def counters(self) -> Counters:
        return self._readings.counters

    # --- what callers say

    def limit(self, budgets: Mapping[str, float], on_paced: Callable[[TriggerKey], object]) -> None:
        """Gives each server of these systems a budget of calls in a minute, before anything is followed.

        `on_paced` hears of each trigger whose interval is stretched anew.
        """
        self._serving.turns.budgets, self._serving.turns.on_paced = budgets, on_paced

    def follow(
        self, key: TriggerKey, scaler: Polled, *, interval_s: float, snapshot: Snapshot | None = None
    ) -> None:
        """Measures this trigger from now on, first at once.

        An equal scaler under the same key keeps its reading and schedule; another one replaces it.
        `snapshot` is called right before a question is sent, and goes into the reading.
        """
        interval_s = max(interval_s, GRID_S)
        known = self._followed.get(key)
        if known is not None and self.follows(key, scaler):
            known.snapshot = snapshot
            self._change_interval(known, interval_s)
            return
        followed = Followed(key, scaler, interval_s, snapshot)
        if known is not None:
            followed.waiting, known.waiting = known.waiting, []
            followed.failures, followed.empties = known.failures, known.empties
            self._remove(known)
        self._followed[key] = followed
        self._newcomers.append(followed)
        self._alert.set()

    def follows(self, key: TriggerKey, scaler: Polled) -> bool:
        """Whether an equal scaler is measured under this key."""
        known = self._followed.get(key)
        return known is not None and type(known.scaler) is type(scaler) and known.scaler == scaler

    def forget(self, key: TriggerKey) -> None:
        """Stops measuring; a connection that nobody needs any more is closed later."""
        followed = self._followed.pop(key, None)
        if followed is not None:
            self._remove(followed)
            followed.answer_waiting(self._unread("is no longer followed"))

    def wake(self, keys: Iterable[TriggerKey]) -> None:
        """Measures these triggers at the next slot of their servers: at most four times a second."""
        for key in keys:
            followed = self._followed.get(key)
            if followed is not None and self._serving.seated(followed) is not None:
                self._serving.want(followed, is_told=True)

    def latest(self, key: TriggerKey) -> Reading | None:
        """The kept reading; None before the first."""
        followed = self._followed.get(key)
        return followed.reading if followed is not None else None

    def measured_s(self, key: TriggerKey) -> float:
        """When the kept reading was asked for (monotonic); minus infinity before the first.

        A clock trigger's holds until its clock says otherwise: it is always of now.
        """
        followed = self._followed.get(key)
        if followed is None or followed.reading is None:
            return -math.inf
        return self._clock.monotonic() if isinstance(followed.scaler, Clocked) else followed.asked_at

    def polled(self, key: TriggerKey) -> Reading | None:
        """What decisions are made on: the reading of the last poll, wake-up or decisive question.

        It is the kept one, unless an HPA has asked in between.
        """
        followed = self._followed.get(key)
        return followed.polled if followed is not None else None

    def failed_polls(self, key: TriggerKey) -> int:
        """Polling intervals in a row that brought a failure, however often it was asked within one."""
        followed = self._followed.get(key)
        return followed.failed_polls if followed is not None else 0

    def failures(self, key: TriggerKey) -> int:
        """All failures since it is followed, whoever asked; an edit of the trigger does not begin anew."""
        followed = self._followed.get(key)
        return followed.failures if followed is not None else 0

    def pace(self, key: TriggerKey) -> Pace:
        """How long the last measurement took, how late its last poll began, how often nothing was found."""
        followed = self._followed.get(key)
        return Pace(followed.took_s, followed.late_s, followed.empties) if followed is not None else Pace()

    def stretch(self, key: TriggerKey) -> Stretch | None:
        """What a budget makes of the trigger's interval; None where its server has no budget."""
        followed, connection = self._seat_of(key)
        if followed is None or connection is None or connection.purse is None:
            return None
        return connection.purse.stretch(followed.interval_s)

    def kept_s(self, key: TriggerKey) -> float:
        """How old a reading may be because its server has a budget: calls are for polls."""
        followed, connection = self._seat_of(key)
        return connection.kept_s(followed) if followed is not None and connection is not None else 0.0

    def turn_s(self, key: TriggerKey) -> float:
        """Seconds that a budget lets the trigger wait if it is wanted now; 0 where there is none."""
        followed, connection = self._seat_of(key)
        now_s = self._clock.monotonic()
        return connection.turn_s(followed, now_s) if followed is not None and connection is not None else 0.0

    def _seat_of(self, key: TriggerKey) -> tuple[Followed | None, Connection | None]:
        followed = self._followed.get(key)
        return followed, self._serving.seated(followed) if followed is not None else None

    def servers(self) -> Iterator[ServerState]:
        """Every server that is connected now, with what was sent to it when it comes to it; in no order."""
        return self._serving.servers()

    def is_watched(self, key: TriggerKey) -> bool:
        """Whether the trigger's server tells of changes now: then it is measured between polls, too."""
        # One that does not answer tells nothing, whatever its connection for changes looks like.
        followed, connection = self._seat_of(key)
        is_down = connection is not None and connection.failure is not None
        return followed is not None and not is_down and self._watching.is_watched(followed)

    def why_unwatched(self, key: TriggerKey) -> str:
        """Why a server that could tell of changes does not; "" where it does, and of all others."""
        followed = self._followed.get(key)
        return self._watching.why_unwatched(followed) if followed is not None else ""

    def next_poll(self, key: TriggerKey) -> NextPoll | None:
        """When it is measured next; None where nobody knows: not followed, not seated yet, never again."""
        followed, connection = self._seat_of(key)
        if followed is None or connection is None:
            return None
        now_s = self._clock.monotonic()
        if isinstance(followed.scaler, Clocked):
            rest_s = (followed.change - self._clock.now()).total_seconds() if followed.change else None
            return NextPoll(max(0.0, rest_s)) if rest_s is not None else None
        if followed.seat is None:
            return None
        lane = connection.lanes[followed.interval_s]
        if connection.is_held(now_s):
            return NextPoll(connection.slot(connection.held_until) - now_s, is_held=True)
        if followed in connection.deferred:
            return NextPoll(connection.turn_s(followed, now_s))
        if connection.purse is not None:
            return NextPoll(max(0.0, followed.seat.phase.due_s - now_s))
        return NextPoll(max(0.0, lane.due_after(followed.seat.phase, now_s) - now_s))

    async def decisive(self, key: TriggerKey, max_age_s: float) -> Reading:
        """The same as `fresh`, and decisions are made on it from now on."""
        reading = await self.fresh(key, max_age_s)
        followed = self._followed.get(key)
        if followed is not None and followed.reading is not None:
            followed.adopt(reading)
        return reading

    async def fresh(self, key: TriggerKey, max_age_s: float) -> Reading:
        """A reading not older than `max_age_s`: the kept one, or that of a round all askers share.

        A server that is being left alone answers with its failure at once; one whose calls are
        metered (`wake_gap_s`) is not asked more often than that, and one with a budget not between its
        polls. Such a reading is not reported.
        """
        followed = self._followed.get(key)
        if followed is None:
            return self._unread("is not followed")
        if isinstance(followed.scaler, Clocked):
            self._readings.compute(followed, is_told=False)
            return followed.reading or self._unread("has no reading")
        connection = self._serving.seated(followed)
        now_s = self._clock.monotonic()
        if connection is not None:
            gap_s = max(connection.gap_s if connection.gap_s > GRID_S else 0.0, connection.kept_s(followed))
            if followed.reading is not None and now_s - followed.asked_at <= max(max_age_s, gap_s):
                return followed.reading
            if connection.is_held(now_s):
                self._serving.hold(followed, connection, is_told=False)
                return followed.reading or self._unread("has no reading")
            if followed.run is None and not followed.is_starting:
                self._serving.want(followed, is_told=False)
            if connection.purse is not None and connection.turn_s(followed, now_s) > _LONGEST_TURN_S:
                return self._unread("waits for its turn: the budget of its server's calls is spent")
        future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
        followed.waiting.append(future)
        return await future

    async def run(self) -> None:
        """Serves until cancelled; then closes every connection. May be called once."""
        try:
            async with asyncio.TaskGroup() as group:
                self._serving.group = self._watching.group = group
                while True:
                    await self._seat_newcomers()
                    self._agenda.act(self._clock.monotonic() + EARLY_S)
                    await self._until_due()
        finally:
            self._serving.group = self._watching.group = None
            for followed in self._followed.values():
                if followed.run is not None:
                    followed.run.coroutine.close()
                followed.answer_waiting(self._unread("is no longer measured"))
            await self._serving.close_all()

    # --- what falls due

    async def _until_due(self) -> None:
        if self._newcomers:
            return
        self._alert.clear()
        due_s = self._agenda.next_due()
        timer = asyncio.get_running_loop().call_at(due_s, self._alert.set) if due_s is not None else None
        try:
            await self._alert.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _seat_newcomers(self) -> None:
        """Learns each newcomer's server from its first question and puts it on the next slot."""
        newcomers, self._newcomers = self._newcomers, []
        for count, followed in enumerate(newcomers, start=1):
            if not followed.is_gone:
                self._seat(followed)
            if count % CHUNK == 0:
                await asyncio.sleep(0)

    def _seat(self, followed: Followed) -> None:
        if isinstance(followed.scaler, Clocked):
            self._serving.seat(followed, self._serving.connection(None))
            self._tick(followed, self._clock.monotonic())
            return
        questions, connection = self._first_questions(followed)
        self._serving.seat(followed, connection)
        self._place(followed, connection, questions)
        self._serving.want(followed, is_told=True)
        self._watching.add(followed)

    def _pushed(self, followed: Followed) -> None:
        """A push wakes its trigger as a change of its object would, and where nothing forbids it at once."""
        self.counters.pushes += 1
        self._serving.want(followed, is_told=True, is_urgent=True)

    def _first_questions(self, followed: Followed) -> tuple[tuple[Question, ...], Connection]:
        """What the trigger asks first, and of whom; nobody where it does not come so far."""
        probe = Run(followed, self._clock.now(), is_told=False)
        questions = probe.questions if probe.advance(None) else ()
        probe.coroutine.close()
        try:
            return questions, self._serving.connection(questions[0].server if questions else None)
        except Exception:
            # The measurement itself meets the same defect and says so.
            return (), self._serving.connection(None)

    def _place(self, followed: Followed, connection: Connection, questions: tuple[Question, ...]) -> None:
        lane = connection.lanes.get(followed.interval_s)
        if lane is None:
            lane = connection.lanes[followed.interval_s] = Lane(connection.origin, followed.interval_s)
        followed.seat, is_new = lane.place(followed, questions)
        phase = followed.seat.phase
        due_s = lane.due_after(phase, self._clock.monotonic())
        followed.first_due = due_s
        followed.period_s = followed.interval_s * (connection.purse.factor if connection.purse else 1.0)
        self._serving.turns.look(connection)
        if is_new:
            phase.due_s = due_s
            self._agenda.add(due_s, partial(self._poll, connection, lane, phase))

    def _change_interval(self, followed: Followed, interval_s: float) -> None:
        connection, seat = self._serving.seated(followed), followed.seat
        if interval_s == followed.interval_s:
            return
        if connection is not None and seat is not None:
            connection.drop(followed)
            followed.interval_s = interval_s
            self._place(followed, connection, seat.questions)
        followed.interval_s = interval_s

    def _poll(
        self, connection: Connection, lane: Lane[Followed], phase: Phase[Followed], due_s: float
    ) -> None:
        if connection.lanes.get(lane.interval_s) is not lane or not lane.has(phase):
            return
        self._serving.start(connection, [(followed, True, due_s) for followed in phase.members()])
        if not lane.dissolve(phase):
            phase.due_s = connection.next_due(lane, phase, due_s, self._clock.monotonic())
            self._agenda.add(phase.due_s, partial(self._poll, connection, lane, phase))

    def _tick(self, followed: Followed, due_s: float) -> None:
        """A clock trigger's own timer: computes when its value may have changed."""
        if followed.is_gone:
            return
        now = self._clock.now()
        # One that is still to come was read before the clock was set back: over an edge, perhaps.
        is_set_back = followed.reading is not None and now < followed.reading.at
        if followed.reading is None or is_set_back or (followed.change and now >= followed.change):
            followed.change = self._readings.compute(followed, is_told=True)
        if followed.change is not None:
            wait_s = (followed.change - now).total_seconds()
            wait_s = max(_LEAST_CLOCK_WAIT_S, min(wait_s, _CLOCK_CHECK_S))
            self._agenda.add(self._clock.monotonic() + wait_s, partial(self._tick, followed))

    def _remove(self, followed: Followed) -> None:
        followed.is_gone = True
        self._watching.drop(followed)
        self._serving.leave(followed)

    def _unread(self, state: str) -> Reading:
        failure = Failure("Unreachable", sentence("read the trigger", "", f"it {state}"))
        return Reading(self._clock.now(), failure=failure)
