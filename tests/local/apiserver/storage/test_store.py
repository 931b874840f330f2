from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.storage.database import Database
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry, row_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[Store]:
    opened = Store(Database(file), log_entries=10)
    yield opened
    await opened.close()


def put(
    store: Store, name: str, value: object = "", key: str = "things", owners: tuple[str, ...] = ()
) -> object:
    """Submits a write as a verb would: decided on the newest state, at once."""
    type = "ADDED" if store.newest(key, ("", name)) is None else "MODIFIED"
    return store.submit(key, type, row_of(thing(name, value, owners), store.next_version()))


def drop(store: Store, name: str, key: str = "things") -> object:
    row = store.newest(key, ("", name))
    assert row is not None
    return store.submit(key, "DELETED", row_of(row.parse(), store.next_version()))


def thing(name: str, value: object, owners: tuple[str, ...] = ()) -> dict[str, object]:
    references = [{"uid": uid} for uid in owners]
    return {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": name, "ownerReferences": references},
        "value": value,
    }


def names(store: Store, namespace: str = "") -> list[str]:
    return [row.name for row in store.rows("things", namespace)]


async def test_a_write_is_seen_by_readers_only_after_its_commit(store: Store) -> None:
    commit = put(store, "a")
    assert store.get("things", ("", "a")) is None
    assert store.newest("things", ("", "a")) is not None
    await commit
    assert store.get("things", ("", "a")) is not None


async def test_a_later_write_builds_on_one_that_is_not_committed_yet(store: Store) -> None:
    commits = [put(store, "a", 1)]
    newest = store.newest("things", ("", "a"))
    assert newest is not None
    commits.append(put(store, "a", newest.parse()["value"] + 1))
    await asyncio.gather(*commits)
    row = store.get("things", ("", "a"))
    assert row is not None
    assert row.parse()["value"] == 2


async def test_watchers_see_writes_in_the_order_of_their_versions_whoever_wrote_them(store: Store) -> None:
    seen: list[Entry] = []
    store.listen(["things", "others"], seen.extend)
    chance = random.Random(7)

    async def write(task: int) -> None:
        for step in range(20):
            await put(store, f"{task}", step, chance.choice(["things", "others"]))
            if chance.random() < 0.3:
                await asyncio.sleep(0)

    await asyncio.gather(*(write(task) for task in range(10)))
    versions = [entry.version for entry in seen]
    assert versions == list(range(1, 201))
    assert store.version == 200


async def test_each_entry_carries_the_state_before_it(store: Store) -> None:
    seen: list[Entry] = []
    store.listen(["things"], seen.extend)
    for value in (1, 2):
        put(store, "a", value)
    await drop(store, "a")
    assert [entry.type for entry in seen] == ["ADDED", "MODIFIED", "DELETED"]
    assert [entry.previous and entry.previous.version for entry in seen] == [None, 1, 2]
    assert seen[2].row.version == 3


