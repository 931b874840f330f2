from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.local.apiserver.storage.database import SCHEMA, Database, Mark, Put, read_journal
from tidegate.local.apiserver.storage.directory_lock import Hold


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def body(name: str) -> bytes:
    return b'{"metadata":{"name":"%b","uid":"u"}}' % name.encode()


def mark(rv: int) -> Mark:
    return Mark(rv, "2026-01-31T08:00:00Z", "create", "things", "", f"n{rv}", f"u{rv}", "{}")


def filled(file: Path, rows: int = 3) -> None:
    database = Database(file)
    puts = [Put("things", "", f"n{rv}", rv, body(f"n{rv}") + b" " * 2000) for rv in range(1, rows + 1)]
    database.commit(rows, puts, [mark(put.rv) for put in puts])
    database.close()


def test_the_last_state_of_each_object_is_what_is_read_back(file: Path) -> None:
    database = Database(file)
    database.commit(2, [Put("things", "", "a", 1, body("a")), Put("things", "", "a", 2, None)], [])
    database.commit(4, [Put("things", "ns", "b", 3, body("b")), Put("things", "ns", "b", 4, body("b"))], [])
    database.close()
    again = Database(file)
    assert [(key, row.place, row.version, row.uid) for key, row in again.load()] == [
        ("things", ("ns", "b"), 4, "u")
    ]
    assert again.counter() == 4
    again.close()


def test_a_transaction_that_fails_leaves_nothing(file: Path) -> None:
    database = Database(file)
    with pytest.raises(sqlite3.Error):
        database.commit(5, [Put("things", "", "a", 5, body("a"))], [mark(5), mark(5)])
    assert list(database.load()) == []
    assert database.counter() == 0
    assert read_journal(file) == []
    database.commit(6, [Put("things", "", "a", 6, body("a"))], [mark(6)])
    assert database.counter() == 6
    database.close()


def test_the_journal_keeps_its_newest_rows(file: Path) -> None:
    database = Database(file, journal_rows=5)
    for rv in range(1, 21):
        database.commit(rv, [], [mark(rv)])
    database.close()
    assert [line.rv for line in read_journal(file)] == [16, 17, 18, 19, 20]


@pytest.mark.parametrize("journal_rows", [1, 3])
def test_the_journal_never_loses_a_row_that_is_among_the_newest(file: Path, journal_rows: int) -> None:
    database = Database(file, journal_rows=journal_rows)
    for rv in range(1, 12):
        database.commit(rv, [], [mark(rv)])
        newest = [line.rv for line in read_journal(file)][-journal_rows:]
        assert newest == list(range(max(1, rv - journal_rows + 1), rv + 1))
    database.close()


def refusal(file: Path) -> str:
    """What the user reads when the file cannot be used."""

    def read() -> None:
        database = Database(file)
        try:
            database.counter()
            list(database.load())
        finally:
            database.close()

    with pytest.raises(Misconfigured) as caught:
        read()
    return str(caught.value)


def test_a_file_of_something_else_is_named_with_a_next_step_and_left_alone(file: Path) -> None:
    file.write_bytes(b"not a database, " * 300)
    text = refusal(file)
    assert str(file) in text
    assert "not a database" in text
    assert "move the file away" in text
    assert file.read_bytes() == b"not a database, " * 300


@pytest.mark.parametrize("page", range(1, 6))
def test_a_damaged_page_is_found_at_the_start(file: Path, page: int) -> None:
    filled(file, 40)
    with file.open("r+b") as opened:
        opened.seek(page * 4096)
        opened.write(b"\xde\xad" * 2048)
    assert "move the file away" in refusal(file)


def test_a_truncated_file_is_found_at_the_start(file: Path) -> None:
    filled(file, 40)
    with file.open("r+b") as opened:
        opened.truncate(3 * 4096)
    assert "move the file away" in refusal(file)


def test_a_stored_object_that_is_no_json_is_found_at_the_start(file: Path) -> None:
    filled(file)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE objects SET body = ?", (b"{",))
    connection.close()
    assert "move the file away" in refusal(file)


def test_a_newer_schema_is_not_touched(file: Path) -> None:
    filled(file)
    connection = sqlite3.connect(file)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    assert f"it has schema {SCHEMA + 1}" in refusal(file)
    assert "newer tidegate" in refusal(file)


def test_another_programs_database_is_not_touched(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE invoices (id)")
    connection.close()
    assert "another program's database" in refusal(file)
    connection = sqlite3.connect(file)
    assert [name for (name,) in connection.execute("SELECT name FROM sqlite_master")] == ["invoices"]
    connection.close()


def test_a_directory_that_cannot_hold_the_file_is_named(tmp_path: Path) -> None:
    assert "unable to open database file" in refusal(tmp_path / "missing" / "state.db")


def test_durable_means_that_each_commit_is_forced_to_the_disk(file: Path) -> None:
    settings = []
    for is_durable in (False, True):
        database = Database(file, is_durable=is_durable)
        settings.append(database._connection.execute("PRAGMA synchronous").fetchone()[0])
        database.close()
    assert settings == [1, 2]


def test_a_held_directory_names_the_directory_and_the_holder(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    hold = Hold(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    with pytest.raises(Misconfigured) as caught:
        Hold(directory)
    assert str(directory) in str(caught.value)
    assert f"pid {os.getpid()}" in str(caught.value)
    assert "--data-dir" in str(caught.value)
    hold.release()
    hold.release()
    again = Hold(directory)
    again.release()
