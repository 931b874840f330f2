"""Many statements in one flight on one connection, each in a read-only transaction of its own.

libpq's pipeline mode: all are sent, then their results are read in order. A synchronisation point after each
statement keeps its failure from the next. Rows come one by one, so what is too much is never held.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGresult

from tidegate.connections.queries import MOST_BYTES, MOST_ROWS

_COPIES = (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH)


class Lost(Exception):
    """The connection has ended."""


class Excess(Exception):
    """More than one could want is on its way; says what. The connection must be given up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a statement: its first row's first value, or the error that the server gave.

    `columns` is None where it gives no rows at all (as SET does). `text` is None for NULL.
    """

    columns: int | None = None
    has_row: bool = False
    text: bytes | None = None
    type_oid: int = 0
    error: PGresult | None = None


class Flight:
    """The wire of one open connection, which must be used for nothing else."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        self._wire = connection.pgconn
        self._wire.enter_pipeline_mode()
        self._read = 0

    async def send(self, statements: Sequence[str], limit_s: float) -> None:
        """Puts all on their way. `receive` must then be called for each, in order, then `land`."""
        wire = self._wire
        limit = b"SET LOCAL statement_timeout = %d" % max(1, round(limit_s * 1000))
        try:
            for number, statement in enumerate(statements):
                # A transaction ends where the next begins; after a failure nothing else would be done.
                if number:
                    wire.send_query_params(b"ROLLBACK", None)
                wire.send_query_params(b"BEGIN READ ONLY", None)
                wire.send_query_params(limit, None)
                wire.send_query_params(statement.encode(), None)
                wire.pipeline_sync()
            wire.send_query_params(b"ROLLBACK", None)
            wire.pipeline_sync()
            # It is read meanwhile: a server that cannot get rid of its answers does not listen.
            while wire.flush():
                await self._wait(is_writing=True)
                wire.consume_input()
        except psycopg.OperationalError as error:
            raise Lost from error

    async def receive(self, *, is_first: bool) -> Outcome:
        """What came of the next statement. Lost and Excess end the connection."""
        self._read = 0
        for _ in range(2 if is_first else 3):
            failed = await self._plain()
            if failed is not None:
                await self._to_sync()
                return Outcome(error=failed)
        outcome = await self._rows()
        await self._to_sync()
        return outcome

    async def land(self) -> None:
        """Reads the end of the flight: no transaction is left open."""
        await self._plain()
        await self._to_sync()

    async def _plain(self) -> PGresult | None:
        """The result of a statement of our own, if it is an error."""
        failed = None
        while (result := await self._next()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failed = result
        return failed

    async def _rows(self) -> Outcome:
        self._wire.set_single_row_mode()
        outcome, rows = Outcome(), 0
        while (result := await self._next()) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                outcome = Outcome(error=result)
            elif result.status in _COPIES:
                raise Excess("a copy")
            elif result.status == pq.ExecStatus.SINGLE_TUPLE:
                rows += 1
                if rows > MOST_ROWS:
                    raise Excess(f"more than {MOST_ROWS:,} rows")
                if rows == 1:
                    outcome = _first(result)
            elif result.status == pq.ExecStatus.TUPLES_OK and not rows:
                outcome = Outcome(result.nfields)
        return outcome

    async def _to_sync(self) -> None:
        while True:
            result = await self._next()
            if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
                return

    async def _next(self) -> PGresult | None:
        wire = self._wire
        try:
            while wire.is_busy():
                await self._wait()
                self._read += _waiting_bytes(wire.socket)
                if self._read > MOST_BYTES:
                    raise Excess(f"more than {MOST_BYTES >> 20} MiB")
                wire.consume_input()
            result = wire.get_result()
        except psycopg.OperationalError as error:
            raise Lost from error
        if wire.status == pq.ConnStatus.BAD and not _is_said(result):
            raise Lost
        return result

    async def _wait(self, *, is_writing: bool = False) -> None:
        """Until the server has said something, or will take more."""
        loop, number = asyncio.get_running_loop(), self._wire.socket
        ready: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(number, wake)
        if is_writing:
            loop.add_writer(number, wake)
        try:
            await ready
        finally:
            loop.remove_reader(number)
            if is_writing:
                loop.remove_writer(number)


def _first(row: PGresult) -> Outcome:
    return Outcome(row.nfields, True, row.get_value(0, 0) if row.nfields else None, row.ftype(0))


def _is_said(result: PGresult | None) -> bool:
    """Whether it is the server's own word on why it ends the connection."""
    return result is not None and bool(result.error_field(pq.DiagnosticField.SQLSTATE))


def _waiting_bytes(number: int) -> int:
    """How much has arrived on a socket and is not read."""
    return int(struct.unpack("i", fcntl.ioctl(number, termios.FIONREAD, b"\0" * 4))[0])
