"""The adapter for one ClickHouse database."""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.clickhouse.columns import Unread
from tidegate.connections.clickhouse.wire import Excess, Refusal, Strange, Wide, Wire
from tidegate.connections.queries import (
    Cut,
    Found,
    QueryConnection,
    Spoiling,
    columns,
    no_rows,
    too_much,
    too_slow,
)
from tidegate.connections.tls import shared_context
from tidegate.kit.systems.clickhouse import ClickhouseServer
from tidegate.kit.systems.sql import SqlQuery

_NO_LOGIN = frozenset({192, 193, 194, 195, 516})
_DENIED = frozenset({164, 291, 497})
_READ_ONLY = 164
_BOUND = frozenset({_READ_ONLY, 452})
_SLOW = frozenset({159, 160})
_BUSY = frozenset({202, 203, 209, 210, 236, 241, 242, 279, 394, 439})
_WORDS = {
    6: "a text in it cannot be read",
    47: "it names a column that there is not",
    46: "it calls a function that there is not",
    60: "it reads a table that there is not",
    62: "it has an error of syntax",
    81: "there is no such database",
    115: "there is no such setting",
    164: "the user may only read",
    202: "too many queries run at once",
    241: "it wants more memory than there is",
    497: "the user may not do this",
}


class ClickhouseConnection(QueryConnection):
    """One connection, opened by the first question, to the first of the server's places that answers."""

    def __init__(self, server: ClickhouseServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._wire: Wire | None = None
        self._with: tuple[tuple[str, str], ...] = ()

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    async def _open(self) -> None:
        if self._wire is not None:
            return
        problem: TidegateError | None = None
        for host, port in self._at.places:
            try:
                self._wire = await self._opened(host, port)
            except Unreachable as error:
                problem = problem or error
                continue
            self.connections += 1
            return
        assert problem is not None, "a server has a place"
        raise problem

    async def _opened(self, host: str, port: int) -> Wire:
        limit_s = min(self._surroundings.timeout_s, self._at.dial_limit_s or self._surroundings.timeout_s)
        wire: Wire | None = None
        try:
            async with asyncio.timeout(limit_s):
                wire = Wire(*await self._dialled(host, port))
                await wire.hello(self._at.database, self._at.user, self._at.password)
                self._with = await self._allowed(wire)
                return wire
        except BaseException as error:
            if wire is not None:
                wire.close()
                await asyncio.sleep(0)
            if isinstance(error, Refusal):
                raise self._refused(error, "log in") from error
            if isinstance(error, Strange | Excess):
                step = "check that the port is the one of the native protocol (9000, or 9440 with TLS)"
                answer = "what came back is not ClickHouse's protocol"
                raise Unreachable("connect", on=self._label, answer=answer, next_step=step) from error
            if isinstance(error, OSError | EOFError | TimeoutError):
                answer, _ = cause_of(error, limit_s)
                step = "check that the server runs, its host and port, and whether it wants TLS"
                raise Unreachable("connect", on=self._label, answer=answer, next_step=step) from error
            raise

    async def _allowed(self, wire: Wire) -> tuple[tuple[str, str], ...]:
        """The settings that the user may give. Tried with a query that does nothing: what a read-only user is
        refused must not be run again with less."""
        whole = self._settings()
        for settings in (whole, tuple(one for one in whole if one[0] == "readonly")):
            try:
                await wire.first("SELECT 1", settings)
            except Refusal as error:
                if error.code not in _BOUND:
                    raise
                refused = error
            else:
                return settings
        if refused.code == _READ_ONLY:
            return ()  # a user who only reads as it is
        raise refused

    async def _dialled(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context: ssl.SSLContext | None = None
        if self._at.tls is not None:
            context = await shared_context(self._at.tls, self._surroundings.tls)
        failure: OSError | None = None
        for address in await dialable(self._surroundings, host, port):
            try:
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if context else None
                )
            except OSError as error:
                failure = failure or error
        raise failure or OSError()

    async def _ask(self, questions: Sequence[SqlQuery], found: Found) -> None:
        wire = self._wire
        assert wire is not None
        for query in questions:
            self.round_trips += 1
            outcome = await self._outcome(wire, query.statement)
            found[query] = outcome
            if isinstance(outcome, Spoiling) or self._wire is None:
                await self.close()
                return

    async def _outcome(self, wire: Wire, statement: str) -> Any:
        try:
            return await self._value(wire, statement)
        except Refusal as error:
            return self._refused(error, "run the query")
        except Excess as error:
            return too_much(self._label, str(error))
        except Wide as error:
            await self.close()
            return columns(self._label, error.columns)
        except Unread:
            return Spoiling(
                "run the query",
                on=self._label,
                answer="its column is of a type that is no number",
                next_step="let it give one number, with toFloat64(…) for example",
            )
        except Strange as error:
            raise Cut("run the query", on=self._label, answer="the connection was out of step") from error
        except (OSError, EOFError) as error:
            raise Cut("run the query", on=self._label, answer=cause_of(error, 0)[0]) from error

    async def _value(self, wire: Wire, statement: str) -> Any:
        result = await wire.first(statement, self._with)
        if not result.columns:
            return no_rows(self._label)
        if result.columns > 1:
            return columns(self._label, result.columns)
        return result.value

    def _settings(self) -> tuple[tuple[str, str], ...]:
        """What goes with each query: what the user wants, and that it only reads, and for how long."""
        ours = {
            "readonly": "1",
            "max_execution_time": str(max(1, math.ceil(self.statement_s))),
            "low_cardinality_allow_in_native_format": "0",
        }
        given = dict(self._at.settings)
        limit = given.get("max_execution_time", "")
        if limit.isdecimal() and 0 < int(limit) < int(ours["max_execution_time"]):
            ours["max_execution_time"] = limit
        return tuple({**given, **ours}.items())

    def _refused(self, error: Refusal, attempted: str) -> TidegateError:
        words = _WORDS.get(error.code, "")
        answer = f"error {error.code}{f', {words}' if words else ''}"
        made: TidegateError
        if error.code in _NO_LOGIN:
            step = "check `username` and `password`, and from where the user may log in"
            made = Denied(attempted, on=self._label, answer="the login is not accepted", next_step=step)
        elif error.code in _SLOW:
            made = too_slow(self._label, self.statement_s)
        elif error.code in _DENIED:
            step = "give the user the right to read this"
            made = Denied(attempted, on=self._label, answer=answer, next_step=step)
        elif error.code in _BUSY:
            made = Unreachable(attempted, on=self._label, answer=answer)
        else:
            made = Malformed(attempted, on=self._label, answer=answer, next_step="check the query")
        secret = self._at.password
        shown = error.words.replace(secret, "***") if secret else error.words
        made.excerpt = " ".join(shown.split())[:200]
        return made
