"""What is done to tables that are claimed from: one transaction for each step, so that none is half done.

    the user's table    its rows, which the statements of the annotations take off, and put back or away
    the table of leases (docs/claims.md has its CREATE TABLE), one row for each that was taken:
      key         the row's `id`, as a text
      id          the message's identity: made when the row is taken, and kept until it is done
      body, attributes   what the statement returned with it
      holder      who holds it; NULL while it rests
      until       when its lease ends, or its rest
      finished    its Jobs that have ended

A row waits in the user's table, or stands in the table of leases; never in neither, and never in both.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncRawCursor
from psycopg.pq.abc import PGresult

from tidegate.base.errors import Misconfigured
from tidegate.connections.postgresql.opening import Connection
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.core.claims.wishes import BACK, DONE, FAILED, TAKE, Statements
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, Renewals, Result
from tidegate.kit.systems.sql_claims import TableSource, as_sent

BATCH = 200
"""Messages in one answer."""

PIECE = 20
"""Rows that are taken by one statement: their bodies are known once they have come."""

BYTES = 8 * 2**20
"""Once an answer has as much it is full; the bodies of a piece come on top."""

MOST_ATTRIBUTES = 16 * 1024
LONGEST_KEY = 200

_BYTEA = 17
_COLUMNS = "id, body, finished, attributes::text"


class Proven(set[tuple[str, Statements]]):
    """The statements that were rehearsed on a row of their table."""


@dataclass(slots=True)
class Session:
    """One open transaction for a source."""

    connection: Connection
    cursor: AsyncRawCursor[tuple[Any, ...]]
    source: TableSource
    proven: Proven
    is_stained: bool = False
    """A statement of the user's was run: it may have changed more than rows."""

    @property
    def table(self) -> str:
        """The table of leases, quoted."""
        return ".".join(f'"{part}"' for part in self.source.table.split("."))

    async def run(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement of ours, with its rows."""
        await self.cursor.execute(text, values)
        return await self.cursor.fetchall() if self.cursor.description else []

    async def run_given(self, text: str, **values: str) -> PGresult:
        """A statement of the user's: values go as texts that the server reads as what stands there."""
        statement, self.is_stained = as_sent(text), True
        await self.cursor.execute(statement.text, [values[name] for name in statement.names])
        assert self.cursor.pgresult is not None
        return self.cursor.pgresult

    def wrong(self, key: str, answer: str, next_step: str) -> Misconfigured:
        return Misconfigured(f"claim by {key}", on=self.source.label(), answer=answer, next_step=next_step)


@dataclass(slots=True)
class _Answer:
    """The messages of an answer, until it is full."""

    items: list[Delivery] = field(default_factory=list)
    bytes: int = 0

    def add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        for id, body, finished, attributes in rows:
            self.items.append(Delivery(id, bytes(body), finished, tuple(json.loads(attributes).items())))
            self.bytes += len(body)

    @property
    def is_full(self) -> bool:
        return len(self.items) >= BATCH or self.bytes >= BYTES


async def carried_out(session: Session, command: Command) -> Result:
    """One command in one transaction."""
    match command.ask:
        case Take():
            return await _taken(session, command, command.ask)
        case Renew(ids=ids):
            text = f"UPDATE {session.table} SET until = {_IN} WHERE holder = $2 AND id = ANY($3) RETURNING id"
            kept = {id for (id,) in await session.run(text, command.lease_s, command.holder, list(ids))}
            return Renewals(tuple(one for one in ids if one not in kept))
        case Acknowledge():
            (found,) = await acknowledged(session, [command])
            return found
        case Release():
            return await _released(session, command.holder, command.ask)
        case DeadLetter(id=id):
            return await _ended(session, command.holder, id, FAILED, session.source.statements.failed)
        case GiveBack(ids=ids):
            return await _given_back(session, command.holder, ids)


_IN = "now() + $1::float8 * interval '1 second'"


# --- taking


async def _taken(session: Session, command: Command, ask: Take) -> Deliveries:
    table, holder, lease_s = session.table, command.holder, command.lease_s
    # Who asks in the same name meanwhile would count what is there without us.
    await session.run("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"tidegate {table} {holder}")
    answer, known = _Answer(), list(command.known)
    ((ours, unknown),) = await session.run(
        f"SELECT count(*), count(*) FILTER (WHERE id <> ALL($2)) FROM {table} WHERE holder = $1",
        holder,
        known,
    )  # fmt: skip
    left, seen = unknown, list(known)
    while left > 0 and not answer.is_full:
        rows = await session.run(
            f"UPDATE {table} SET until = {_IN} WHERE id IN (SELECT id FROM {table} WHERE holder = $2"
            f" AND id <> ALL($3) ORDER BY key LIMIT {PIECE}) RETURNING {_COLUMNS}",
            lease_s, holder, seen,
        )  # fmt: skip
        answer.add(rows)
        seen += [row[0] for row in rows]
        left = left - len(rows) if rows else 0
    has_more = left > 0

    async def others(room: int) -> tuple[Sequence[tuple[Any, ...]], int]:
        rows = await session.run(
            f"UPDATE {table} SET holder = $2, until = {_IN} WHERE id IN (SELECT id FROM {table}"
            " WHERE until <= now() AND holder IS DISTINCT FROM $2 ORDER BY holder IS NOT NULL, until"
            f" LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING {_COLUMNS}",
            lease_s, holder, room,
        )  # fmt: skip
        return rows, len(rows)

    async def new(room: int) -> tuple[Sequence[tuple[Any, ...]], int]:
        return await _new(session, command, room)

    room = ask.maximum - ours
    for piece in (others, new):
        room, is_cut = await _filled(answer, room, piece)
        has_more = has_more or is_cut
    ((retry_s,),) = await session.run(
        f"SELECT extract(epoch FROM min(until) - now())::float8 FROM {table} WHERE holder IS NULL"
    )
    return Deliveries(tuple(answer.items), has_more, max(0.0, retry_s) if retry_s is not None else None)


_Piece = Callable[[int], Awaitable[tuple[Sequence[tuple[Any, ...]], int]]]


async def _filled(answer: _Answer, room: int, piece: _Piece) -> tuple[int, bool]:
    """Adds what there is, by pieces, until no room is left. How much is, and whether the answer was full."""
    while room > 0:
        if answer.is_full:
            return room, True
        wanted = min(room, PIECE)
        rows, found = await piece(wanted)
        answer.add(rows)
        room -= len(rows)
        if found < wanted or not rows:
            break
    return room, False


async def _new(session: Session, command: Command, room: int) -> tuple[list[tuple[Any, ...]], int]:
    """Rows that the user's statement takes; how many it gave. One that is claimed already (somebody has set
    it back meanwhile) is no other message.
    """
    rows = await _given(session, room)
    if not rows:
        return [], 0
    keys = [key for key, _, _ in rows]
    found = await session.run(
        f"INSERT INTO {session.table} (key, id, body, attributes, holder, until, finished)"
        f" SELECT key, key || '.' || $3::text, body, attributes::jsonb, $2, {_IN}, 0"
        " FROM unnest($4::text[], $5::bytea[], $6::text[]) WITH ORDINALITY"
        " AS new(key, body, attributes, place)"
        f" ORDER BY place ON CONFLICT (key) DO NOTHING RETURNING {_COLUMNS}",
        command.lease_s, command.holder, command.nonce[:8],
        keys, [body for _, body, _ in rows], [attributes for _, _, attributes in rows],
    )  # fmt: skip
    statements = (session.source.table, session.source.statements)
    if statements not in session.proven:
        await _rehearsed(session, keys)
        session.proven.add(statements)
    return found, len(rows)


async def _given(session: Session, limit: int) -> list[tuple[str, bytes, str]]:
    """Key, body and attributes of the rows that the statement took."""
    result = await session.run_given(session.source.statements.take, limit=str(limit))
    names = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
    if names.count("id") != 1 or names.count("body") != 1:
        step = "let it end with RETURNING id, … AS body, and other columns as attributes"
        raise session.wrong(TAKE, f"it returns the columns {', '.join(names) or 'none'}", step)
    if result.ntuples > limit:
        answer = f"it took {result.ntuples} rows where {limit} were asked for"
        raise session.wrong(TAKE, answer, "let :limit bound what it changes")
    try:
        rows = [_row(session, result, row, names) for row in range(result.ntuples)]
    except UnicodeDecodeError:
        step = "return texts as UTF-8, and bytes as the body alone"
        raise session.wrong(TAKE, "a column beside the body is not UTF-8", step) from None
    if len({key for key, _, _ in rows}) < len(rows):
        raise session.wrong(TAKE, "two of its rows have the same id", "return the row's key as id")
    return rows


def _row(session: Session, result: PGresult, row: int, names: list[str]) -> tuple[str, bytes, str]:
    """Key, body and attributes of a row."""
    values = {name: result.get_value(row, column) for column, name in enumerate(names)}
    key, body = values.pop("id"), values.pop("body") or b""
    if not key or len(key) > LONGEST_KEY:
        answer = f"the id of a row is {'empty' if not key else f'longer than {LONGEST_KEY} bytes'}"
        raise session.wrong(TAKE, answer, "return the row's key as id")
    if result.ftype(names.index("body")) == _BYTEA:
        body = bytes.fromhex(body.removeprefix(b"\\x").decode())
    told = {name: value.decode() for name, value in values.items() if value is not None}
    attributes = json.dumps({"id": key.decode(), **told})
    if len(attributes) > MOST_ATTRIBUTES:
        answer = f"the columns beside the body have more than {MOST_ATTRIBUTES >> 10} KiB"
        raise session.wrong(TAKE, answer, "return fewer of them")
    return key.decode(), body, attributes


async def _rehearsed(session: Session, keys: list[str]) -> None:
    """Tries every statement on the first row that was taken, and takes that back: what would do nothing, or
    too much, is told before a Job is started.
    """
    given, first = session.source.statements, keys[0]
    async with session.connection.transaction(force_rollback=True):
        again = {key for key, _, _ in await _given(session, PIECE)} & set(keys)
        if again:
            raise session.wrong(
                TAKE, "it gives a row again that it took before", "let it change the rows that it returns"
            )
    for key, text in ((DONE, given.done), (FAILED, given.failed), (BACK, given.back)):
        async with session.connection.transaction(force_rollback=True):
            count = _changed(await session.run_given(text, id=first))
            if count != 1:
                raise _miscounted(session, key, count)
            if key != BACK and first in {one for one, _, _ in await _given(session, PIECE)}:
                raise session.wrong(key, "the row could be taken again after it", "let it end the row")


def _changed(result: PGresult) -> int:
    """How many rows a statement changed; of a SELECT (a function's), how many it gave."""
    return result.command_tuples or 0


def _miscounted(session: Session, key: str, count: int) -> Misconfigured:
    return session.wrong(
        key, f"it changed {count} rows, where it has to change one", "let it change the row whose id is :id"
    )


# --- how they end


async def acknowledged(session: Session, commands: Sequence[Command]) -> list[Result]:
    """All of one source and holder."""
    ids = [one.ask.id for one in commands if isinstance(one.ask, Acknowledge)]
    rows = await session.run(
        f"DELETE FROM {session.table} WHERE holder = $1 AND id = ANY($2) RETURNING id, key",
        commands[0].holder, ids,
    )  # fmt: skip
    keys: dict[str, str] = dict(rows)
    others = await session.run(
        f"SELECT id FROM {session.table} WHERE id = ANY($1)", [one for one in ids if one not in keys]
    ) if len(keys) < len(ids) else []  # fmt: skip
    counts = await _changes(session, list(keys.values()), DONE, session.source.statements.done)
    gone = {id for id, count in zip(keys, counts, strict=True) if not count} | {id for (id,) in others}
    return [Done(is_elsewhere=id in gone) for id in ids]


async def _changes(session: Session, keys: list[str], key: str, text: str) -> list[int]:
    """How many rows the statement changed for each; more than one is refused, none is somebody's doing."""
    statement, cursors = as_sent(text), []
    session.is_stained = True
    async with session.connection.pipeline():
        for one in keys:
            cursors.append(AsyncRawCursor(session.connection))
            await cursors[-1].execute(statement.text, [one] * len(statement.names))
    counts = []
    for cursor in cursors:
        assert cursor.pgresult is not None
        counts.append(_changed(cursor.pgresult))
        if counts[-1] > 1:
            raise _miscounted(session, key, counts[-1])
    return counts


async def _ended(session: Session, holder: str, id: str, key: str, text: str) -> Done:
    rows = await session.run(
        f"DELETE FROM {session.table} WHERE holder = $1 AND id = $2 RETURNING key", holder, id
    )
    if rows:
        (count,) = await _changes(session, [rows[0][0]], key, text)
        # The row is gone, or was set by hand: nothing is left to put aside.
        return Done(is_elsewhere=not count)
    return Done(is_elsewhere=bool(await session.run(f"SELECT 1 FROM {session.table} WHERE id = $1", id)))


async def _released(session: Session, holder: str, ask: Release) -> Done:
    rows = await session.run(f"SELECT holder, finished FROM {session.table} WHERE id = $1 FOR UPDATE", ask.id)
    if not rows:
        return Done()
    ((whose, finished),) = rows
    if finished >= ask.finished:
        return Done(is_elsewhere=whose is not None and whose != holder)
    if whose != holder:
        return Done(is_elsewhere=True)
    await session.run(
        f"UPDATE {session.table} SET holder = NULL, until = {_IN}, finished = $2 WHERE id = $3",
        ask.delay_s, ask.finished, ask.id,
    )  # fmt: skip
    return Done()


async def _given_back(session: Session, holder: str, ids: tuple[str, ...]) -> Done:
    """Those, and what rests, where nobody else claims here."""
    rows = await session.run(
        f"DELETE FROM {session.table} WHERE (holder = $1 AND id = ANY($2)) OR (holder IS NULL AND NOT EXISTS"
        f" (SELECT FROM {session.table} WHERE holder <> $1)) RETURNING key",
        holder, list(ids),
    )  # fmt: skip
    await _changes(session, [key for (key,) in rows], BACK, session.source.statements.back)
    return Done()
