"""What the operator sees of the cluster: one watch per kind, started when the kind is first needed.

Everything is read from these caches; a kind that is not listed yet is a failure, never "none".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from tidegate.api.decode import decode_as
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.partial import Misread, read_partly
from tidegate.base.errors import Denied, Misconfigured, Unreachable
from tidegate.base.problems import Problem
from tidegate.base.times import format_time
from tidegate.kube.caching.caches import Cache
from tidegate.kube.caching.following import Away
from tidegate.kube.client import Client
from tidegate.kube.discovery import Discovery
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    HPAS,
    JOBS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

log = logging.getLogger(__name__)

Object = dict[str, Any]
OnChange = Callable[[Resource, Any, Any], None]

# A watch that is lost is tried again within half of this.
AWAY_S = 60.0
# A watch that ends in peace is opened anew sooner.
BLINK_S = 1.0


class _Metadata(msgspec.Struct, gc=False):
    name: str
    namespace: str | None = ""
    labels: dict[str, str] | None = None


class _Head(msgspec.Struct, gc=False):
    metadata: _Metadata


_meta = msgspec.json.Decoder(_Head)


class _Spec(msgspec.Struct, gc=False, rename="camel"):
    node_name: str | None = ""


class _Condition(msgspec.Struct, gc=False):
    type: str
    status: str = ""


class _Status(msgspec.Struct, gc=False):
    phase: str | None = ""
    conditions: list[_Condition] | None = None


class PodMark(msgspec.Struct, gc=False):
    """Of a pod, what counting needs: name, labels, node, phase and conditions."""

    metadata: _Metadata
    spec: _Spec
    status: _Status | None = None

    @property
    def phase(self) -> str:
        return (self.status.phase or "") if self.status is not None else ""

    @property
    def is_ready(self) -> bool:
        """Running, with condition Ready True."""
        return self.phase == "Running" and "Ready" in self.true_conditions

    @property
    def true_conditions(self) -> frozenset[str]:
        """The types of its conditions that are True."""
        conditions = (self.status.conditions or ()) if self.status is not None else ()
        return frozenset(one.type for one in conditions if one.status == "True")


class _Readiness(msgspec.Struct, gc=False):
    ready: bool | None = None


class _SliceEndpoint(msgspec.Struct, gc=False):
    addresses: list[str] | None = None
    conditions: _Readiness | None = None

    @property
    def is_ready(self) -> bool:
        """One that does not say counts as ready."""
        return self.conditions is None or self.conditions.ready is not False


class _SlicePort(msgspec.Struct, gc=False):
    port: int | None = None


class SliceMark(msgspec.Struct, gc=False):
    """Of an EndpointSlice, where its Service can be reached."""

    metadata: _Metadata
    endpoints: list[_SliceEndpoint] | None = None
    ports: list[_SlicePort] | None = None


DECODERS: dict[Resource, Callable[[bytes], Any]] = {
    PODS: msgspec.json.Decoder(PodMark).decode,
    ENDPOINT_SLICES: msgspec.json.Decoder(SliceMark).decode,
}
OURS: dict[Resource, type[ScaledObject | ScaledJob]] = {SCALED_OBJECTS: ScaledObject, SCALED_JOBS: ScaledJob}
FOLLOWED = (
    SCALED_OBJECTS,
    SCALED_JOBS,
    TRIGGER_AUTHENTICATIONS,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SECRETS,
    CONFIG_MAPS,
    HPAS,
    JOBS,
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Which objects are followed: those of `namespaces` (none named: of all) that have the `labels` of their
    kind. `places` are the namespaces of kinds that are followed elsewhere.
    """

    namespaces: tuple[str, ...] = ()
    labels: Mapping[Resource, str] = field(default_factory=dict)
    places: Mapping[Resource, tuple[str, ...]] = field(default_factory=dict)

    def of(self, resource: Resource) -> tuple[str, ...]:
        return self.places.get(resource, self.namespaces)


