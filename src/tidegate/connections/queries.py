"""What the adapters of databases have in common: queries that cost what they cost, and a limit of time.

A list is answered within a time. A query that the server had to stop, or that brings more than one could
want, rests for a while and answers with its failure meanwhile: it costs the others no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.kit.question import Question, Server
from tidegate.kit.systems.sql import SqlQuery

MOST_ROWS = 1_000
MOST_BYTES = 1 << 20
"""What may come back for one query, of which the first row's only column is wanted."""

_SHARE = 2 / 3
_LONGEST_REST_S = 300.0
_OPENINGS = 3

Found = dict[Any, Any]
"""What has come so far, by question: an answer or a `TidegateError`."""


class Cut(Unreachable):
    """The connection ended while it was in use: a new one may still be answered."""


class TooSlow(Unreachable):
    """The server stopped a query at its limit of time."""


class Spoiling(Malformed):
    """A query for which the connection has to be given up: it brought too much, or left its mark on it."""


@dataclass(slots=True)
class Rest:
    """A query that is not asked until `until_s`."""

    strikes: int
    until_s: float
    error: TidegateError


class QueryConnection:
    """An adapter for one database; a subclass opens, asks and closes. `kind` are the questions it knows.

    `connections` and `round_trips` count what was opened and sent since the adapter was made.
    """

    batch = 1000
    wake_gap_s = 0.25
    kind: type[Any] = SqlQuery

    def __init__(self, server: Server, surroundings: Surroundings) -> None:
        self.connections = 0
        self.round_trips = 0
        self.patience_s = surroundings.queries_s + 1.0
        self._server = server
        self._surroundings = surroundings
        self._label = server.label()
        self._lock = asyncio.Lock()
        self._rests: dict[Any, Rest] = {}

    @property
    def statement_s(self) -> float:
        """After how long the server stops a query: before we give up, so that the others are answered."""
        return self._surroundings.queries_s * _SHARE

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One entry per question, in order. Raises Unreachable or Denied when nobody is answered."""
        async with self._lock:
            now_s = asyncio.get_running_loop().time()
            found: Found = {}
            due: list[Any] = []
            for one in questions:
                if isinstance(one, self.kind):
                    rest = self._rests.get(one)
                    if rest is not None and now_s < rest.until_s:
                        found[one] = rest.error
                    else:
                        due.append(one)
            # What was slow before comes last.
            due = sorted(dict.fromkeys(due), key=self._rests.__contains__)
            if due:
                await self._answers(due, found)
                self._learn(due, found)
        return [found[one] if isinstance(one, self.kind) else _unknown(one) for one in questions]

    async def close(self) -> None:
        raise NotImplementedError

    async def give_up(self) -> None:
        """Ends the connection that queries are sent on; the next list opens another."""
        await self.close()

    # --- what a subclass does

    async def _open(self) -> None:
        """Connects where that is not done, within the surroundings' `timeout_s`. Raises one of the five."""
        raise NotImplementedError

    async def _ask(self, questions: Sequence[Any], found: Found) -> None:
        """Runs the queries in order, each outcome into `found` as it comes.

        Raises Cut where the connection ends. After a Spoiling that it has put into `found` it may return: the
        rest is asked on a new connection.
        """
        raise NotImplementedError

    # --- one list

    async def _answers(self, due: list[Any], found: Found) -> None:
        deadline_s = asyncio.get_running_loop().time() + self._surroundings.queries_s
        waiting, suspect = due, None
        for _ in range(_OPENINGS):
            before = len(found)
            try:
                async with asyncio.timeout_at(deadline_s):
                    await self._open()
                    await self._ask(waiting, found)
            except TimeoutError:
                await self.give_up()
                answer = f"not answered within {self._surroundings.queries_s:g} s"
                if any(one in found for one in due):
                    # The one that was asked last; it rests, so that the next list gets further.
                    slow = next(one for one in waiting if one not in found)
                    found[slow] = _unanswered(TooSlow, self._label, answer)
                self._give_up(due, found, answer)
                return
            except Cut as error:
                await self.give_up()
                waiting = [one for one in waiting if one not in found]
                if suspect is not None:
                    if len(found) == before:
                        self._give_up(due, found, error.answer)
                    found[waiting[0]] = _with_advice(error)
                    self._give_up(due, found, "the connection ended at a query before it")
                    return
                # The server closes idle connections, a restart closes all: try a new one, once. It may also
                # be the query that was asked, so that one comes last.
                suspect, *others = waiting
                waiting = [*others, suspect]
            except (Misconfigured, Malformed) as error:
                found.update((one, error) for one in due if one not in found)
                return
            except asyncio.CancelledError:
                # What is under way would be taken for the answer to the next query.
                await self.give_up()
                raise
            waiting = [one for one in waiting if one not in found]
            if not waiting:
                return
        self._give_up(due, found, "too many queries before it cost the connection")

    def _give_up(self, due: Sequence[Any], found: Found, answer: str) -> None:
        """What is left was not answered; where nothing was, the server was not."""
        left = [one for one in due if one not in found]
        if len(left) == len(due):
            raise _unanswered(Unreachable, self._label, answer)
        found.update(dict.fromkeys(left, _unanswered(Unreachable, self._label, answer)))

    def _learn(self, due: Sequence[Any], found: Found) -> None:
        """Lets a query that costs too much rest, twice as long each time, and forgets one that does not."""
        now_s = asyncio.get_running_loop().time()
        for one in due:
            outcome, rest = found[one], self._rests.pop(one, None)
            if isinstance(outcome, TooSlow | Spoiling | Cut):
                strikes = 1 + (rest.strikes if rest else 0)
                pause_s = min(self._surroundings.queries_s * 2.0 ** min(strikes, 10), _LONGEST_REST_S)
                self._rests[one] = Rest(strikes, now_s + pause_s, outcome)
        # Those that nobody asks any more are forgotten as well.
        self._rests = {
            one: rest for one, rest in self._rests.items() if now_s < rest.until_s + _LONGEST_REST_S
        }


def _unanswered(kind: type[Unreachable], label: str, answer: str) -> Unreachable:
    return kind(
        "run the query",
        on=label,
        answer=answer,
        next_step="check that the server is up and not overloaded, and which of its queries are slow",
    )


def too_slow(label: str, limit_s: float) -> TooSlow:
    return TooSlow(
        "run the query",
        on=label,
        answer=f"it was stopped after {limit_s:g} s",
        next_step="make it faster, or free what it waits for; it is tried again after a pause",
    )


def too_much(label: str, what: str) -> Spoiling:
    return Spoiling(
        "run the query", on=label, answer=f"{what} came back", next_step="let the query give one number"
    )


def columns(label: str, count: int | None) -> Malformed:
    """For a query of other than one column; None where it gives no rows at all."""
    return Malformed(
        "run the query",
        on=label,
        answer="it is a statement that gives no rows" if count is None else f"it gives {count} columns",
        next_step="let it give one number",
    )


def no_rows(label: str) -> Spoiling:
    """For a statement that gives none at all, and so was run for what else it does."""
    return Spoiling(
        "run the query",
        on=label,
        answer="it is a statement that gives no rows",
        next_step="let it give one number",
    )


def _with_advice(error: Cut) -> Cut:
    return Cut(
        "run the query",
        on=error.on,
        answer=f"{error.answer}, twice",
        next_step="check whether this query ends its own session",
    )


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
