"""A cache of one kind of objects that follows the API server: list, then watch, forever.

    list ──► watch from its version ──► stream ends ──► watch again from the last version seen
      ▲                                     │ 410 Expired, or any other refusal
      └─────────────────────────────────────┘ connection lost: wait, then watch again

A cache is a little behind at any time. What it shows was true once, and will be what is true. How long
nothing has been heard of the server is told by `away`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.watching import WatchEvent

log = logging.getLogger(__name__)

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name."""

Found: TypeAlias = list[T]
OnChange = Callable[[T | None, T | None], None]

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 30.0
_SOON_S = 5.0
_EMPTY: Mapping[str, str] = {}


class _Owner(msgspec.Struct, gc=False):
    uid: str = ""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str | None = ""
    uid: str | None = ""
    resource_version: str | None = ""
    labels: dict[str, str] | None = None
    owner_references: list[_Owner] | None = None


class _Bare(msgspec.Struct, gc=False):
    metadata: _Meta


_bare = msgspec.json.Decoder(_Bare)


class _Entry(Generic[T]):
    __slots__ = ("labels", "object", "owners", "uid", "version")

    def __init__(self, meta: _Meta, decoded: T) -> None:
        self.object = decoded
        self.uid = meta.uid or ""
        self.version = meta.resource_version or ""
        self.labels = meta.labels or _EMPTY
        self.owners = tuple(owner.uid for owner in meta.owner_references or ())

    def is_at(self, meta: _Meta) -> bool:
        return self.uid == (meta.uid or "") and self.version == (meta.resource_version or "")


@dataclass(frozen=True, slots=True)
class Away:
    """Since when (and since which second of the monotonic clock) nothing is heard, and the last failure;
    "" where there was none.
    """

    since: datetime
    since_s: float
    failure: str = ""


