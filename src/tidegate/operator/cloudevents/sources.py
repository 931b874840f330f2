"""The CloudEventSources of the cluster: each is a queue with a sink, a filter, and a condition.

An event goes to every source that wants it: a CloudEventSource hears of its own namespace alone, a
ClusterCloudEventSource of all. What one leaves out, or cannot send, is nothing to the others.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from tidegate.api.conditions import Condition, find
from tidegate.api.decode import decode_as
from tidegate.api.eventing.cloudeventsource import (
    CloudEventSource,
    CloudEventSourceSpec,
    ClusterCloudEventSource,
)
from tidegate.api.triggers import Trigger
from tidegate.api.validation.cloudeventsource import event_source_problems
from tidegate.auth.resolve import Options, Resolved, resolve
from tidegate.base.errors import Failure, Misconfigured, TidegateError
from tidegate.base.problems import join
from tidegate.connections.adapter import Surroundings
from tidegate.core.values import EmitEvent
from tidegate.kit.fetched import SourceQuestion
from tidegate.kube.resource import CLOUD_EVENT_SOURCES, CLUSTER_CLOUD_EVENT_SOURCES, ApiError, Resource
from tidegate.operator.cloudevents.event_types import TYPES
from tidegate.operator.cloudevents.sinks import Delivery, Sink, sink_of
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.writer import Place, Writer
from tidegate.operator.reconcile.steps import FINALIZER
from tidegate.operator.reconcile.tracker import Key
from tidegate.runtime.clock import Clock
from tidegate.telemetry.cloudevents.event import CloudEvent
from tidegate.telemetry.cloudevents.outbox import Outbox
from tidegate.telemetry.metrics.catalogue import EVENTS_EMITTED, EVENTS_QUEUED
from tidegate.telemetry.metrics.families import Metric

KINDS: Mapping[Resource, type[CloudEventSource | ClusterCloudEventSource]] = {
    CLOUD_EVENT_SOURCES: CloudEventSource,
    CLUSTER_CLOUD_EVENT_SOURCES: ClusterCloudEventSource,
}
FAILED = "CloudEventSourceFailed"
_FAILED_TEXT = "Failed to send events to the configured destination"
_ACTIVE = Condition(
    type="Active",
    status="True",
    reason="CloudEventSourceActive",
    message="Is configured to send events to the configured destination",
)


@dataclass(slots=True)
class Source:
    """A source: its queue, its open sink (None while it has none that can be used; `kind` is that of the
    last), what it wants, and the task that sends."""

    outbox: Outbox
    delivery: Delivery | None
    kind: str
    spec: CloudEventSourceSpec
    task: asyncio.Task[None] | None = None

    def wants(self, type: str) -> bool:
        subscription = self.spec.event_subscription
        if subscription is None:
            return True
        if subscription.included_event_types:
            return type in subscription.included_event_types
        return type not in (subscription.excluded_event_types or ())


@dataclass(frozen=True, slots=True)
class World:
    """What the sources see and work with. `cluster_name` is what events call the cluster where a source does
    not name it."""

    informers: Informers
    writer: Writer
    clock: Clock
    options: Options
    surroundings: Surroundings
    cluster_name: str


class Sources:
    """Reconciles the sources and hands events to them. `again(key, delay_s)` asks for another reconcile,
    `want(key, questions)` for values that are kept elsewhere."""

    def __init__(
        self,
        world: World,
        again: Callable[[Key, float], None],
        want: Callable[[Key, frozenset[SourceQuestion]], None],
    ) -> None:
        self._world = world
        self._again = again
        self._want = want
        self._sources: dict[Key, Source] = {}
        self._depends: dict[Key, frozenset[Hashable]] = {}
        self._group: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Sends until cancelled."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for resource in KINDS:
                    self._world.informers.cache(resource)
                for source in self._sources.values():
                    self._start(source)
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            for source in self._sources.values():
                source.task = None
                await _closed(source)

    # --- events

    def tell(self, place: Place, event: EmitEvent) -> None:
        """Queues an event with every source that wants it."""
        type = TYPES.get(event.reason)
        if type is None:
            return
        for (resource, namespace, _), source in self._sources.items():
            is_heard = resource == CLUSTER_CLOUD_EVENT_SOURCES or namespace == place.namespace
            if is_heard and source.wants(type):
                source.outbox.add(self._event(source, type, place, event))

    def _event(self, source: Source, type: str, place: Place, event: EmitEvent) -> CloudEvent:
        cluster = source.spec.cluster_name or self._world.cluster_name
        return CloudEvent(
            str(uuid.uuid4()),
            f"/{cluster}/{self._world.options.cluster_namespace}/keda",
            type,
            f"/{cluster}/{place.namespace}/{place.resource.kind.lower()}/{place.name.lower()}",
            self._world.clock.now(),
            event.reason,
            event.message,
        )

    # --- sources

    def reading(self, changed: Hashable) -> list[Key]:
        """The sources whose credentials come from this object, or are the answer to this question."""
        return [key for key, read in self._depends.items() if changed in read]

    async def reconcile(self, key: Key) -> None:
        """Makes, changes or ends a source, and says whether it works."""
        body = self._world.informers.get(*key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            await self._end(key)
            await self._release(key, body)
            return
        try:
            object = _read(key[0], body)
            sink = self._sink(key, object.spec)
        except TidegateError as error:
            await self._hold(key, error)
            await self._say(key, body, Failure.of(error))
            return
        if sink is None:
            # What is still to be fetched brings it here again.
            return
        await self._keep(key, object.spec, sink)
        failure = self._sources[key].outbox.failure
        await self._say(key, body, Failure.of(failure) if failure is not None else None)

    def _sink(self, key: Key, spec: CloudEventSourceSpec) -> Sink | None:
        """The sink that is described; None while something of it is still to be fetched."""
        world = self._world
        trigger = Trigger(type="CloudEventSource", metadata={}, authentication_ref=spec.authentication_ref)
        namespace = key[1] or world.options.cluster_namespace
        resolved = resolve(world.informers, namespace, trigger, None, "", world.options)
        self._depends[key] = resolved.read | resolved.wanted
        self._want(key, resolved.wanted)
        if not isinstance(resolved, Resolved):
            if resolved.is_waiting:
                return None
            raise resolved.error()
        if resolved.identity is not None:
            refused = resolved.lending.refusal(resolved.identity, "send events")
            if refused is not None:
                raise refused
        return sink_of(spec, resolved.params, resolved.identity)

    async def _keep(self, key: Key, spec: CloudEventSourceSpec, sink: Sink) -> None:
        """The source with this sink; what waits in its queue stays there."""
        source = self._sources.get(key)
        if source is not None and source.delivery is not None and source.delivery.sink == sink:
            source.spec = spec
            return
        delivery = Delivery(sink, self._world.surroundings)
        if source is None:
            name = "/".join(filter(None, key[1:]))
            outbox = Outbox(name, self._world.clock, delivery, partial(self._again, key, 0.0))
            source = self._sources[key] = Source(outbox, delivery, sink.kind, spec)
            self._start(source)
            return
        await _closed(source)
        source.delivery, source.kind, source.spec = delivery, sink.kind, spec
        source.outbox.use(delivery)

    async def _hold(self, key: Key, error: TidegateError) -> None:
        """A source that has no sink any more: what waits in its queue waits for another one."""
        source = self._sources.get(key)
        if source is None:
            return

        async def send(event: CloudEvent) -> None:
            raise error

        await _closed(source)
        source.outbox.use(send)

    def _start(self, source: Source) -> None:
        if self._group is not None and source.task is None:
            source.task = self._group.create_task(source.outbox.run())

    async def _end(self, key: Key) -> None:
        source = self._sources.pop(key, None)
        if self._depends.pop(key, None) is not None:
            self._want(key, frozenset())
        if source is None:
            return
        if source.task is not None:
            source.task.cancel()
            await asyncio.gather(source.task, return_exceptions=True)
        await _closed(source)

    async def _release(self, key: Key, body: Mapping[str, Any] | None) -> None:
        """Takes KEDA's finalizer off an object on its way out; we need none."""
        metadata = body["metadata"] if body is not None else {}
        finalizers = metadata.get("finalizers") or ()
        if FINALIZER not in finalizers:
            return
        kept = [one for one in finalizers if one != FINALIZER]
        place = Place(*key, metadata["uid"])
        with suppress(ApiError):
            await self._world.writer.metadata(
                place, {"finalizers": kept or None}, metadata["resourceVersion"]
            )

    async def _say(self, key: Key, body: Mapping[str, Any], failure: Failure | None) -> None:
        """The condition, and an event where it changes to the worse."""
        after = _ACTIVE
        if failure is not None:
            text = f"{_FAILED_TEXT}: {failure.message}"
            after = Condition(type="Active", status="False", reason=FAILED, message=text)
        if find(_conditions(body), "Active") == after:
            return
        place = Place(*key, body["metadata"]["uid"])
        kept = [
            one for one in (body.get("status") or {}).get("conditions") or () if one.get("type") != "Active"
        ]
        shown = {"type": after.type, "status": after.status, "reason": after.reason, "message": after.message}
        await self._world.writer.status(place, {"conditions": [shown, *kept]})
        if failure is not None:
            await self._world.writer.event(place, EmitEvent("Warning", FAILED, after.message or ""))

    # --- figures

    def metrics(self) -> Iterable[Metric]:
        """What became of events, and how many wait."""
        emitted, queued = Metric(EVENTS_EMITTED), Metric(EVENTS_QUEUED)
        for (_, namespace, name), source in self._sources.items():
            for state, count in source.outbox.tally.items():
                emitted.add(float(count), namespace, name, source.kind, state)
            queued.add(float(len(source.outbox)), namespace)
        return emitted, queued


async def _closed(source: Source) -> None:
    delivery, source.delivery = source.delivery, None
    if delivery is not None:
        await delivery.close()


def _read(resource: Resource, body: Any) -> CloudEventSource | ClusterCloudEventSource:
    """The source as it is written. Misconfigured where it cannot be."""
    problems = list(event_source_problems(body))
    if problems:
        raise Misconfigured("read the source", answer=join(problems))
    return decode_as(KINDS[resource], body)


def _conditions(body: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions that stand in the status, as far as they can be read."""
    found = []
    for one in (body.get("status") or {}).get("conditions") or ():
        try:
            found.append(decode_as(Condition, one))
        except TidegateError:
            continue
    return tuple(found)
