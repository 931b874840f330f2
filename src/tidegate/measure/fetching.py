"""Values that vaults and their like keep: fetched when a trigger needs them, and again before they end.

    want(owner, questions) ──► one task per server: what is due, in one list ──► adapter
    held(question)         ◄── the last answer, or why there is none         ◄──┘

Nothing is fetched per poll, and what nobody wants any more is forgotten. A value that cannot be renewed
serves to its end, with a complaint. A server that fails as a whole is left alone as those of triggers are.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from tidegate.base.errors import Failure, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter
from tidegate.kit.fetched import Fetched, SourceQuestion, where
from tidegate.kit.question import Server
from tidegate.measure.backoff import hold_s
from tidegate.measure.calling import call, close, open_adapter
from tidegate.measure.connection import Connection
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

LOOK_S = 300.0
"""A value without an end is looked at this often; one with an end, this long before, or after half of it."""

KEPT_S = 3_600.0
"""A value without an end serves for so long after its source was heard last."""

LEAST_S = 5.0
"""No value is fetched more often, however short it says its life is."""

_GATHER_S = 15.0
"""What is due so soon is fetched with what is due now: a share of its period at most."""

_GATHER_SHARE = 0.1

_HURRY_S = 30.0
"""A value that a server refuses is looked at again so soon; then after twice as long, up to `LOOK_S`."""

_INTERVAL_S = 60.0


@dataclass(slots=True)
class _Value:
    """What is known of one answer. Moments are monotonic: it was fetched `at`, is fetched again when it is
    `due` (with others, from `early` on), and `ends`."""

    owners: set[Hashable] = field(default_factory=set)
    answer: Fetched | None = None
    failure: Failure | None = None
    at: float = -math.inf
    early: float = -math.inf
    due: float = -math.inf
    ends: float = math.inf
    strikes: int = 0
    hurries: int = 0

    @property
    def told(self) -> Fetched | Failure | None:
        """What its users are told."""
        if self.answer is None:
            return self.failure
        return replace(self.answer, complaint=self.failure.message) if self.failure else self.answer

    def got(self, answer: Fetched, now: float) -> None:
        life, at_most = answer.life_s, LOOK_S if answer.look_s is None else answer.look_s
        if life is None:
            self.ends, period = now + KEPT_S, at_most
        else:
            self.ends, period = now + max(life, 0.0), max(life / 2, life - LOOK_S)
            period = min(period, at_most) if answer.look_s is not None else period
        period = max(period, LEAST_S)
        self.at, self.due = now, now + period
        self.early = self.due - min(_GATHER_S, _GATHER_SHARE * period)
        if self.answer != answer or self.failure is not None:
            self.hurries = 0
        self.answer, self.failure, self.strikes = answer, None, 0

    def failed(self, error: TidegateError, now: float) -> None:
        self.failure = Failure.of(error)
        self.strikes += 1
        told_s = error.retry_after_s if isinstance(error, Unreachable) else None
        self.early = self.due = now + hold_s(error.kind, self.strikes, _INTERVAL_S, told_s=told_s)
        self.expire(now)

    def expire(self, now: float) -> None:
        if now >= self.ends:
            self.answer, self.ends = None, math.inf


class _Source:
    """A server with the values that are wanted of it."""

    def __init__(self, server: Server) -> None:
        self.connection = Connection(server)
        self.values: dict[SourceQuestion, _Value] = {}
        self.alert = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def rest_s(self, now: float) -> float:
        """Seconds until something is to be done."""
        held = self.connection.held_until
        due = min(max(one.due, held) for one in self.values.values())
        return min(due, *(one.ends for one in self.values.values())) - now

    def waiting(self, now: float) -> list[SourceQuestion]:
        """What is fetched now, the most urgent first; nothing where nothing is due."""
        if not any(one.due <= now for one in self.values.values()):
            return []
        early = [question for question, one in self.values.items() if one.early <= now]
        return sorted(early, key=lambda question: self.values[question].early)


class Fetching:
    """Keeps what was fetched. `connect` makes the adapter of a server and touches no network; `on_change` is
    called for a question when its users are told something else than before, and must return at once."""

    def __init__(
        self,
        clock: Clock,
        connect: Callable[[Server], Adapter],
        on_change: Callable[[SourceQuestion], None],
        *,
        timeout_s: float = 10.0,
    ) -> None:
        self._clock = clock
        self._connect = connect
        self._on_change = on_change
        self._timeout_s = timeout_s
        self._sources: dict[Server, _Source] = {}
        self._owned: dict[Hashable, frozenset[SourceQuestion]] = {}
        self._group: asyncio.TaskGroup | None = None
        self.calls = 0
        """Lists that were sent to adapters."""

    def __len__(self) -> int:
        return sum(len(one.values) for one in self._sources.values())

    def held(self, question: SourceQuestion) -> Fetched | Failure | None:
        """What is known now; None where nobody wants it, or the first answer is still to come."""
        source = self._sources.get(question.server)
        value = source.values.get(question) if source is not None else None
        return value.told if value is not None else None

    def want(self, owner: Hashable, questions: frozenset[SourceQuestion]) -> None:
        """The questions whose answers `owner` needs from now on, in place of those before."""
        before = self._owned.pop(owner, frozenset())
        if questions:
            self._owned[owner] = questions
        for question in questions - before:
            source = self._sources.get(question.server)
            if source is None:
                source = self._sources[question.server] = _Source(question.server)
            if question not in source.values:
                source.values[question] = _Value()
                source.alert.set()
            source.values[question].owners.add(owner)
            self._start(source)
        for question in before - questions:
            self._leave(owner, question)

    def hurry(self, questions: Iterable[SourceQuestion]) -> None:
        """A server refuses what was fetched: it is looked at again soon, and less and less often."""
        for question in questions:
            source = self._sources.get(question.server)
            value = source.values.get(question) if source is not None else None
            if source is None or value is None or value.answer is None or value.failure is not None:
                continue
            due = max(value.at + min(_HURRY_S * 2.0**value.hurries, LOOK_S), self._clock.monotonic())
            if due < value.due:
                value.hurries += 1
                value.early = value.due = due
                source.alert.set()

    async def run(self) -> None:
        """Fetches until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for source in self._sources.values():
                    self._start(source)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            for source in self._sources.values():
                source.task = None

    def _start(self, source: _Source) -> None:
        if self._group is not None and source.task is None:
            source.task = self._group.create_task(self._serve(source))

    def _leave(self, owner: Hashable, question: SourceQuestion) -> None:
        source = self._sources[question.server]
        value = source.values[question]
        value.owners.discard(owner)
        if value.owners:
            return
        del source.values[question]
        if not source.values:
            # Who wants something of it later gets a server of its own: this one only closes its connection.
            del self._sources[question.server]
        source.alert.set()

    async def _serve(self, source: _Source) -> None:
        try:
            while source.values:
                source.alert.clear()
                now = self._clock.monotonic()
                self._expire(source, now)
                if not source.connection.is_held(now):
                    if waiting := source.waiting(now):
                        await self._fetch(source, waiting)
                        continue
                else:
                    self._hold_newcomers(source, now)
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(source.rest_s(now), 0.001)):
                        await source.alert.wait()
        finally:
            if source.connection.adapter is not None:
                await close(source.connection.adapter)

    async def _fetch(self, source: _Source, waiting: list[SourceQuestion]) -> None:
        connection = source.connection
        self.calls += 1
        error = open_adapter(connection, self._connect)
        batch = waiting[: connection.batch]
        answers = error or await call(connection, batch, self._timeout_s)
        now = self._clock.monotonic()
        if isinstance(answers, TidegateError):
            if connection.strike(answers, now):
                extra = {"server": connection.label, "failure": str(answers)}
                log.warning("source failed", extra=extra)
            for question in batch:
                self._keep(source, question, answers, now)
            return
        if connection.recover():
            log.info("source recovered", extra={"server": connection.label})
        for question, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Unreachable) and answer.retry_after_s is not None:
                connection.strike(answer, now)
            self._keep(source, question, answer, now)

    def _keep(
        self, source: _Source, question: SourceQuestion, answer: Fetched | TidegateError, now: float
    ) -> None:
        value = source.values.get(question)
        if value is None:
            return
        before, had_failed = value.told, value.failure is not None
        if isinstance(answer, TidegateError):
            value.failed(answer, now)
        else:
            value.got(answer, now)
        if value.told == before:
            return
        if value.failure is not None and not had_failed and source.connection.failure is None:
            extra = {"source": where(question), "failure": value.failure.message}
            log.warning("value not fetched", extra=extra)
        self._on_change(question)

    def _expire(self, source: _Source, now: float) -> None:
        """What has ended serves nobody, also while its server is left alone."""
        for question, value in source.values.items():
            if now >= value.ends:
                value.expire(now)
                self._on_change(question)

    def _hold_newcomers(self, source: _Source, now: float) -> None:
        """Who comes while a server is left alone is told why at once."""
        error = source.connection.error
        for question, value in source.values.items():
            if value.told is None and error is not None:
                self._keep(source, question, error, now)
