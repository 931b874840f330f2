"""The store: what is committed is read from memory; what is decided waits for its group commit.

Decisions are taken on the loop against the newest state (`newest`), so each write sees those
before it. One thread commits them in the order of their versions, many at a time. Only then do
readers, watchers and the writer itself learn of it. When a commit fails, every write decided since
fails with it, because each may rest on what was not stored; the next decision starts from what is.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Literal

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.storage.database import Database, Mark, Put
from tidegate.local.apiserver.storage.stored_object import Entry, Place, Row

LOG_ENTRIES = 5_000
LOG_BYTES = 64 * 1024 * 1024

OnEntries = Callable[[list[Entry]], None]


@dataclass(slots=True, eq=False)
class _Write:
    entry: Entry
    mark: Mark | None
    epoch: int
    waiters: list[asyncio.Future[Entry]] = field(default_factory=list)


class _Table:
    """The committed objects of one storage key, and the order in which lists show them."""

    __slots__ = ("places", "rows")

    def __init__(self) -> None:
        self.rows: dict[Place, Row] = {}
        self.places: list[Place] = []

    def put(self, row: Row) -> None:
        place = row.place
        if place not in self.rows:
            insort(self.places, place)
        self.rows[place] = row

    def drop(self, place: Place) -> None:
        if self.rows.pop(place, None) is not None:
            del self.places[bisect_left(self.places, place)]


class _Log:
    """The newest entries of one storage key; `floor` is the version before the oldest kept one."""

    __slots__ = ("_bytes", "entries", "floor")

    def __init__(self, floor: int) -> None:
        self.entries: deque[Entry] = deque()
        self.floor = floor
        self._bytes = 0

    def add(self, entry: Entry, entries: int, size: int) -> None:
        """Keeps the newest `entries`, and no more than `size` bytes of them."""
        self.entries.append(entry)
        self._bytes += len(entry.row.body)
        while len(self.entries) > entries or self._bytes > size:
            oldest = self.entries.popleft()
            self._bytes -= len(oldest.row.body)
            self.floor = oldest.version


class Store:
    """Belongs to the loop it is opened on; only the commits run in a thread of their own."""

    def __init__(
        self, database: Database, *, log_entries: int = LOG_ENTRIES, log_bytes: int = LOG_BYTES
    ) -> None:
        self._database = database
        self._log_entries, self._log_bytes = log_entries, log_bytes
        self._tables: dict[str, _Table] = {}
        self._owned: dict[str, dict[tuple[str, Place], None]] = {}
        self._logs: dict[str, _Log] = {}
        self._listeners: dict[str, dict[OnEntries, None]] = {}
        self._pending: dict[tuple[str, Place], _Write] = {}
        self._outbox: list[_Write] = []
        self._queue: SimpleQueue[list[_Write] | None] = SimpleQueue()
        self._epoch = 0
        self._loop = asyncio.get_running_loop()
        self._thread: threading.Thread | None = None
        self.version = self._floor = self._decided = database.counter()
        for key, row in database.load():
            self._put(key, row)
        self._thread = threading.Thread(target=self._commit_all, name="tidegate-store", daemon=True)
        self._thread.start()

    # -- reading what is committed -------------------------------------------------------------

    def get(self, key: str, place: Place) -> Row | None:
        table = self._tables.get(key)
        return table.rows.get(place) if table else None

    def rows(self, key: str, namespace: str = "", after: Place | None = None) -> list[Row]:
        """Rows of the kind (in one namespace; behind `after`), sorted by namespace and name."""
        table = self._tables.get(key)
        if table is None:
            return []
        places = table.places
        start = bisect_left(places, (namespace, "")) if namespace else 0
        end = bisect_left(places, (namespace + "\0", "")) if namespace else len(places)
        if after is not None:
            start = max(start, bisect_left(places, (after[0], after[1] + "\0")))
        return [table.rows[place] for place in places[start:end]]

    def keys(self) -> list[str]:
        """Storage keys that have objects."""
        return [key for key, table in self._tables.items() if table.rows]

    def owned(self, uid: str) -> list[tuple[str, Row]]:
        """Storage key and row of each object that names `uid` as an owner."""
        return [(key, self._tables[key].rows[place]) for key, place in self._owned.get(uid, ())]

    def since(self, key: str, version: int) -> list[Entry]:
        """Entries after `version`, oldest first. 410 Expired when some are no longer kept."""
        self.check_kept(key, version)
        log = self._logs.get(key)
        found: list[Entry] = []
        for entry in reversed(log.entries) if log else ():
            if entry.version <= version:
                break
            found.append(entry)
        found.reverse()
        return found

    def check_kept(self, key: str, version: int) -> None:
        """410 Expired unless every entry after `version` is kept."""
        log = self._logs.get(key)
        floor = log.floor if log else self._floor
        if version < floor or version > self._decided:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({floor})")

    def listen(self, keys: Iterable[str], on_entries: OnEntries) -> Callable[[], None]:
        """Calls `on_entries` on the loop after each commit that concerns `keys`; the result ends it."""
        chosen = tuple(keys)
        for key in chosen:
            self._listeners.setdefault(key, {})[on_entries] = None

        def stop() -> None:
            for key in chosen:
                self._listeners[key].pop(on_entries, None)

        return stop

    # -- deciding and writing ------------------------------------------------------------------

    def newest(self, key: str, place: Place) -> Row | None:
        """The state the next write must build on: decided, perhaps not yet committed."""
        write = self._pending.get((key, place))
        if write is None:
            return self.get(key, place)
        return None if write.entry.type == "DELETED" else write.entry.row

    def newest_rows(self, key: str) -> list[Row]:
        """All newest states of a kind, in no order."""
        rows = {row.place: row for row in self.rows(key)}
        for (pending_key, place), write in self._pending.items():
            if pending_key == key:
                rows.pop(place, None)
                if write.entry.type != "DELETED":
                    rows[place] = write.entry.row
        return list(rows.values())

    def next_version(self) -> int:
        """A version no write ever had. Writes must be submitted in the order of their versions."""
        self._decided += 1
        return self._decided

    def submit(
        self,
        key: str,
        type: Literal["ADDED", "MODIFIED", "DELETED"],
        row: Row,
        mark: Mark | None = None,
    ) -> asyncio.Future[Entry]:
        """Hands a decided write over; done when committed and applied. Fails as `ApiError` 500."""
        if self._thread is None:
            raise ApiError(503, "ServiceUnavailable", "the control plane is shutting down")
        place = row.place
        entry = Entry(type, row.version, row, self.newest(key, place), key)
        write = _Write(entry, mark, self._epoch)
        self._pending[(key, place)] = write
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(write)
        return self._waiter(write)

    def settled(self, key: str, place: Place) -> asyncio.Future[Entry] | None:
        """What an answer that rests on `newest` must await: the newest write's commit, if any."""
        write = self._pending.get((key, place))
        return self._waiter(write) if write else None

    def _waiter(self, write: _Write) -> asyncio.Future[Entry]:
        waiter: asyncio.Future[Entry] = self._loop.create_future()
        write.waiters.append(waiter)
        return waiter

    def _flush(self) -> None:
        batch, self._outbox = self._outbox, []
        self._queue.put(batch)

    # -- the committing thread -----------------------------------------------------------------

    def _commit_all(self) -> None:
        broken = -1
        is_open = True
        while is_open:
            batch: list[_Write] = []
            more = self._queue.get()
            while more is not None:
                batch += more
                try:
                    more = self._queue.get_nowait()
                except Empty:
                    break
            is_open = more is not None
            # Epochs only rise, so what is doomed stands before what is sound.
            sound = [write for write in batch if write.epoch > broken]
            error: Exception | None = None
            try:
                if sound:
                    self._commit(sound)
            except Exception as caught:
                # Whatever it is, a dead thread would leave every later write unanswered.
                error, broken = caught, sound[-1].epoch
            stored = sound if error is None else []
            failed = batch[: len(batch) - len(stored)]
            self._loop.call_soon_threadsafe(self._apply, stored, failed, error)

    def _commit(self, writes: Sequence[_Write]) -> None:
        puts = []
        for write in writes:
            row = write.entry.row
            body = None if write.entry.type == "DELETED" else row.body
            puts.append(Put(write.entry.key, row.namespace, row.name, row.version, body))
        marks = [write.mark for write in writes if write.mark is not None]
        self._database.commit(writes[-1].entry.version, puts, marks)

    # -- applying what was committed -----------------------------------------------------------

    def _apply(self, stored: list[_Write], failed: list[_Write], error: Exception | None) -> None:
        news: dict[OnEntries, list[Entry]] = {}
        for write in stored:
            entry = write.entry
            if self._pending.get((entry.key, entry.row.place)) is write:
                del self._pending[(entry.key, entry.row.place)]
            self._keep(entry)
            for listener in self._listeners.get(entry.key, ()):
                news.setdefault(listener, []).append(entry)
        if stored:
            self.version = stored[-1].entry.version
        if failed:
            self._fail(failed, error)
        for write in stored:
            for waiter in write.waiters:
                if not waiter.done():
                    waiter.set_result(write.entry)
        for listener, entries in news.items():
            try:
                listener(entries)
            except Exception as broken:
                self._loop.call_exception_handler(
                    {"message": "a listener of the store failed", "exception": broken}
                )

    def _fail(self, writes: list[_Write], error: Exception | None) -> None:
        if any(write.epoch == self._epoch for write in writes):
            self._epoch += 1
            self._pending.clear()
        answer = str(error) if error else "a write that this one builds on could not be stored"
        for write in writes:
            for waiter in write.waiters:
                if not waiter.done():
                    waiter.set_exception(_not_stored(self._database, answer))

    def _keep(self, entry: Entry) -> None:
        key = entry.key
        if entry.type == "DELETED":
            self._drop(key, entry.row.place)
        else:
            self._put(key, entry.row)
        log = self._logs.get(key)
        if log is None:
            log = self._logs[key] = _Log(self._floor)
        log.add(entry, self._log_entries, self._log_bytes)

    def _put(self, key: str, row: Row) -> None:
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _Table()
        before = table.rows.get(row.place)
        if before is not None and before.owners != row.owners:
            self._disown(key, before)
        table.put(row)
        for uid in row.owners:
            self._owned.setdefault(uid, {})[(key, row.place)] = None

    def _drop(self, key: str, place: Place) -> None:
        table = self._tables.get(key)
        row = table.rows.get(place) if table else None
        if table is not None and row is not None:
            self._disown(key, row)
            table.drop(place)

    def _disown(self, key: str, row: Row) -> None:
        for uid in row.owners:
            owned = self._owned.get(uid)
            if owned is not None:
                owned.pop((key, row.place), None)
                if not owned:
                    del self._owned[uid]

    async def close(self) -> None:
        """Commits what was submitted, then closes. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._outbox:
            self._flush()
        self._queue.put(None)
        await self._loop.run_in_executor(None, thread.join)
        await asyncio.sleep(0)
        self._database.close()


def _not_stored(database: Database, answer: str) -> ApiError:
    return ApiError(
        500,
        "InternalError",
        f"cannot store the write in {database.file}: {answer}; nothing was changed; "
        "free space or repair the disk, then try again",
    )