async def test_rows_are_sorted_by_namespace_and_name_and_stay_so(store: Store) -> None:
    chance = random.Random(3)
    places = [(namespace, f"n{number}") for namespace in ("a", "a-b", "b") for number in range(12)]
    chance.shuffle(places)
    for namespace, name in places:
        body = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": name, "namespace": namespace}}
        store.submit("things", "ADDED", row_of(body, store.next_version()))
    gone = places[:10]
    for place in gone:
        row = store.newest("things", place)
        assert row is not None
        last = store.submit("things", "DELETED", row_of(row.parse(), store.next_version()))
    await last
    left = sorted(set(places) - set(gone))
    assert [row.place for row in store.rows("things")] == left
    assert [row.place for row in store.rows("things", "a")] == [place for place in left if place[0] == "a"]
    middle = left[len(left) // 2]
    assert [row.place for row in store.rows("things", "", middle)] == [
        place for place in left if place > middle
    ]


async def test_owned_objects_are_found_by_each_of_their_owners(store: Store) -> None:
    await put(store, "a", owners=("u1", "u2"))
    await put(store, "b", owners=("u1",))
    assert [row.name for _, row in store.owned("u1")] == ["a", "b"]
    await put(store, "a", owners=("u2",))
    assert [row.name for _, row in store.owned("u1")] == ["b"]
    assert [row.name for _, row in store.owned("u2")] == ["a"]
    await drop(store, "b")
    assert store.owned("u1") == []


async def test_the_log_answers_with_what_came_after_a_version(store: Store) -> None:
    for name in "abc":
        await put(store, name)
    assert [entry.row.name for entry in store.since("things", 1)] == ["b", "c"]
    assert store.since("things", 3) == []
    assert store.since("others", 3) == []


async def test_a_version_older_than_the_log_is_expired_and_none_is_skipped_in_silence(store: Store) -> None:
    for number in range(25):
        await put(store, f"n{number}")
    assert [entry.version for entry in store.since("things", 15)] == list(range(16, 26))
    for version in (0, 14):
        with pytest.raises(ApiError) as caught:
            store.since("things", version)
        assert (caught.value.code, caught.value.reason) == (410, "Expired")


async def test_the_log_forgets_by_size_too_so_that_large_objects_do_not_fill_the_memory(file: Path) -> None:
    store = Store(Database(file), log_bytes=5000)
    for index in range(10):
        await put(store, "a", f"{index}" * 1000)
    kept = store.since("things", 7)
    assert [entry.version for entry in kept] == [8, 9, 10]
    with pytest.raises(ApiError, match="too old"):
        store.since("things", 3)
    await store.close()


async def test_a_version_from_the_future_is_expired_too(store: Store) -> None:
    await put(store, "a")
    with pytest.raises(ApiError) as caught:
        store.since("things", 99)
    assert caught.value.code == 410


async def test_the_counter_never_goes_back_over_a_restart_even_when_the_newest_object_is_gone(
    file: Path,
) -> None:
    first = Store(Database(file))
    await put(first, "a")
    await put(first, "b")
    await drop(first, "b")
    await first.close()
    second = Store(Database(file))
    assert second.version == 3
    assert second.next_version() == 4
    assert names(second) == ["a"]
    with pytest.raises(ApiError, match="too old"):
        second.since("things", 2)
    assert second.since("things", 3) == []
    await second.close()


async def test_a_commit_that_fails_fails_all_writes_that_may_rest_on_it_and_no_other(file: Path) -> None:
    database = Full(file)
    store = Store(database)
    await put(store, "kept")
    database.is_full = True
    doomed = [put(store, "a", 1), put(store, "a", 2)]
    await asyncio.sleep(0)
    doomed.append(put(store, "b"))
    answers = await asyncio.gather(*doomed, return_exceptions=True)
    assert [getattr(answer, "code", None) for answer in answers] == [500, 500, 500]
    assert "database or disk is full" in str(answers[0])
    assert store.newest("things", ("", "a")) is None
    assert store.newest("things", ("", "b")) is None
    database.is_full = False
    await put(store, "a", 3)
    assert names(store) == ["a", "kept"]
    await store.close()
    assert sorted(row.name for _, row in Database(file).load()) == ["a", "kept"]


async def test_watchers_never_hear_of_a_write_that_was_not_stored(file: Path) -> None:
    database = Full(file)
    store = Store(database)
    seen: list[Entry] = []
    store.listen(["things"], seen.extend)
    database.is_full = True
    with pytest.raises(ApiError):
        await put(store, "lost")
    database.is_full = False
    await put(store, "kept")
    assert [entry.row.name for entry in seen] == ["kept"]
    await store.close()


async def test_a_real_full_database_is_an_honest_answer(file: Path) -> None:
    database = Database(file)
    pages = database._connection.execute("PRAGMA page_count").fetchone()[0]
    database._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    store = Store(database)
    with pytest.raises(ApiError, match="disk is full"):
        await put(store, "large", "x" * 100_000)
    await put(store, "small")
    assert names(store) == ["small"]
    await store.close()


async def test_a_listener_that_fails_keeps_nobody_else_from_the_news(store: Store) -> None:
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, said: complaints.append(said["message"]))
    seen: list[Entry] = []

    def broken(entries: list[Entry]) -> None:
        raise RuntimeError("broken")

    store.listen(["things"], broken)
    store.listen(["things"], seen.extend)
    await put(store, "a")
    await asyncio.sleep(0)
    assert [entry.row.name for entry in seen] == ["a"]
    assert complaints == ["a listener of the store failed"]


async def test_a_stopped_listener_hears_no_more(store: Store) -> None:
    seen: list[Entry] = []
    stop = store.listen(["things"], seen.extend)
    await put(store, "a")
    stop()
    await put(store, "b")
    assert [entry.row.name for entry in seen] == ["a"]


async def test_a_writer_that_stops_waiting_takes_nothing_back(store: Store) -> None:
    async def write() -> None:
        await put(store, "a")

    task = asyncio.create_task(write())
    await asyncio.sleep(0)
    task.cancel()
    await put(store, "b")
    assert names(store) == ["a", "b"]


async def test_closing_commits_what_was_submitted_and_refuses_what_comes_after(file: Path) -> None:
    store = Store(Database(file))
    commit = put(store, "a")
    await store.close()
    await commit
    with pytest.raises(ApiError, match="shutting down"):
        put(store, "b")
    await store.close()
    reopened = Database(file)
    assert [row.name for _, row in reopened.load()] == ["a"]
    reopened.close()


class Full(Database):
    """A database whose disk fills up and empties at a word."""

    is_full = False

    def commit(self, *arguments: object) -> None:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        super().commit(*arguments)
