"""The adapter for one PostgreSQL database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGresult

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Feed, Line
from tidegate.connections.postgresql.channels import open_channels
from tidegate.connections.postgresql.flight import Excess, Flight, Lost, Outcome
from tidegate.connections.postgresql.opening import Connection, open_connection
from tidegate.connections.postgresql.refusals import MOST_WORDS, read_refusal
from tidegate.connections.queries import (
    MOST_BYTES,
    Cut,
    Found,
    QueryConnection,
    columns,
    too_much,
    too_slow,
)
from tidegate.kit.question import Question
from tidegate.kit.systems.postgresql import PostgresqlChannel, PostgresqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery

IN_FLIGHT = 100
"""Statements that are sent before the first of them is answered."""

_INTEGERS = (20, 21, 23, 26)
_FLOATS = (700, 701)
_NUMERIC, _BOOL = 1700, 16


class PostgresqlConnection(QueryConnection):
    """One connection, opened by the first question; `IN_FLIGHT` statements a round trip."""

    def __init__(self, server: PostgresqlServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._connection: Connection | None = None
        self._flight: Flight | None = None
        self._feed = Feed(self._open_line)

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether somebody notifies a channel."""
        if not isinstance(question, PostgresqlChannel):
            raise Unsupported(f"watch {type(question).__name__}", on=question.server.label())
        await self._feed.watch(question.channel, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the channel is listened to."""
        return isinstance(question, PostgresqlChannel) and self._feed.is_watching(question.channel)

    async def close(self) -> None:
        await self._feed.close()
        await self.give_up()

    async def _open_line(self) -> Line:
        line = await open_channels(self._at, self._surroundings)
        self.connections += 1
        return line

    async def give_up(self) -> None:
        connection, self._connection, self._flight = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def _open(self) -> None:
        if self._connection is None:
            self._connection = await open_connection(self._at, self._surroundings)
            self._flight = Flight(self._connection)
            self.connections += 1

    async def _ask(self, questions: Sequence[SqlQuery], found: Found) -> None:
        flight = self._flight
        assert flight is not None
        for first in range(0, len(questions), IN_FLIGHT):
            flown = questions[first : first + IN_FLIGHT]
            self.round_trips += 1
            query = flown[0]
            try:
                await flight.send([one.statement for one in flown], self.statement_s)
                for number, query in enumerate(flown):
                    outcome = self._read(await flight.receive(is_first=not number))
                    if isinstance(outcome, Cut):
                        raise outcome
                    found[query] = outcome
                await flight.land()
            except Excess as excess:
                found[query] = too_much(self._label, str(excess))
                await self.give_up()
                return
            except Lost:
                raise self._cut("the connection was closed") from None

    def _read(self, outcome: Outcome) -> Any:
        if outcome.error is not None:
            return self._error(outcome.error)
        if outcome.columns != 1:
            return columns(self._label, outcome.columns)
        if not outcome.has_row:
            return NO_ROW
        if len(outcome.text or b"") > MOST_BYTES:
            return too_much(self._label, f"more than {MOST_BYTES >> 20} MiB")
        return None if outcome.text is None else _value(outcome.text, outcome.type_oid)

    def _error(self, result: PGresult) -> TidegateError:
        error = self._refusal(result)
        words = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b""
        error.excerpt = words.decode(errors="replace")[:MOST_WORDS]
        return error

    def _refusal(self, result: PGresult) -> TidegateError:
        """What an error of the server means."""
        said, label = read_refusal(result), self._label
        state, answer = said.state, said.answer()
        if state == "57014":
            return too_slow(label, self.statement_s)
        if state == "25006":
            step = "queries run in read-only transactions: let it read and not write"
            return Misconfigured("run the query", on=label, answer=answer, next_step=step)
        if said.is_fatal:
            return self._cut(f"the server ended the session, {answer}")
        if state == "42501":
            step = "give the user the right to read what the query reads"
            return Denied("run the query", on=label, answer=answer, next_step=step)
        if said.is_passing:
            return Unreachable("run the query", on=label, answer=answer)
        return Malformed("run the query", on=label, answer=answer, next_step="correct the query")

    def _cut(self, answer: str) -> Cut:
        step = "check that the server runs and lets sessions be"
        return Cut("run the queries", on=self._label, answer=answer, next_step=step)


def _value(text: bytes, type_oid: int) -> Any:
    """A value as the reader of answers takes it; of other types the text."""
    if type_oid in _INTEGERS:
        return int(text)
    if type_oid in _FLOATS:
        return float(text)
    if type_oid == _NUMERIC:
        return Decimal(text.decode())
    if type_oid == _BOOL:
        return text == b"t"
    return text.decode(errors="replace")
