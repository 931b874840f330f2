"""Following one kind in one place: list, then watch, forever.

list ──► watch from its version ──► stream ends ──► watch again from the last version seen
  ▲                                     │ 410 Expired, or any other refusal
  └─────────────────────────────────────┘ connection lost: wait, then watch again
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import msgspec

from tidegate.base.errors import TidegateError
from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.watching import WatchEvent

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace and name."""

_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 30.0
# A server that is away comes back at any moment; one that refuses waits for people.
_LONGEST_LOST_S = 8.0
_SOON_S = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Which objects of a kind: those of a namespace (all, where it is ""), with these labels and fields."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    fields: str = ""


@dataclass(frozen=True, slots=True)
class Away:
    """Since when (and since which second of the monotonic clock) nothing is heard, and the last failure;
    "" where there was none.
    """

    since: datetime
    since_s: float
    failure: str = ""


class Store(Protocol):
    """Where objects are put that a list or a watch shows."""

    def put(self, raw: bytes) -> Key | None:
        """Takes an object in; its place, or None where not even that can be read."""

    def remove(self, key: Key) -> None:
        """The object is gone."""

    def keep(self, namespace: str, seen: set[Key]) -> None:
        """A list is complete: of its namespace nothing else is there any more."""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    name: str
    namespace: str | None = ""
    resource_version: str | None = ""


class _Bare(msgspec.Struct, gc=False):
    metadata: _Meta


_bare = msgspec.json.Decoder(_Bare)


class Following:
    """`is_synced` says that a list has been complete once, `is_live` that a watch is open now, `away` since
    when none is; `refusal` is why the server does not let us, None while it does. `on_return` hears, with
    the seconds that it was away, of each list and opened watch (infinity: a first list, refused before).
    """

    def __init__(
        self, client: Client, place: Place, store: Store, on_return: Callable[[float], None]
    ) -> None:
        self.place = place
        self.is_synced = False
        self.is_live = False
        self.away: Away | None = None
        self.refusal: ApiError | None = None
        self.resource_version = ""
        self.on_return = on_return
        self._client = client
        self._store = store
        self._synced = asyncio.Event()
        self._settled = asyncio.Event()
        self._failure = ""

    async def synced(self) -> None:
        """Returns when the first list is complete."""
        await self._synced.wait()

    async def settled(self) -> None:
        """Returns when the first list is complete, or was refused: then it may take for ever."""
        await self._settled.wait()

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
                longest_s = _LONGEST_WAIT_S if isinstance(failure, ApiError) else _LONGEST_LOST_S
                await clock.sleep(min(_FIRST_WAIT_S * 2.0 ** min(short - 1, 16), longest_s))

    def _complain(self, failure: Exception) -> None:
        if not self._failure:
            fields = {"resource": self.place.resource.plural, "failure": str(failure)}
            if self.place.namespace:
                fields["namespace"] = self.place.namespace
            log.warning("cache lost its server", extra=fields)
        self._failure = str(failure)
        if self.away is not None:
            self.away = replace(self.away, failure=self._failure)
        if isinstance(failure, ApiError) and 400 <= failure.code < 500 and failure.code != 429:
            self.refusal = failure
            self._settled.set()

    def _left(self) -> None:
        self.is_live = False
        if self.away is None:
            self.away = Away(self._client.clock.now(), self._client.clock.monotonic())

    def _heard(self) -> None:
        """What is stored is of now."""
        clock, away = self._client.clock, self.away
        self.away = None if self.is_live else Away(clock.now(), clock.monotonic())
        self.on_return(clock.monotonic() - away.since_s if away is not None else 0.0)

    def _recover(self) -> None:
        self.refusal = None
        if self._failure:
            self._failure = ""
            log.info("cache found its server", extra={"resource": self.place.resource.plural})

    async def _list(self) -> None:
        seen: set[Key] = set()
        version, place = "", self.place
        pages = self._client.pages(place.resource, place.namespace, labels=place.labels, fields=place.fields)
        async with aclosing(pages) as stream:
            async for page in stream:
                version = page.resource_version
                for raw in page.items:
                    key = self._store.put(raw)
                    if key is not None:
                        seen.add(key)
                await asyncio.sleep(0)
        self._store.keep(place.namespace, seen)
        self.resource_version = version
        if self.refusal is not None and not self.is_synced and self.away is not None:
            self.away = replace(self.away, since_s=-math.inf)
        self.is_synced = True
        self._synced.set()
        self._settled.set()
        self._heard()

    async def _watch(self) -> None:
        place = self.place
        stream = self._client.watch(
            place.resource,
            place.namespace,
            resource_version=self.resource_version,
            labels=place.labels,
            fields=place.fields,
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
            self._store.remove((meta.namespace or "", meta.name))
        else:
            self._store.put(event.raw)
        self.resource_version = meta.resource_version or self.resource_version
