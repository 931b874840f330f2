"""How a reading is kept and reported, whichever way it came about."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from tidegate.core.values import Reading
from tidegate.kit.scaler import Clocked
from tidegate.measure.connection import Connection
from tidegate.measure.counters import Counters
from tidegate.measure.followed import Followed, Run, TriggerKey
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)


class Readings:
    """Keeps readings with their triggers, answers who waits for them, and reports news."""

    def __init__(
        self,
        clock: Clock,
        on_reading: Callable[[TriggerKey, Reading], None],
        on_kept: Callable[[TriggerKey], None] | None = None,
    ) -> None:
        self.counters = Counters()
        self._clock = clock
        self._on_reading = on_reading
        self._on_kept = on_kept

    def keep(self, followed: Followed, reading: Reading, asked_at: float, is_told: bool) -> None:
        """Stores a reading asked for at `asked_at`; reports it if `is_told` and it is news."""
        followed.keep(reading, asked_at)
        self.counters.readings += 1
        followed.answer_waiting(reading)
        if self._on_kept is not None:
            self._on_kept(followed.key)
        if not is_told:
            return
        followed.polled = reading
        if reading.snapshot is not None or not reading.is_same_news(followed.told):
            followed.told = reading
            self._on_reading(followed.key, reading)

    def keep_outcome(self, run: Run) -> None:
        """Stores what a run has come to."""
        followed = run.followed
        if run.crash is not None and not followed.has_crashed:
            log.error("measuring failed unexpectedly", exc_info=run.crash, extra={"trigger": followed.key})
        followed.has_crashed = run.crash is not None
        now_s = self._clock.monotonic()
        asked_at = run.asked_at if run.asked_at is not None else now_s
        if run.due is not None:
            self.counters.lateness.add(now_s - run.due)
            followed.late_s = max(0.0, asked_at - run.due)
        followed.empties += run.is_empty
        if run.waves and run.asked_at is not None:
            followed.took_s = now_s - run.asked_at
        self.keep(followed, run.reading(self._clock.now()), asked_at, run.is_told)

    def hold(self, followed: Followed, connection: Connection, is_told: bool) -> None:
        """The failure of a server that is being left alone becomes this trigger's reading, unasked."""
        now = self._clock.now()
        run = Run(followed, now, is_told=is_told)
        run.coroutine.close()
        run.mark_sent(now, self._clock.monotonic())
        run.outcome = connection.failure
        self.keep_outcome(run)
        connection.missed[followed] = None

    def compute(self, followed: Followed, is_told: bool) -> datetime | None:
        """Measures a clock trigger on the spot; the moment at which it may change next."""
        scaler = followed.scaler
        assert isinstance(scaler, Clocked)
        now = self._clock.now()
        run = Run(followed, now, is_told=is_told)
        run.mark_sent(now, self._clock.monotonic())
        change = None
        if run.advance(None):
            run.coroutine.close()
            run.fail(TypeError("a clock trigger asks nothing"))
        else:
            try:
                change = scaler.next_change(now)
            except Exception as error:
                run.fail(error)
        self.keep_outcome(run)
        return change
