"""The operator's metrics of a moment, gathered when somebody asks: what is gone has no series any more.

Nothing is kept for them but counts that the rooms keep anyway. With many objects the gathering lets others
run every few dozen.
"""

from __future__ import annotations

import asyncio
import logging
import platform
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from tidegate import __version__
from tidegate.api.conditions import find
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.kube.resource import (
    CLOUD_EVENT_SOURCES,
    CLUSTER_CLOUD_EVENT_SOURCES,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)
from tidegate.operator.cluster.informers import namespace_of
from tidegate.operator.figures.scaler_figures import errors_of, is_paused, lateness_of, scaler_figures
from tidegate.operator.figures.server_figures import tell_servers
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Key, Tracked
from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Distribution, Family, Metric
from tidegate.telemetry.metrics.process import ProcessMetrics

log = logging.getLogger(__name__)

OBJECTS_AT_ONCE = 10
"""Objects between two pauses; at some 0.1 ms an object about a millisecond."""

KINDS: Mapping[Resource, str] = {
    SCALED_OBJECTS: "scaled_object",
    SCALED_JOBS: "scaled_job",
    TRIGGER_AUTHENTICATIONS: "trigger_authentication",
    CLUSTER_TRIGGER_AUTHENTICATIONS: "cluster_trigger_authentication",
    CLOUD_EVENT_SOURCES: "cloudevent_source",
    CLUSTER_CLOUD_EVENT_SOURCES: "cloudevent_source",
}
_READY = {"True": 1.0, "False": 0.0}
_BUILD = (__version__, "", f"python{platform.python_version()}", sys.platform, platform.machine())

More = Callable[[], Iterable[Metric]]


@dataclass(frozen=True, slots=True)
class Telling:
    """What is told beside the operator's own: `more` gives metrics of other rooms, `waiting` the reconciles
    that are due by kind. What is registered in the cluster is told by the one that acts: replicas that stand
    by know it, too. With `has_old_names` the names that KEDA has given up are told as well,
    with `has_detailed_labels` durations of requests by trigger.
    """

    more: Sequence[More] = ()
    waiting: Callable[[], Mapping[Resource, int]] = dict
    has_old_names: bool = False
    has_detailed_labels: bool = False
    is_acting: Callable[[], bool] = lambda: True
    give_way: Callable[[], Awaitable[None]] = field(default=partial(asyncio.sleep, 0))


