"""The adapter for one MySQL or MariaDB database."""

from __future__ import annotations

import asyncio
import re
import ssl
import struct
from collections.abc import Sequence
from typing import Any

from pymysql import err
from pymysql.constants import CR

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import Refused, dialable, misconfigured
from tidegate.connections.causes import cause_of
from tidegate.connections.mysql.wire import Dialling, Excess, Refusal, Wire
from tidegate.connections.queries import (
    MOST_ROWS,
    Cut,
    Found,
    QueryConnection,
    Spoiling,
    columns,
    no_rows,
    too_much,
    too_slow,
)
from tidegate.connections.tls import client_context
from tidegate.kit.systems.mysql import MysqlServer
from tidegate.kit.systems.sql import NO_ROW, SqlQuery
from tidegate.kit.tls import Tls

MOST_WORDS = 200

# What the client library raises when it cannot make sense of an answer.
_STRANGE = (OSError, RuntimeError, LookupError, ValueError, AssertionError, TypeError, struct.error)

_UNKNOWN_VARIABLE = 1193
_DENIED_LOGIN = frozenset({1044, 1045, 1049, 1129, 1130, 1698, 1820, 1862, 3118, 4151})
_DENIED_QUERY = frozenset({1044, 1142, 1143, 1227, 1370})
_READ_ONLY = frozenset({1290, 1792, 1836})
_SLOW = frozenset({1317, 1907, 1969, 3024})
_BUSY = frozenset({1040, 1203, 1205, 1213, 1226})
_ENDED = frozenset({1053, 1077, 1079, 1080, 1152, 1927, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, 4031})
# What they say is made of the query's own text.
_PLAIN = frozenset({1054, 1064, 1146, 1305})
_SELECTING = re.compile(r"[\s(]*(select|with|table|values)\b", re.IGNORECASE)
_SYNTAX = 1064


