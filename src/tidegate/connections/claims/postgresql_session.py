"""The connection that rows are claimed over, and what the server's refusals mean for whoever claims."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncRawCursor, IsolationLevel
from psycopg.pq.abc import PGresult

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims import postgresql_steps as steps
from tidegate.connections.postgresql.opening import Connection, open_connection
from tidegate.connections.postgresql.refusals import read_refusal
from tidegate.connections.queries import Cut
from tidegate.core.claims.values import Acknowledge
from tidegate.kit.systems.claims import Command, Result
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kit.systems.sql_claims import TableSource

_SHARE = 2 / 3
_TABLE = "create the table of leases as docs/claims.md says, and correct the statements of the annotations"
# Every transaction reads statements the same way, whatever the database's own settings are.
_SETTINGS = """
SELECT set_config('statement_timeout', $1, true), set_config('standard_conforming_strings', 'on', true),
       set_config('bytea_output', 'hex', true)
"""


class PostgresqlWriter:
    """One connection, opened by the first command; what fails, fails alone, and nothing of it is kept."""

    def __init__(self, server: PostgresqlServer, surroundings: Surroundings) -> None:
        self.connections = 0
        self._server = server
        self._surroundings = surroundings
        self._label = server.label()
        self._lock = asyncio.Lock()
        self._connection: Connection | None = None
        self._proven = steps.Proven()
        self._is_stained = False

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        limit_s = self._surroundings.queries_s
        try:
            async with asyncio.timeout(limit_s), self._lock:
                try:
                    return await self._carried_out(commands)
                except Cut:
                    # Every command may be repeated, on a connection that is new.
                    return await self._carried_out(commands)
        except TimeoutError as error:
            answer = f"not answered within {limit_s:g} s"
            raise Unreachable("claim messages", on=self._label, answer=answer) from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _carried_out(self, commands: Sequence[Command]) -> list[Result | TidegateError]:
        """On a connection that is closed where it is out of reach, or out of step."""
        try:
            await self._usable()
            return await self._results(commands)
        except BaseException:
            # What is under way would be taken for the answer to the next command.
            await self.close()
            raise

    async def _results(self, commands: Sequence[Command]) -> list[Result | TidegateError]:
        """All acknowledgements of a source in one transaction, where that can be; every other in its own."""
        results: dict[int, Result | TidegateError] = {}
        together: dict[tuple[TableSource, str], list[int]] = {}
        for number, one in enumerate(commands):
            if isinstance(one.source, TableSource) and isinstance(one.ask, Acknowledge):
                together.setdefault((one.source, one.holder), []).append(number)
        for numbers in together.values():
            if len(numbers) > 1:
                asked = [commands[number] for number in numbers]
                try:
                    async with self._transaction(asked[0]) as session:
                        found = await steps.acknowledged(session, asked)
                except Cut:
                    raise
                except TidegateError:
                    # One of them is to blame: which, comes out one by one.
                    continue
                results.update(zip(numbers, found, strict=True))
        for number, one in enumerate(commands):
            if number not in results:
                results[number] = await self._one(one)
        return [results[number] for number in range(len(commands))]

    async def _one(self, command: Command) -> Result | TidegateError:
        if not isinstance(command.source, TableSource):
            what = type(command.source).__name__
            return Unsupported("claim messages", on=self._label, answer=f"from a {what}")
        try:
            async with self._transaction(command) as session:
                return await steps.carried_out(session, command)
        except Cut:
            raise
        except TidegateError as error:
            error.__traceback__ = None
            return error

    @asynccontextmanager
    async def _transaction(self, command: Command) -> AsyncIterator[steps.Session]:
        """A transaction, kept where the block ends well. Raises one of the five, Cut where the connection
        has ended: whether it was kept nobody knows then.
        """
        connection = await self._usable()
        source = command.source
        assert isinstance(source, TableSource)
        limit_ms = max(1, round(self._surroundings.queries_s * _SHARE * 1000))
        try:
            await self._clean(connection)
            async with connection.transaction():
                cursor = AsyncRawCursor(connection)
                await cursor.execute(_SETTINGS, (str(limit_ms),))
                session = steps.Session(connection, cursor, source, self._proven)
                try:
                    yield session
                finally:
                    self._is_stained = session.is_stained
            await self._clean(connection)
        except psycopg.Error as error:
            if error.pgresult is None or connection.broken:
                raise Cut(
                    "claim messages",
                    on=self._label,
                    answer="the connection was closed",
                    next_step="check that the server runs and lets sessions be",
                ) from None
            raise self._refused(error.pgresult) from None

    async def _clean(self, connection: Connection) -> None:
        """What a statement has set or locked for its session is nobody else's."""
        if self._is_stained:
            await connection.execute("DISCARD ALL")
            self._is_stained = False

    async def _usable(self) -> Connection:
        if self._connection is None:
            connection = self._connection = await open_connection(self._server, self._surroundings)
            self.connections += 1
            self._is_stained = False
            await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
            await connection.set_read_only(False)
        return self._connection

    def _refused(self, result: PGresult) -> TidegateError:
        said = read_refusal(result)
        attempted, answer = "claim messages", said.answer()
        if said.is_fatal:
            return Cut(attempted, on=self._label, answer=f"the server ended the session, {answer}")
        if said.state == "42501":
            step = "let the user change what the statements change, and the table of leases"
            return Denied(attempted, on=self._label, answer=answer, next_step=step)
        if said.state == "25006":
            step = "name the primary: claiming writes"
            return Misconfigured(attempted, on=self._label, answer=answer, next_step=step)
        if said.is_passing or said.state == "57014":
            return Unreachable(attempted, on=self._label, answer=answer)
        return Malformed(attempted, on=self._label, answer=answer, next_step=_TABLE)
