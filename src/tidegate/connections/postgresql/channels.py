"""Channels of a database: `LISTEN` on one connection for all of them.

What is sent is answered in order, and notifications come between the answers: one reader takes both. A
session that is not the server's own (a pooler's, which lends another one to each transaction) would listen in
vain.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence

import psycopg
from psycopg import pq

from tidegate.base.errors import Malformed, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.feeds import Tell, beat
from tidegate.connections.postgresql.opening import Connection, open_connection
from tidegate.kit.systems.postgresql import PostgresqlServer

_AT_ONCE = 200
_FULL_S = 0.01

_LISTENING = "listen to channels"
_WHO = b"SELECT pg_backend_pid(), pg_is_in_recovery()"


async def open_channels(server: PostgresqlServer, surroundings: Surroundings) -> Channels:
    """A connection that can listen. Unsupported at a standby, and where a pooler answers in its place."""
    label, connection = server.label(), await open_connection(server, surroundings)
    try:
        async with asyncio.timeout(surroundings.timeout_s):
            cursor = await connection.execute(_WHO)
            row = await cursor.fetchone()
        if row is None or len(row) != 2:
            raise Malformed(_LISTENING, on=label, answer="it does not say which session this is")
        if row[0] != connection.pgconn.backend_pid:
            raise Unsupported(
                _LISTENING,
                on=label,
                answer="a pooler answers in its place (as PgBouncer does), which hands no notifications on",
                next_step="name the server itself to be told of changes at once",
            )
        if row[1]:
            raise Unsupported(_LISTENING, on=label, answer="it is a standby, which has no notifications")
    except BaseException as error:
        await connection.close()
        if isinstance(error, TimeoutError):
            raise _lost(label, f"no answer within {surroundings.timeout_s:g} s") from error
        if isinstance(error, psycopg.Error):
            raise _ended(label, error.sqlstate or "") from error
        raise
    return Channels(connection, label, surroundings.timeout_s)


class Channels:
    """The line of a database: topics are channels."""

    def __init__(self, connection: Connection, label: str, timeout_s: float) -> None:
        self._connection = connection
        self._wire = connection.pgconn
        self._label = label
        self._timeout_s = timeout_s
        self._answer: asyncio.Future[None] | None = None
        self._lock = asyncio.Lock()
        self._heard_at = -math.inf

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        await self._do("LISTEN", topics)
        return {}

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        await self._do("UNLISTEN", topics)

    async def listen(self, tell: Tell) -> None:
        reading, beating = asyncio.ensure_future(self._read(tell)), asyncio.ensure_future(self._beat())
        try:
            done, _ = await asyncio.wait((reading, beating), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            reading.cancel()
            beating.cancel()
            await asyncio.gather(reading, beating, return_exceptions=True)

    async def close(self) -> None:
        await self._connection.close()

    async def _do(self, word: str, channels: Sequence[str]) -> None:
        # The annotation lets no quote into a name; doubled it would be part of one.
        quoted = (channel.replace('"', '""') for channel in channels)
        statements = [f'{word} "{one}"' for one in quoted]
        for first in range(0, len(statements), _AT_ONCE):
            await self._ask("; ".join(statements[first : first + _AT_ONCE]))

    async def _beat(self) -> None:
        await beat(lambda: self._heard_at, lambda: self._ask("SELECT 1"))

    async def _ask(self, statement: str) -> None:
        """Returns when it is done."""
        async with self._lock:
            self._answer = answer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._wire.send_query(statement.encode())
                    while self._wire.flush():  # noqa: ASYNC110 (what is left is a few kilobytes)
                        await asyncio.sleep(_FULL_S)
                    await answer
            except TimeoutError as error:
                raise _lost(self._label, f"no answer within {self._timeout_s:g} s") from error
            except psycopg.Error as error:
                raise _lost(self._label, "the connection was closed") from error

    async def _read(self, tell: Tell) -> None:
        wire, loop = self._wire, asyncio.get_running_loop()
        came, number = asyncio.Event(), self._wire.socket
        loop.add_reader(number, came.set)
        try:
            while True:
                await came.wait()
                came.clear()
                wire.consume_input()
                self._heard_at = loop.time()
                while (notified := wire.notifies()) is not None:
                    tell(notified.relname.decode(errors="replace"))
                self._take_answer()
        except psycopg.Error as error:
            raise _lost(self._label, "the connection was closed") from error
        finally:
            loop.remove_reader(number)

    def _take_answer(self) -> None:
        """Reads the results of what was asked, as far as they are there."""
        wire = self._wire
        if self._answer is None and wire.status == pq.ConnStatus.BAD:
            raise _lost(self._label, "the connection was closed")
        while self._answer is not None and not wire.is_busy():
            result = wire.get_result()
            if result is None:
                answer, self._answer = self._answer, None
                if not answer.done():
                    answer.set_result(None)
            elif result.status == pq.ExecStatus.FATAL_ERROR:
                state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
                raise _ended(self._label, state.decode(errors="replace"))


def _ended(label: str, state: str) -> TidegateError:
    """What an error of the server or of the wire means; without a `state` it is the wire's."""
    if state.startswith(("0A", "42")):
        answer = f"it has no notifications (SQLSTATE {state})"
        return Unsupported(_LISTENING, on=label, answer=answer)
    return _lost(label, f"it refused (SQLSTATE {state})" if state else "the connection was closed")


def _lost(label: str, answer: str) -> Unreachable:
    return Unreachable(
        _LISTENING, on=label, answer=answer, next_step="check that the server runs and lets sessions be"
    )