class MysqlConnection(QueryConnection):
    """One connection, opened by the first question, in a read-only session."""

    def __init__(self, server: MysqlServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._wire: Wire | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def statement_s(self) -> float:
        return min(super().statement_s, self._at.read_limit_s or super().statement_s)

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            await _close(wire)

    async def _open(self) -> None:
        if self._wire is not None:
            return
        limit_s = min(self._surroundings.timeout_s, self._at.dial_limit_s or self._surroundings.timeout_s)
        wire = Wire(self._at, await self._dialling())
        try:
            async with asyncio.timeout(limit_s):
                await wire.open()
                await self._tune(wire)
        except TimeoutError as error:
            await _close(wire)
            raise self._unreachable(f"no answer within {limit_s:g} s") from error
        except (err.Error, Refusal, Excess, *_STRANGE) as error:
            await _close(wire)
            raise self._opening_error(error) from error
        except BaseException:
            await _close(wire)
            raise
        self._wire = wire
        self.connections += 1

    async def _dialling(self) -> Dialling:
        if self._at.socket:
            if not self._surroundings.policy.is_open:
                place = self._at.socket
                raise misconfigured(place, Refused(place, "a socket of the autoscaler's own machine"))
            return Dialling("", None)
        if self._at.tls and self._context is None:
            tls = Tls(is_verified=self._at.tls == "verified")
            self._context = await asyncio.to_thread(client_context, tls, self._surroundings.tls)
        addresses = await dialable(self._surroundings, self._at.host, self._at.port)
        return Dialling(addresses[0], self._context)

    async def _tune(self, wire: Wire) -> None:
        """What holds for each query of the session. What the user sets comes first: it cannot undo ours."""
        if self._at.settings:
            settings = ", ".join(f"{name} = {value}" for name, value in self._at.settings)
            await wire.query(f"SET {settings}")
        await wire.query("SET SESSION TRANSACTION READ ONLY")
        await wire.query(f"SET SESSION sql_select_limit = {MOST_ROWS + 1}")
        is_mariadb = "MariaDB" in wire.get_server_info()
        limit = (
            f"max_statement_time = {self.statement_s:.3f}"
            if is_mariadb
            else f"max_execution_time = {max(1, round(self.statement_s * 1000))}"
        )
        try:
            await wire.query(f"SET SESSION {limit}")
        except err.Error as error:
            if _number(error) != _UNKNOWN_VARIABLE:  # an old server: only we stop waiting then
                raise

    async def _ask(self, questions: Sequence[SqlQuery], found: Found) -> None:
        wire = self._wire
        assert wire is not None
        for query in questions:
            self.round_trips += 1
            outcome = await self._outcome(wire, query.statement)
            if isinstance(outcome, Cut):
                raise outcome
            found[query] = outcome
            if isinstance(outcome, Spoiling) or wire.closed:
                await self.close()
                return

    async def _outcome(self, wire: Wire, statement: str) -> Any:
        try:
            result = await wire.first_row(statement)
        except Excess as excess:
            return too_much(self._label, str(excess))
        except err.Error as error:
            return self._query_error(error, statement)
        except _STRANGE as error:
            return Spoiling(
                "run the query",
                on=self._label,
                answer=f"what came back cannot be read ({type(error).__name__})",
                next_step="check the character set, and that the server is a MySQL or MariaDB",
            )
        if result.columns is None:
            # It may have changed the session for all that follow.
            return no_rows(self._label)
        if result.columns != 1:
            return columns(self._label, result.columns)
        if result.row is None:
            return NO_ROW
        (value,) = result.row
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    # --- what errors mean

    def _opening_error(self, error: Exception) -> TidegateError:
        number, text = _number(error), _text(error)
        if isinstance(error, Refusal):
            return Denied("log in", on=self._label, answer=str(error), next_step=error.next_step)
        if number in _DENIED_LOGIN:
            step = "check user, password and database"
            return Denied("log in", on=self._label, answer=text, next_step=step)
        if number in _BUSY | _ENDED and number < 2000:
            return Unreachable("open a connection", on=self._label, answer=text)
        if number in (CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_LOST):
            return self._unreachable(cause_of(error, self._surroundings.timeout_s)[0])
        if 1000 <= number < 2000:
            step = "correct connectionString"
            return Misconfigured("open a connection", on=self._label, answer=text, next_step=step)
        return Malformed(
            "open a connection",
            on=self._label,
            answer="what came back is not the MySQL protocol",
            next_step="check that the port is that of a MySQL or MariaDB",
        )

    def _query_error(self, error: err.Error, statement: str) -> TidegateError:
        """What an error of the server means. Its words stay out where they may repeat what a table holds."""
        number, text = _number(error), _text(error)
        if number in _ENDED or not number or (number >= 2000 and number < 3000):
            step = "check that the server runs and lets sessions be"
            return Cut("run the queries", on=self._label, answer="the connection was closed", next_step=step)
        # Several statements can make the words of anything, and so can a block or EXECUTE IMMEDIATE.
        is_one = _SELECTING.match(statement) is not None or _is_misspelt(error, statement)
        is_plain = number in _PLAIN | _DENIED_QUERY and is_one and not self._at.is_multiple
        found = self._refusal(number, text if is_plain else "it was refused")
        found.excerpt = text
        return found

    def _refusal(self, number: int, words: str) -> TidegateError:
        answer = f"{words} (error {number})"
        if number in _SLOW:
            return too_slow(self._label, self.statement_s)
        if number in _READ_ONLY:
            step = "queries run in a read-only session: let it read and not write"
            return Misconfigured("run the query", on=self._label, answer=answer, next_step=step)
        if number in _DENIED_QUERY:
            step = "give the user the right to read what the query reads"
            return Denied("run the query", on=self._label, answer=answer, next_step=step)
        if number in _BUSY:
            return Unreachable("run the query", on=self._label, answer=answer)
        return Malformed("run the query", on=self._label, answer=answer, next_step="correct the query")

    def _unreachable(self, answer: str) -> Unreachable:
        return Unreachable(
            "open a connection",
            on=self._label,
            answer=answer,
            next_step="check that the server runs and that host and port are right",
        )


def _is_misspelt(error: err.Error, statement: str) -> bool:
    """Whether the mistake is in the text of the statement itself, and not in one that it makes."""
    if _number(error) != _SYNTAX or len(error.args) < 2:
        return False
    near = re.search(r"near '(.*)' at line", str(error.args[1]), re.DOTALL)
    return near is not None and near[1] in statement


async def _close(wire: Wire) -> None:
    wire.close()
    for _ in range(3):  # sockets are closed in the loop's next turns, one below the other
        await asyncio.sleep(0)


def _number(error: Exception) -> int:
    """The server's number of an error, or the client's (from 2000 on); 0 where there is none."""
    found = error.args[0] if error.args else 0
    return found if isinstance(found, int) else 0


def _text(error: Exception) -> str:
    return str(error.args[1])[:MOST_WORDS] if len(error.args) > 1 else ""