class Informers:
    """Caches by kind. `on_change(resource, old, new)` hears of every change of a followed kind,
    `on_return(resource)` when one can be believed again: after `AWAY_S` without a word of it, or when it may
    be listed after a refusal. `on_alive` is called when the server is heard again after it was lost.
    """

    def __init__(
        self,
        client: Client,
        on_change: OnChange,
        on_return: Callable[[Resource], None] = lambda _: None,
        reach: Reach | None = None,
    ) -> None:
        self.client = client
        self.discovery = Discovery(client)
        self.reach = reach or Reach()
        self.on_alive: Callable[[], None] = lambda: None
        self._on_change = on_change
        self._on_return = on_return
        self._caches: dict[Resource, Cache[Any]] = {}
        self._misread: dict[tuple[Resource, str, str], Misread] = {}
        self._patience: dict[Resource, float] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Follows the kinds until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for resource in FOLLOWED:
                self.cache(resource)
            for cache in self._caches.values():
                tasks.create_task(cache.run())
            await asyncio.get_running_loop().create_future()

    def cache(self, resource: Resource) -> Cache[Any]:
        """The kind's cache; a kind that nobody has asked for yet begins to be followed now."""
        known = self._caches.get(resource)
        if known is not None:
            return known
        decode = partial(self.decoded, resource) if resource in OURS else DECODERS.get(resource)
        cache: Cache[Any] = Cache(
            self.client,
            resource,
            decode=decode or msgspec.json.decode,
            namespaces=self.reach.of(resource),
            labels=self.reach.labels.get(resource, ""),
        )
        cache.subscribe(partial(self._hear, resource))
        cache.on_return = partial(self._return, resource)
        self._caches[resource] = cache
        if self._tasks is not None and resource not in FOLLOWED:
            self._tasks.create_task(cache.run())
        return cache

    def decoded(self, resource: Resource, raw: bytes | dict[str, Any]) -> Any:
        """A ScaledObject or ScaledJob; of one that does not fit its kind what can be read, and what was last
        understood where that is not enough. `misread` then tells why, until it is mended."""
        kind = OURS[resource]
        try:
            object: Any = decode_as(kind, raw)
            misread = None
        except Misconfigured:
            head = _meta.decode(raw if isinstance(raw, bytes) else msgspec.json.encode(raw)).metadata
            place = (head.namespace or "", head.name)
            before = self._misread.get((resource, *place))
            object, misread = read_partly(raw, kind, self.cache(resource).get(*place), before)
        key = (resource, object.metadata.namespace or "", object.metadata.name)
        if misread is None or not misread.problems:
            self._misread.pop(key, None)
            return object
        if self._misread.get(key) != misread:
            log.warning("object not understood", extra={"object": "/".join(key[1:]), "failure": misread.text})
        self._misread[key] = misread
        return object

    def misread(self, resource: Resource, namespace: str, name: str) -> Misread | None:
        """What of the object could not be read, as it was last seen; None where all could."""
        bad = self.cache(resource).bad.get((namespace, name))
        if bad is not None:
            return Misread((Problem("", bad),), is_held=True)
        return self._misread.get((resource, namespace, name))

    def _hear(self, resource: Resource, old: Any, new: Any) -> None:
        """A defect met in one change must not end the watch of all."""
        if new is None and resource in OURS:
            self._misread.pop((resource, namespace_of(old), old.metadata.name), None)
        try:
            self._on_change(resource, old, new)
        except Exception:
            log.exception("a change was not understood", extra={"resource": resource.plural})

    def _return(self, resource: Resource, away_s: float) -> None:
        if away_s > BLINK_S:
            self.on_alive()
        if away_s <= AWAY_S:
            return
        try:
            self._on_return(resource)
        except Exception:
            log.exception("a return was not understood", extra={"resource": resource.plural})

    async def settled(self) -> None:
        """Returns when every kind that is always followed has been listed once, or may not be listed: that
        costs only what needs it."""
        for resource in FOLLOWED:
            await self.cache(resource).settled()

    def has_listed(self, resource: Resource, namespace: str = "") -> bool:
        """Whether the kind is followed and has been listed, in a namespace or wherever it is followed."""
        if resource not in self._caches:
            return False
        cache = self._caches[resource]
        if not namespace:
            return cache.is_synced
        part = cache.part(namespace)
        return part is not None and part.is_synced

    def is_away(self, resource: Resource, namespace: str = "") -> bool:
        """Whether nothing was heard of the kind for so long that nobody can tell what there is."""
        return self._away(resource, namespace) is not None

    def _away(self, resource: Resource, namespace: str) -> Away | None:
        cache = self.cache(resource)
        part = cache.part(namespace) if namespace else None
        away = part.away if part is not None else cache.away
        if away is None or self.client.clock.monotonic() - away.since_s <= AWAY_S:
            return None
        return away

    async def listed(self, resource: Resource, within_s: float) -> None:
        """Begins to follow the kind. Whoever asks in the first `within_s` waits for its first list."""
        cache = self.cache(resource)
        now_s = self.client.clock.monotonic()
        until_s = self._patience.setdefault(resource, now_s + within_s)
        if cache.is_synced or now_s >= until_s:
            return
        try:
            async with asyncio.timeout(until_s - now_s):
                await cache.synced()
        except TimeoutError:
            log.info("list takes long", extra={"resource": resource.plural})

    def get(self, resource: Resource, namespace: str, name: str) -> Any | None:
        """The object as last seen, None when there is none; one of the five before the first list, and where
        it is not followed."""
        cache = self.cache(resource)
        self._listed_in(resource, cache, namespace)
        return cache.get(namespace, name)

    def _listed_in(self, resource: Resource, cache: Cache[Any], namespace: str) -> None:
        attempted = f"read {resource.plural} from the watch cache"
        parts = [cache.part(namespace)] if namespace else list(cache.parts)
        for part in parts:
            if part is None:
                answer = f"namespace {namespace} is not followed"
                raise Denied(attempted, answer=answer, next_step="name it in WATCH_NAMESPACE")
            if part.is_synced:
                continue
            if part.refusal is not None:
                step = "let the operator list and watch them: what needs none of them works meanwhile"
                raise Denied(attempted, answer=str(part.refusal), next_step=step)
            raise Unreachable(
                attempted,
                answer="they have not been listed yet",
                next_step="if this stays, check that the API server answers and that we may list them",
            )

    def labelled(self, resource: Resource, namespace: str, label: tuple[str, str]) -> list[Any]:
        """Objects of a namespace with this label, of a cache that is `checked`."""
        key, value = label
        found = self.checked(resource, namespace).by_label(key, value)
        return [one for one in found if namespace_of(one) == namespace]

    def checked(self, resource: Resource, namespace: str = "") -> Cache[Any]:
        """The kind's cache, for counting (in a namespace); one of the five before the first list, and while
        the kind is away."""
        cache = self.cache(resource)
        self._listed_in(resource, cache, namespace)
        away = self._away(resource, namespace)
        if away is not None:
            since = f"nothing was heard of them since {format_time(away.since)}"
            raise Unreachable(
                f"list {resource.plural}",
                answer=f"{since}: {away.failure}" if away.failure else since,
                next_step="check that the API server answers and that we may list and watch them",
            )
        return cache


def namespace_of(one: Mapping[str, Any] | Any) -> str:
    """The namespace of a typed or an untyped object."""
    if isinstance(one, Mapping):
        return str(one["metadata"].get("namespace", ""))
    return one.metadata.namespace or ""


def name_of(one: Any) -> str:
    """The name of a typed or an untyped object."""
    return str(one["metadata"]["name"]) if isinstance(one, Mapping) else str(one.metadata.name)
