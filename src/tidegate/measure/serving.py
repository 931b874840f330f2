"""Serving connections: start what is due, send what waits as one list, resume runs with the answers."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from tidegate.base.errors import Failure, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter
from tidegate.kit.question import Question, Server
from tidegate.kit.scaler import Clocked
from tidegate.measure.calling import call, close, open_adapter
from tidegate.measure.connection import Connection, ServerState
from tidegate.measure.followed import Followed, Run
from tidegate.measure.readings import Readings
from tidegate.measure.schedule import Agenda
from tidegate.measure.turns import Turns
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

CHUNK = 200
"""Steps after which a long loop lets others run; at some 10 us a step about 2 ms."""

EARLY_S = 0.002
"""The loop's timers may fire this early; what is due within it is done now."""


class Serving:
    """The connections and the tasks that serve them; a task lives only while its server has work."""

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        readings: Readings,
        connect: Callable[[Server], Adapter],
        on_server: Callable[[str, Failure | None], None] | None,
        timeout_s: float,
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        self.turns = Turns(clock, agenda)
        self._clock = clock
        self._agenda = agenda
        self._readings = readings
        self._connect = connect
        self._on_server = on_server
        self._timeout_s = timeout_s
        self._connections: dict[Server | None, Connection] = {}
        self._seated: dict[Followed, Connection] = {}

    def connection(self, server: Server | None) -> Connection:
        found = self._connections.get(server)
        if found is None:
            found = self._connections[server] = Connection(server, self.turns.budget(server))
        return found

    def adapter(self, server: Server) -> Adapter:
        """The server's adapter, made where there is none. Raises whatever making it raises."""
        return self.connection(server).open(self._connect)

    def seat(self, followed: Followed, connection: Connection) -> None:
        """The connection that the trigger is polled with."""
        self._seated[followed] = connection

    def seated(self, followed: Followed) -> Connection | None:
        """The connection of a trigger; None before it is seated."""
        return self._seated.get(followed)

    def leave(self, followed: Followed) -> None:
        """The trigger is polled no more; a connection that nobody needs any more is closed later."""
        connection = self._seated.pop(followed, None)
        if connection is not None:
            connection.drop(followed)
            self.turns.look(connection)
            self.watch_idle(connection)

    def want(self, followed: Followed, *, is_told: bool, is_urgent: bool = False) -> None:
        """Puts a seated trigger on its server's next slot; an urgent one does not wait for the grid."""
        connection = self._seated.get(followed)
        if connection is not None:
            self._readings.counters.wake_ups += is_told
            connection.wanted[followed] = connection.wanted.get(followed, False) or is_told
            now_s = self._clock.monotonic()
            self._plan_slot(connection, connection.soon(now_s) if is_urgent else connection.slot(now_s))

    def hold(self, followed: Followed, connection: Connection, is_told: bool) -> None:
        """Gives the trigger its server's failure unasked; it is asked again when the hold ends."""
        self._readings.hold(followed, connection, is_told)
        self._plan_slot(connection, connection.slot(connection.held_until))

    def start(self, connection: Connection, due: Sequence[tuple[Followed, bool, float | None]]) -> None:
        """Begins a run of each: the trigger, whether its reading is reported, when it was due as a poll."""
        for followed, _, _ in due:
            followed.is_starting = True
        connection.starting.extend(due)
        self.kick(connection)

    def kick(self, connection: Connection) -> None:
        """Serves the connection if it has work and nobody serves it already."""
        has_work = connection.starting or connection.pending
        if has_work and not connection.is_busy and self.group is not None:
            connection.is_busy = True
            self.group.create_task(self._serve(connection))

    def watch_idle(self, connection: Connection) -> None:
        """Closes the connection once it has been idle for long and no trigger is seated on it."""
        if not connection.lanes and not connection.is_watched_idle and connection.server is not None:
            connection.is_watched_idle = True
            since_s = max(connection.asked_at, self._clock.monotonic())
            self._agenda.add(since_s + connection.idle_s, partial(self._close_idle, connection))

    def servers(self) -> Iterator[ServerState]:
        """Every server that is connected now, with what was sent to it when it comes to it; in no order."""
        for one in tuple(self._connections.values()):
            if one.server is not None:
                yield one.state()

    async def close_all(self) -> None:
        adapters = [one.adapter for one in self._connections.values() if one.adapter is not None]
        self._connections = {}
        await asyncio.gather(*(close(adapter) for adapter in adapters))

    # --- slots and idle connections, called by the agenda

    def _plan_slot(self, connection: Connection, at_s: float) -> None:
        if at_s < connection.next_slot - EARLY_S:
            connection.next_slot = at_s
            self._agenda.add(at_s, partial(self._slot, connection))

    def _slot(self, connection: Connection, due_s: float) -> None:
        if connection.next_slot <= due_s + EARLY_S:
            connection.next_slot = math.inf
        wanted = connection.take_wanted(due_s + EARLY_S)
        if connection.wanted:
            self._plan_slot(connection, connection.slot(due_s))
        if connection.is_held(self._clock.monotonic()):
            self._plan_slot(connection, connection.slot(connection.held_until))
        else:
            wanted.update(dict.fromkeys(connection.missed, True))
            connection.missed = {}
        self.start(connection, [(followed, is_told, None) for followed, is_told in wanted.items()])

    def _close_idle(self, connection: Connection, _due_s: float) -> None:
        connection.is_watched_idle = False
        if connection.lanes or self._connections.get(connection.server) is not connection:
            return
        idle_for_s = self._clock.monotonic() - connection.asked_at
        if connection.is_busy or connection.pending or idle_for_s < connection.idle_s - EARLY_S:
            self.watch_idle(connection)
            return
        del self._connections[connection.server]
        adapter, connection.adapter = connection.adapter, None
        if adapter is not None and self.group is not None:
            self.group.create_task(close(adapter))

    # --- one connection at work

    async def _serve(self, connection: Connection) -> None:
        try:
            while connection.has_work():
                if connection.may_start():
                    await self._start_due(connection)
                if connection.pending:
                    await self._send(connection)
        finally:
            connection.is_busy = False
        self.watch_idle(connection)

    async def _start_due(self, connection: Connection) -> None:
        if connection.purse is not None:
            starting = await self.turns.turn(connection, connection.purse)
        else:
            starting, connection.starting = connection.starting, []
        touched: set[Connection] = set()
        for count, (followed, is_told, due) in enumerate(starting, start=1):
            run = self._start(followed, is_told, due)
            if run is not None:
                self._step(run, None, touched)
            if count % CHUNK == 0:
                await asyncio.sleep(0)
        self._kick_all(touched)

    async def _send(self, connection: Connection) -> None:
        """One call: the next batch, and what comes of it."""
        error = open_adapter(connection, self._connect)
        batch: dict[Question, list[Run]] = {}
        answers: Any = ()
        if error is None:
            batch = connection.take_batch()
            if not batch:
                return
            booked = await self.turns.pay(connection, list(batch))
            await self._mark_sent(batch)
            connection.asked_at = self._clock.monotonic()
            counters = self._readings.counters
            counters.rounds += 1
            counters.questions += len(batch)
            connection.calls += 1
            connection.questions += len(batch)
            adapter = connection.adapter
            before = getattr(adapter, "round_trips", None)
            answers = await call(connection, list(batch), self._timeout_s)
            if before is not None:
                self.turns.correct(connection, booked, getattr(adapter, "round_trips", before) - before)
            if isinstance(answers, TidegateError):
                error = answers
            else:
                counters.answers += len(answers)
        if error is not None:
            self._strike(connection, error)
            answers = (error,) * len(batch)
        elif (error := _resting(answers)) is not None:
            self._strike(connection, error)
        else:
            self._recover(connection)
        if error is not None:
            left = connection.take_pending()
            batch.update(left)
            answers = (*answers, *(error,) * len(left))
        await self._deliver_all(connection, batch, answers)

    async def _mark_sent(self, batch: dict[Question, list[Run]]) -> None:
        now, now_s = self._clock.now(), self._clock.monotonic()
        count = 0
        for runs in batch.values():
            for run in runs:
                if run.asked_at is None:
                    run.mark_sent(now, now_s)
                    count += 1
                    if count % CHUNK == 0:
                        await asyncio.sleep(0)

    async def _deliver_all(
        self, connection: Connection, batch: dict[Question, list[Run]], answers: Sequence[Any]
    ) -> None:
        touched: set[Connection] = set()
        count = 0
        for (question, runs), answer in zip(batch.items(), answers, strict=True):
            for run in runs:
                if answer is not None and answer is connection.error:
                    run.missed = connection.missed
                self._deliver(run, question, answer, touched)
                count += 1
                if count % CHUNK == 0:
                    await asyncio.sleep(0)
        self._kick_all(touched)

    def _kick_all(self, touched: set[Connection]) -> None:
        for connection in touched:
            self.kick(connection)

    # --- one run

    def _start(self, followed: Followed, is_told: bool, due: float | None) -> Run | None:
        """A new run that wants its first step; None where none is needed now."""
        followed.is_starting = False
        connection = self._seated.get(followed)
        if followed.is_gone or connection is None:
            return None
        if isinstance(followed.scaler, Clocked):
            self._readings.compute(followed, is_told)
            return None
        if followed.run is not None:
            self._join(followed, followed.run, is_told, due)
            return None
        if connection.is_held(self._clock.monotonic()):
            self.hold(followed, connection, is_told)
            return None
        connection.missed.pop(followed, None)
        # Whoever has waited for the next slot of a metered server gets a newer reading right now.
        is_told = connection.wanted.pop(followed, False) or is_told
        followed.run = Run(followed, self._clock.now(), is_told=is_told, due=due)
        return followed.run

    def _join(self, followed: Followed, run: Run, is_told: bool, due: float | None) -> None:
        """A poll is answered by the run under way; a wake-up is newer than a question already sent."""
        is_sent = run.asked_at is not None
        if is_told and due is None and is_sent:
            followed.is_wanted_again = True
            return
        run.is_told = run.is_told or is_told
        if run.due is None and not is_sent:
            run.due = due

    def _step(self, run: Run, answers: tuple[Any, ...] | None, touched: set[Connection]) -> None:
        """Resumes the run until it waits for an answer or has ended."""
        while run.advance(answers):
            try:
                known = self._queue(run, touched)
            except Exception as error:
                run.fail(error)
                break
            if known is None:
                return
            answers = known
        self._finish(run)

    def _queue(self, run: Run, touched: set[Connection]) -> tuple[Any, ...] | None:
        """Puts the run's questions where they wait; the answers if servers on hold know them all."""
        now_s = self._clock.monotonic()
        for question in run.questions:
            connection = self.connection(question.server)
            if connection.is_held(now_s):
                run.got[question] = connection.error
                run.missed = connection.missed
                self._plan_slot(connection, connection.slot(connection.held_until))
                continue
            connection.idle_s = max(connection.idle_s, 2 * run.followed.interval_s)
            waiting = connection.pending.setdefault(question, [])
            # Equal questions of one run come one after the other, so the last entry tells.
            if not waiting or waiting[-1] is not run:
                waiting.append(run)
            touched.add(connection)
        return run.answers() if run.got else None

    def _deliver(self, run: Run, question: Question, answer: Any, touched: set[Connection]) -> None:
        if run.outcome is not None:
            return
        if run.followed.is_gone:
            run.coroutine.close()
            return
        run.got[question] = answer
        answers = run.answers()
        if answers is not None:
            self._step(run, answers, touched)

    def _finish(self, run: Run) -> None:
        followed = run.followed
        followed.run = None
        if followed.is_gone:
            return
        if run.missed is not None and isinstance(run.outcome, Failure):
            run.missed[followed] = None
        self._readings.keep_outcome(run)
        if followed.is_wanted_again:
            followed.is_wanted_again = False
            self.want(followed, is_told=True)

    # --- a server that fails as a whole

    def _strike(self, connection: Connection, error: TidegateError) -> None:
        is_news = connection.strike(error, self._clock.monotonic())
        self._plan_slot(connection, connection.slot(connection.held_until))
        if is_news:
            log.warning("server failed", extra={"server": connection.label, "failure": str(error)})
            self._tell(connection)

    def _recover(self, connection: Connection) -> None:
        if connection.recover():
            log.info("server recovered", extra={"server": connection.label})
            self._tell(connection)

    def _tell(self, connection: Connection) -> None:
        if self._on_server is not None:
            self._on_server(connection.label, connection.failure)


def _resting(answers: Sequence[Any]) -> Unreachable | None:
    """That the server wants to be left alone for a while, though it has answered some."""
    return next(
        (one for one in answers if isinstance(one, Unreachable) and one.retry_after_s is not None), None
    )
