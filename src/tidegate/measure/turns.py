"""Who may call a server with a budget now: turns in its row, payments, and intervals that are stretched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tidegate.kit.question import Question, Server
from tidegate.kit.systems.calls import calls_of
from tidegate.measure.budget import MOMENT_S, Purse, budget_of
from tidegate.measure.connection import Connection, Start
from tidegate.measure.followed import TriggerKey
from tidegate.measure.schedule import Agenda
from tidegate.runtime.clock import Clock

LOOK_S = 1.0
"""Intervals are looked at so long after the triggers of a server have changed: thousands come at once."""


class Turns:
    """`budgets` are calls in a minute by system, of each server for itself; `on_paced` hears of the triggers
    whose intervals are stretched further from now on, or less."""

    def __init__(self, clock: Clock, agenda: Agenda) -> None:
        self.budgets: Mapping[str, float] = {}
        self.on_paced: Callable[[TriggerKey], object] | None = None
        self._clock = clock
        self._agenda = agenda

    def budget(self, server: Server | None) -> float | None:
        """Calls in a minute, None where they are not limited."""
        return budget_of(server, self.budgets) if server is not None else None

    def look(self, connection: Connection) -> None:
        """Sees to it that the intervals are stretched as far as the triggers of now want it."""
        if connection.purse is not None and not connection.is_looked_at:
            connection.is_looked_at = True
            self._agenda.add(self._clock.monotonic() + LOOK_S, partial(self._look, connection))

    def _look(self, connection: Connection, _due_s: float) -> None:
        connection.is_looked_at = False
        for key in connection.look_at_budget():
            if self.on_paced is not None:
                self.on_paced(key)

    async def turn(self, connection: Connection, purse: Purse) -> list[Start]:
        """Those in the row whose turn it is, when it is; all of them while the server is left alone: they get
        its failure unasked."""
        while True:
            due, connection.starting = connection.starting, []
            connection.defer(due)
            now_s = self._clock.monotonic()
            if connection.is_held(now_s):
                return connection.take_portion(None)
            rest_s = purse.ready_at(now_s, 1) - now_s
            if rest_s <= MOMENT_S or not connection.deferred:
                return connection.take_portion(purse.portion)
            await self._clock.sleep(rest_s)

    async def pay(self, connection: Connection, questions: Sequence[Question]) -> int:
        """Waits until the server may have the calls of these questions, and books them."""
        purse = connection.purse
        if purse is None:
            return 0
        calls = calls_of(questions)
        now_s = self._clock.monotonic()
        while (rest_s := purse.ready_at(now_s, calls) - now_s) > MOMENT_S:
            await self._clock.sleep(rest_s)
            now_s = self._clock.monotonic()
        purse.pay(now_s, calls)
        return calls

    def correct(self, connection: Connection, booked: int, really: int) -> None:
        """Books what the adapter itself has counted."""
        purse = connection.purse
        if purse is not None and purse.correct(self._clock.monotonic(), booked, really):
            self.look(connection)