class Cache(Generic[T]):
    """`decode` makes an object from its JSON bytes; without it objects are dictionaries, not to be modified.

    An object that cannot be decoded keeps its last good state and is listed in `bad` with the reason:
    it must neither look deleted nor spoil the others. Narrow the cache by namespace or selectors.
    `is_synced` says that a list has been complete once, `is_live` that a watch is open now, `away` since
    when none is. `on_return` hears, with the seconds that it was away, of each list and opened watch.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        decode: Callable[[bytes], T] = msgspec.json.decode,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
    ) -> None:
        self.resource = resource
        self.bad: dict[Key, str] = {}
        self.is_synced = False
        self.is_live = False
        self.away: Away | None = None
        self.on_return: Callable[[float], None] = lambda away_s: None
        self.resource_version = ""
        self._client = client
        self._decode = decode
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._entries: dict[Key, _Entry[T]] = {}
        self._by_owner: dict[str, dict[Key, None]] = {}
        self._by_label: dict[str, dict[str, dict[Key, None]]] = {}
        self._subscribers: list[OnChange[T]] = []
        self._synced = asyncio.Event()
        self._failure = ""

    # --- looking

    async def synced(self) -> None:
        """Returns when the first list is complete."""
        await self._synced.wait()

    def get(self, namespace: str, name: str) -> T | None:
        entry = self._entries.get((namespace, name))
        return entry.object if entry is not None else None

    def list(self, namespace: str = "") -> Found[T]:
        """All objects (of a namespace), in no particular order."""
        return [entry.object for key, entry in self._entries.items() if not namespace or key[0] == namespace]

    def by_label(self, key: str, value: str) -> Found[T]:
        """The objects with this label; the first question about a label builds its index."""
        index = self._by_label.get(key)
        if index is None:
            index = self._by_label[key] = {}
            for place, entry in self._entries.items():
                if key in entry.labels:
                    index.setdefault(entry.labels[key], {})[place] = None
        return self._at(index.get(value, ()))

    def by_owner(self, uid: str) -> Found[T]:
        """The objects that name `uid` among their ownerReferences."""
        return self._at(self._by_owner.get(uid, ()))

    def subscribe(self, on_change: OnChange[T]) -> None:
        """Calls `on_change(old, new)` for each change from now on; None stands for "is not there".

        The objects of the first list count as changes. An object replaced by a namesake is deleted
        first. It must return at once.
        """
        self._subscribers.append(on_change)

    def _at(self, places: Iterable[Key]) -> Found[T]:
        return [self._entries[place].object for place in places]

    # --- following

    async def run(self) -> None:
        """Follows the server until cancelled."""
        clock = self._client.clock
        must_list, short = True, 0
        while True:
            began_s = clock.monotonic()
            failure: Exception | None = None
            try:
                if must_list:
                    await self._list()
                    must_list = False
                await self._watch()
            except ApiError as error:
                must_list = True
                failure = error if error.code != 410 else None
            except TidegateError as error:
                failure = error
            finally:
                self._left()
            if failure is not None:
                self._complain(failure)
            # A watch that ends soon, for whatever cause, must not become a busy loop.
            short = short + 1 if clock.monotonic() - began_s < _SOON_S else 0
            if short > 1 or (short and failure is not None):
                await clock.sleep(min(_FIRST_WAIT_S * 2.0 ** min(short - 1, 16), _LONGEST_WAIT_S))

    def _complain(self, failure: Exception) -> None:
        if not self._failure:
            fields = {"resource": self.resource.plural, "failure": str(failure)}
            log.warning("cache lost its server", extra=fields)
        self._failure = str(failure)
        if self.away is not None:
            self.away = replace(self.away, failure=self._failure)

    def _left(self) -> None:
        self.is_live = False
        if self.away is None:
            self.away = Away(self._client.clock.now(), self._client.clock.monotonic())

    def _heard(self) -> None:
        """What the cache shows is of now."""
        clock, away = self._client.clock, self.away
        self.away = None if self.is_live else Away(clock.now(), clock.monotonic())
        self.on_return(clock.monotonic() - away.since_s if away is not None else 0.0)

    def _recover(self) -> None:
        if self._failure:
            self._failure = ""
            log.info("cache found its server", extra={"resource": self.resource.plural})

    async def _list(self) -> None:
        seen: set[Key] = set()
        version = ""
        pages = self._client.pages(self.resource, self._namespace, labels=self._labels, fields=self._fields)
        async with aclosing(pages) as stream:
            async for page in stream:
                version = page.resource_version
                for raw in page.items:
                    key = self._put(raw)
                    if key is not None:
                        seen.add(key)
                await asyncio.sleep(0)
        for key in [key for key in self._entries if key not in seen]:
            self._remove(key)
        for key in [key for key in self.bad if key not in seen]:
            del self.bad[key]
        self.resource_version = version
        self.is_synced = True
        self._synced.set()
        self._heard()

    async def _watch(self) -> None:
        stream = self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self.resource_version,
            labels=self._labels,
            fields=self._fields,
            on_open=self._opened,
        )
        async with aclosing(stream) as events:
            async for event in events:
                self._apply(event)

    def _opened(self) -> None:
        self.is_live = True
        self._recover()
        self._heard()

    def _apply(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            version = event.object.get("metadata", {}).get("resourceVersion")
            self.resource_version = version or self.resource_version
            return
        try:
            meta = _bare.decode(event.raw).metadata
        except msgspec.DecodeError as error:
            raise ApiError(500, "InternalError", f"an event's object has no metadata: {error}") from error
        if event.type == "DELETED":
            self._remove((meta.namespace or "", meta.name))
            self.bad.pop((meta.namespace or "", meta.name), None)
        else:
            self._put(event.raw)
        self.resource_version = meta.resource_version or self.resource_version

    # --- keeping

    def _put(self, raw: bytes) -> Key | None:
        """Takes an object in; its place, or None where not even that can be read."""
        try:
            meta = _bare.decode(raw).metadata
        except msgspec.DecodeError as error:
            log.warning(
                "object without readable metadata",
                extra={"resource": self.resource.plural, "failure": str(error)},
            )
            return None
        key = (meta.namespace or "", meta.name)
        old = self._entries.get(key)
        if old is not None and old.is_at(meta) and key not in self.bad:
            return key
        if old is not None and old.uid != (meta.uid or ""):
            self._remove(key)
            old = None
        try:
            new = _Entry(meta, self._decode(raw))
        except Exception as error:
            # Whatever is wrong with one object: the others of its kind must stay in sight.
            if self.bad.get(key) != str(error):
                log.warning("object not understood", extra={"object": "/".join(key), "failure": str(error)})
            self.bad[key] = str(error)
            return key
        self.bad.pop(key, None)
        if old is not None:
            self._unindex(key, old)
        self._entries[key] = new
        self._index(key, new)
        self._tell(old.object if old is not None else None, new.object)
        return key

    def _remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._unindex(key, entry)
            self._tell(entry.object, None)

    def _tell(self, old: T | None, new: T | None) -> None:
        for on_change in self._subscribers:
            on_change(old, new)

    def _index(self, key: Key, entry: _Entry[T]) -> None:
        for uid in entry.owners:
            self._by_owner.setdefault(uid, {})[key] = None
        for label, index in self._by_label.items():
            if label in entry.labels:
                index.setdefault(entry.labels[label], {})[key] = None

    def _unindex(self, key: Key, entry: _Entry[T]) -> None:
        for uid in entry.owners:
            _discard(self._by_owner, uid, key)
        for label, index in self._by_label.items():
            if label in entry.labels:
                _discard(index, entry.labels[label], key)


def _discard(index: dict[str, dict[Key, None]], value: str, key: Key) -> None:
    places = index.get(value)
    if places is not None:
        places.pop(key, None)
        if not places:
            del index[value]
