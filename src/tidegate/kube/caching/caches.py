"""A cache of one kind of objects that follows the API server (`following.py`).

A cache is a little behind at any time. What it shows was true once, and will be what is true. How long
nothing has been heard of the server is told by `away`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Generic, TypeAlias, TypeVar

import msgspec

from tidegate.kube.caching.following import Away, Following, Key, Place
from tidegate.kube.client import Client
from tidegate.kube.resource import Resource

log = logging.getLogger(__name__)

T = TypeVar("T")

Found: TypeAlias = list[T]
OnChange = Callable[[T | None, T | None], None]

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


class Cache(Generic[T]):
    """`decode` makes an object from its JSON bytes; without it objects are dictionaries, not to be modified.

    An object that cannot be decoded keeps its last good state and is listed in `bad` with the reason:
    it must neither look deleted nor spoil the others. Narrow the cache by namespaces or selectors; each
    namespace is followed by itself, and one that the server refuses takes no other along.
    `is_synced` says that each list has been complete once, `is_live` that all watches are open now, `away`
    since when one is not. `on_return` hears, with the seconds that it was away, of each list and opened
    watch.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        decode: Callable[[bytes], T] = msgspec.json.decode,
        namespaces: Collection[str] = (),
        labels: str = "",
        fields: str = "",
    ) -> None:
        self.resource = resource
        self.bad: dict[Key, str] = {}
        self.on_return: Callable[[float], None] = lambda away_s: None
        self._decode = decode
        self._entries: dict[Key, _Entry[T]] = {}
        self._by_owner: dict[str, dict[Key, None]] = {}
        self._by_label: dict[str, dict[str, dict[Key, None]]] = {}
        self._subscribers: list[OnChange[T]] = []
        places = namespaces if namespaces and resource.is_namespaced else ("",)
        self._parts = {
            one: Following(client, Place(resource, one, labels, fields), self, lambda s: self.on_return(s))
            for one in places
        }

    # --- looking

    @property
    def is_synced(self) -> bool:
        return all(part.is_synced for part in self._parts.values())

    @property
    def is_live(self) -> bool:
        return all(part.is_live for part in self._parts.values())

    @property
    def away(self) -> Away | None:
        """That of the part that is away for longest."""
        found = [part.away for part in self._parts.values() if part.away is not None]
        return min(found, key=lambda one: one.since_s, default=None)

    def part(self, namespace: str) -> Following | None:
        """How this namespace is followed; None where it is not."""
        return self._parts.get("") or self._parts.get(namespace)

    @property
    def parts(self) -> Collection[Following]:
        return self._parts.values()

    async def synced(self) -> None:
        """Returns when the first lists are complete."""
        for part in self._parts.values():
            await part.synced()

    async def settled(self) -> None:
        """Returns when each first list is complete, or was refused."""
        for part in self._parts.values():
            await part.settled()

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
        async with asyncio.TaskGroup() as tasks:
            for part in self._parts.values():
                tasks.create_task(part.run())

    def keep(self, namespace: str, seen: set[Key]) -> None:
        """A list is complete: of its namespace nothing else is there any more."""
        for key in [one for one in self._entries if one not in seen and namespace in ("", one[0])]:
            self._gone(key)
        for key in [one for one in self.bad if one not in seen and namespace in ("", one[0])]:
            del self.bad[key]

    # --- keeping

    def put(self, raw: bytes) -> Key | None:
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
            self._gone(key)
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

    def remove(self, key: Key) -> None:
        """The object is gone."""
        self._gone(key)
        self.bad.pop(key, None)

    def _gone(self, key: Key) -> None:
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
