"""The durable copy: one SQLite file in WAL mode, written by one thread, read once at the start.

`objects` holds the newest state of each object, `meta` the version counter, `journal` one line per
creation and deletion, written in the same transaction. No history of objects is kept on disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tidegate.base.errors import Misconfigured
from tidegate.local.apiserver.storage.stored_object import Row, row_from_bytes

SCHEMA = 1
JOURNAL_ROWS = 200_000
_TRIM_EVERY = 10_000
_CHECKED_BYTES = 32 * 1024 * 1024
_TABLES = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
    "CREATE TABLE objects (resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,"
    " rv INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (resource, namespace, name))",
    "CREATE TABLE journal (rv INTEGER PRIMARY KEY, at TEXT NOT NULL, verb TEXT NOT NULL,"
    " resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL,"
    " annotations TEXT NOT NULL)",
    "INSERT INTO meta VALUES ('counter', 0)",
    f"PRAGMA user_version = {SCHEMA}",
)


class Mark(NamedTuple):
    """A line of the journal. `verb` is create or delete; `annotations`, JSON, only those of tidegate.dev/."""

    rv: int
    at: str
    verb: str
    resource: str
    namespace: str
    name: str
    uid: str
    annotations: str


class Put(NamedTuple):
    """An object's new state, or with `body` None its removal."""

    resource: str
    namespace: str
    name: str
    rv: int
    body: bytes | None


class Database:
    """An open database. `commit` may be called from one other thread, the rest from the opener's."""

    def __init__(self, file: Path, *, is_durable: bool = False, journal_rows: int = JOURNAL_ROWS) -> None:
        """`is_durable`: commits survive a loss of power too, not only the death of the process.

        Misconfigured when the file cannot be used; it is left as it was found.
        """
        self.file = file
        self._journal_rows = journal_rows
        self._untrimmed = 0
        try:
            self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(is_durable)
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise self._unusable(str(error)) from error

    def _prepare(self, is_durable: bool) -> None:
        run = self._connection.execute
        found = run("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA:
            raise self._unusable(
                f"it has schema {found}, this program knows up to {SCHEMA}",
                "use the newer tidegate that wrote it, or choose another directory with --data-dir",
            )
        if found == 0 and run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise self._unusable("it is another program's database")
        run("PRAGMA journal_mode = WAL")
        run(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
        run("PRAGMA temp_store = MEMORY")
        if found == 0:
            run("BEGIN IMMEDIATE")
            for statement in _TABLES:
                run(statement)
            run("COMMIT")
        elif self.file.stat().st_size <= _CHECKED_BYTES:
            verdict = run("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise self._unusable(verdict)

    def counter(self) -> int:
        """The highest version ever committed; survives the deletion of the object that had it."""
        try:
            value: int = self._connection.execute("SELECT value FROM meta WHERE name = 'counter'").fetchone()[
                0
            ]
        except (sqlite3.Error, TypeError) as error:
            raise self._unusable(str(error)) from error
        return value

    def load(self) -> Iterator[tuple[str, Row]]:
        """Every stored object with its storage key."""
        try:
            for resource, namespace, name, rv, body in self._connection.execute(
                "SELECT resource, namespace, name, rv, body FROM objects"
            ):
                yield resource, row_from_bytes((namespace, name), rv, body)
        except (sqlite3.Error, msgspec.MsgspecError, TypeError) as error:
            raise self._unusable(str(error)) from error

    def commit(self, counter: int, puts: Iterable[Put], marks: Sequence[Mark]) -> None:
        """One transaction: all or nothing. `sqlite3.Error` when nothing was stored."""
        last = {put[:3]: put for put in puts}
        kept = [put for put in last.values() if put.body is not None]
        gone = [put[:3] for put in last.values() if put.body is None]
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", kept)
            if gone:
                connection.executemany(
                    "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?", gone
                )
            if marks:
                connection.executemany("INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)", marks)
                self._trim(len(marks))
            connection.execute("UPDATE meta SET value = ? WHERE name = 'counter'", (counter,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _trim(self, added: int) -> None:
        self._untrimmed += added
        if self._untrimmed >= min(_TRIM_EVERY, self._journal_rows):
            self._untrimmed = 0
            self._connection.execute(
                "DELETE FROM journal WHERE rv <= (SELECT rv FROM journal ORDER BY rv DESC LIMIT 1 OFFSET ?)",
                (self._journal_rows,),
            )

    def close(self) -> None:
        """Folds the write-ahead log into the file. Safe to call twice."""
        self._connection.close()

    def _unusable(self, answer: str, next_step: str = "") -> Misconfigured:
        return Misconfigured(
            "read the database",
            on=str(self.file),
            answer=" ".join(answer.split()),
            next_step=next_step
            or "move the file away (with its -wal and -shm) to start empty, or restore it from a copy",
        )


def read_journal(file: Path) -> list[Mark]:
    """The journal of a database, oldest first; also while a control plane is writing to it."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return [Mark(*line) for line in connection.execute("SELECT * FROM journal ORDER BY rv")]
    finally:
        connection.close()
