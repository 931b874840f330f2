"""What the API does by itself: events expire, a deleted definition's objects go, its kinds come and go."""

from __future__ import annotations

import asyncio
import logging

from tidegate.kube.resource import EVENTS, ApiError
from tidegate.local.apiserver.kinds import BUILT_IN, Kinds, storage_key
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry, Row
from tidegate.local.apiserver.validation.custom_resources import CLEANUP, CRD_KEY, custom_key, kinds_of
from tidegate.local.apiserver.writing.event_series import is_expired
from tidegate.local.apiserver.writing.verbs import Target, Verbs
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

_EXPIRY_S = 60.0
_RETRY_S = 5.0
_CHUNK = 500
_CRDS = next(kind for kind in BUILT_IN if kind.key == CRD_KEY)
_EVENT = next(kind for kind in BUILT_IN if kind.resource == EVENTS)


class Upkeep:
    def __init__(self, store: Store, kinds: Kinds, verbs: Verbs, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._verbs = verbs
        self._clock = clock
        self._wake = asyncio.Event()
        for row in store.rows(CRD_KEY):
            self._serve(row)
        store.listen([CRD_KEY], self._definitions_changed)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._expire_events())
            tasks.create_task(self._empty_definitions())

    # -- kinds ---------------------------------------------------------------------------------

    def _definitions_changed(self, entries: list[Entry]) -> None:
        for entry in entries:
            if entry.type == "DELETED":
                self._kinds.replace_custom(entry.row.name, ())
            else:
                self._serve(entry.row)

    def _serve(self, row: Row) -> None:
        definition = row.parse()
        kinds = kinds_of(definition)
        if list(self._kinds.custom(custom_key(definition))) != kinds:
            self._kinds.replace_custom(custom_key(definition), kinds)
        if row.is_deleting:
            self._wake.set()

    # -- definitions that are being deleted ----------------------------------------------------

    async def _empty_definitions(self) -> None:
        while True:
            self._wake.clear()
            emptied = [await self._empty(row) for row in self._store.rows(CRD_KEY) if row.is_deleting]
            if all(emptied):
                await self._wake.wait()
            else:
                await self._clock.sleep(_RETRY_S)

    async def _empty(self, definition: Row) -> bool:
        """Deletes the definition's objects, then lets the definition go; whether that is under way."""
        try:
            return await self._let_go(definition)
        except ApiError as error:
            log.warning(
                "cannot empty a definition", extra={"definition": definition.name, "answer": str(error)}
            )
            return False

    async def _let_go(self, definition: Row) -> bool:
        key = definition.name
        kinds = kinds_of(definition.parse())
        if kinds:
            rows = [row for row in self._store.newest_rows(key) if not row.is_deleting]
            await self._verbs.delete_rows(kinds[0], rows)
        if self._store.newest_rows(key):
            self._listen_until_empty(key)
            return True
        held = (definition.parse()["metadata"].get("finalizers")) or []
        kept = [name for name in held if name != CLEANUP]
        await self._verbs.patch(
            Target(_CRDS, "", definition.name), "merge", {"metadata": {"finalizers": kept}}
        )
        return True

    def _listen_until_empty(self, key: str) -> None:
        """Looks again when an object of the definition goes (its finalizers may take their time)."""

        def on_entries(entries: list[Entry]) -> None:
            if any(entry.type == "DELETED" for entry in entries):
                stop()
                self._wake.set()

        stop = self._store.listen([key], on_entries)

    # -- events --------------------------------------------------------------------------------

    async def _expire_events(self) -> None:
        while True:
            await self._clock.sleep(_EXPIRY_S)
            try:
                await self.expire_events()
            except ApiError as error:
                log.warning("cannot expire events", extra={"answer": str(error)})

    async def expire_events(self) -> None:
        """Deletes events that last happened more than an hour ago, a slice of the loop at a time."""
        now = self._clock.now()
        rows = self._store.rows(storage_key(EVENTS))
        for start in range(0, len(rows), _CHUNK):
            old = [row for row in rows[start : start + _CHUNK] if is_expired(row.body, now)]
            await self._verbs.delete_rows(_EVENT, old)
            await asyncio.sleep(0)