class Figures:
    """Gathers the metrics of an operator."""

    def __init__(self, steps: Steps, telling: Telling = Telling()) -> None:
        self._steps = steps
        self._telling = telling
        self._process = ProcessMetrics()
        self._broken: set[Key] = set()

    async def gather(self) -> list[Metric]:
        """All metrics in the order of the catalogue."""
        found = {family: Metric(family) for family in (*known.FAMILIES, known.HTTP_DURATION_DETAILED)}
        found[known.BUILD_INFO].set(1.0, *_BUILD)
        await self._objects(found)
        if self._telling.is_acting():
            await self._registered(found)
        self._operator(found)
        telling = self._telling
        await tell_servers(found, self._steps, telling.give_way, is_detailed=telling.has_detailed_labels)
        for more in self._telling.more:
            found |= {metric.family: metric for metric in more()}
        if self._telling.has_old_names:
            for old, (now, factor) in known.RENAMED.items():
                await self._telling.give_way()
                found[old].samples = {labels: value * factor for labels, value in found[now].samples.items()}
        return [*found.values(), *self._process.metrics()]

    async def _objects(self, found: Mapping[Family, Metric]) -> None:
        for count, tracked in enumerate(list(self._steps.tracker.by_key.values()), start=1):
            object = self._steps.informers.get(*tracked.key)
            if object is not None:
                self._told(found, tracked, object)
            if count % OBJECTS_AT_ONCE == 0:
                await self._telling.give_way()

    def _told(
        self, found: Mapping[Family, Metric], tracked: Tracked, object: ScaledObject | ScaledJob
    ) -> None:
        """A defect met in one object must not take the figures of all away. It is told once."""
        try:
            self._object(found, tracked, object)
        except Exception:
            if tracked.key not in self._broken:
                log.exception("an object has no figures", extra={"key": str(tracked.key)})
                self._broken.add(tracked.key)

    def _object(
        self, found: Mapping[Family, Metric], tracked: Tracked, object: ScaledObject | ScaledJob
    ) -> None:
        for family, value, labels in scaler_figures(self._steps, tracked, object):
            found[family].samples[labels] = value
        resource, namespace, name = tracked.key
        is_job = resource == SCALED_JOBS
        errors = float(errors_of(self._steps, tracked, object))
        found[known.JOB_ERRORS if is_job else known.OBJECT_ERRORS].set(errors, namespace, name)
        if not is_job:
            found[known.OBJECT_PAUSED].set(float(is_paused(object)), namespace, name)
        if tracked.claims is not None:
            for outcome, count in tracked.claims.counts.items():
                found[known.CLAIMS].set(float(count), namespace, name, outcome)
            found[known.CLAIMS_HELD].set(float(len(tracked.claims.memory.held)), namespace, name)
        late_s = lateness_of(self._steps, tracked)
        if late_s is not None:
            kind = "scaledjob" if is_job else "scaledobject"
            found[known.LOOP_LATENCY].set(late_s, namespace, kind, name)

    async def _registered(self, found: Mapping[Family, Metric]) -> None:
        triggers: Counter[str] = Counter()
        for resource, kind in KINDS.items():
            if not self._steps.informers.has_listed(resource):
                continue
            for count, one in enumerate(self._steps.informers.cache(resource).list(), start=1):
                found[known.RESOURCES].add(1.0, kind, namespace_of(one) or "default")
                if isinstance(one, ScaledObject | ScaledJob):
                    triggers.update(trigger.type for trigger in one.spec.triggers)
                    _tell_conditions(found, resource, one)
                if count % (20 * OBJECTS_AT_ONCE) == 0:
                    await self._telling.give_way()
        for type, number in triggers.items():
            found[known.TRIGGERS].set(float(number), type)

    def _operator(self, found: Mapping[Family, Metric]) -> None:
        tallies, counters = self._steps.tallies, self._steps.rounds.counters
        for resource, count in tallies.decisions.items():
            found[known.DECISIONS].set(float(count), resource.kind)
        for (resource, action), count in tallies.actions.items():
            found[known.ACTIONS].set(float(count), resource.kind, action)
        for (resource, result), count in tallies.reconciles.items():
            found[known.RECONCILES].set(float(count), resource.kind.lower(), result)
            found[known.RECONCILE_ERRORS].add(count * float(result == "error"), resource.kind.lower())
        for resource, count in self._telling.waiting().items():
            found[known.QUEUE_DEPTH].set(float(count), resource.kind.lower(), resource.kind.lower())
        found[known.HPA_QUESTIONS].set(float(tallies.questions))
        found[known.WAKE_UPS].set(float(counters.wake_ups))
        found[known.PUSHES].set(float(counters.pushes))
        found[known.READINGS].set(float(counters.readings))
        found[known.STATUS_WRITES].set(float(self._steps.writer.status_writes))
        late = counters.lateness
        within = tuple(late.up_to(bound) for bound in known.POLL_LATENESS.buckets)
        found[known.POLL_LATENESS].distributions[()] = Distribution(within, sum(late.counts), late.sum_s)


def _tell_conditions(
    found: Mapping[Family, Metric], resource: Resource, object: ScaledObject | ScaledJob
) -> None:
    """Of every object that there is, one that nobody can read included."""
    place = (object.metadata.namespace, object.metadata.name, resource.kind)
    ready = find(object.status.conditions, "Ready")
    fallen = find(object.status.conditions, "Fallback")
    if ready is not None:
        found[known.READY].set(_READY.get(ready.status, -1.0), *place)
    if isinstance(object, ScaledObject) and object.spec.fallback is not None and fallen is not None:
        found[known.FALLBACK].set(float(fallen.status == "True"), *place)
