"""The operator: what happens in the cluster and what triggers say becomes reconciles of objects.

    watch ─► changed object, Secret, target ───────────────┐
    fetching ─► a value of a vault that has changed ───────┤
    rounds ─► a reading that is news ──────────────────────┼─► queue of keys ─► reconcile ─► decide ─► writes
    a decision's own date (a cooldown ends) ───────────────┘

A key says only who needs a reconcile. Reconciles of one object never overlap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tidegate.api.metric_stream import Metric
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure, TidegateError
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.pool import Connections
from tidegate.core.values import Reading
from tidegate.kit.fetched import SourceQuestion
from tidegate.kit.question import Server
from tidegate.kube.client import Client
from tidegate.kube.events import Events
from tidegate.kube.resource import HPAS, JOBS, PODS, SCALED_JOBS, SCALED_OBJECTS, ApiError, Resource
from tidegate.measure.fetching import Fetching
from tidegate.measure.rounds import Rounds
from tidegate.operator.cloudevents.sources import KINDS as SOURCES
from tidegate.operator.cloudevents.sources import Sources, World
from tidegate.operator.cluster.informers import (
    OURS,
    Informers,
    Reach,
    name_of,
    namespace_of,
)
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.cluster.kubernetes_answers import KubernetesAnswers
from tidegate.operator.cluster.kubernetes_changes import KubernetesChanges
from tidegate.operator.cluster.shadow_writer import ShadowWriter
from tidegate.operator.cluster.writer import Writer, is_refusal, may_pass
from tidegate.operator.explain import workers
from tidegate.operator.explain.answer import explained
from tidegate.operator.explain.overview import Row, rows
from tidegate.operator.explain.undecided import undecided
from tidegate.operator.figures.figures import Figures, More, Telling
from tidegate.operator.history.store import HistoryStore
from tidegate.operator.reconcile import authentication_events
from tidegate.operator.reconcile.authentication_events import AuthenticationEvents
from tidegate.operator.reconcile.refusals import Refusals
from tidegate.operator.reconcile.steps import Steps, Tools
from tidegate.operator.reconcile.tracker import Key, Tracked, is_same_but_for_status
from tidegate.operator.scaledjob.claims.claiming import MayClaim
from tidegate.operator.scaledjob.job_body import OWNER_LABEL
from tidegate.operator.scaledjob.reconcile import ScaledJobReconciler
from tidegate.operator.scaledobject.external_metrics import ExternalMetrics
from tidegate.operator.scaledobject.reconcile import ScaledObjectReconciler
from tidegate.operator.shadow.shadow import Shadow
from tidegate.review.hpa import NAME_LABEL
from tidegate.runtime.clock import Clock
from tidegate.runtime.queue import Queue, Trouble

SOURCE = "keda-operator"
SHADOW_SOURCE = "tidegate-shadow"
# At most four reconciles a second of one object, however many causes there are.
GAP_S = 0.25
# Reconciles of different objects that may be under way at once; from how many on events wait for them.
WORKERS = 16
BUSY = 4


class Reconciler(Protocol):
    """Who reconciles the objects of a kind."""

    async def reconcile(self, key: Key) -> None:
        """Reconciles one object, which may be gone."""


@dataclass(frozen=True, slots=True)
class Stance:
    """How an operator stands to its cluster: the folder that keeps what changed (None: only memory does);
    with `is_shadow` it stands beside a KEDA, and changes nothing; `reach` says which objects it follows.
    `cluster_name` is for CloudEvents; `claims` says where messages may be claimed, `budgets` how many calls a
    minute a server of a system may have."""

    history: Path | None = None
    is_shadow: bool = False
    reach: Reach = field(default_factory=Reach)
    cluster_name: str = "kubernetes-default"
    claims: MayClaim = field(default_factory=MayClaim)
    budgets: Mapping[str, float] = field(default_factory=dict)


class Operator:
    """Reconciles ScaledObjects and ScaledJobs against one API server. `run()` works until cancelled.

    `connect` makes the adapters of triggers' servers; by default those of `tidegate.connections`.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        surroundings: Surroundings,
        options: Options,
        *,
        connect: Callable[[Server], Adapter] | None = None,
        stance: Stance | None = None,
    ) -> None:
        stance = stance or Stance()
        self.clock = clock
        self.informers = Informers(client, self._on_change, self._on_return, stance.reach)
        self._object_changes = KubernetesChanges(self.informers)
        answers = KubernetesAnswers(self.informers, options).answer
        surroundings = replace(surroundings, objects=answers, changes=self._object_changes)
        self.connections = Connections(surroundings)
        connect = connect or self.connections.adapter
        self.rounds = Rounds(clock, connect, self._on_reading, on_kept=self._on_kept)
        self.rounds.limit(stance.budgets, self._on_reading)
        self.fetching = Fetching(clock, connect, self._on_fetched)
        options = replace(options, fetches=self.fetching)
        self.queue: Queue[Key] = Queue(clock, self._reconcile, gap_s=GAP_S, trouble=trouble)
        self.informers.on_alive = self.queue.hurry
        silent = ShadowWriter(client, Events(client, clock, SHADOW_SOURCE)) if stance.is_shadow else None
        writer = silent or Writer(client, Events(client, clock, SOURCE))
        writer.events.is_busy = lambda: self.queue.load >= BUSY
        self.steps = Steps(
            Tools(
                self.informers,
                writer,
                self.rounds,
                clock,
                options,
                HistoryStore(stance.history),
                self.fetching,
            ),
            self._again,
        )
        self.shadow = Shadow(self.steps, silent) if silent is not None else None
        self.steps.watcher = self.shadow or self.steps.watcher
        self.scaled_objects = ScaledObjectReconciler(self.steps)
        self.external_metrics = ExternalMetrics(self.steps, self.scaled_objects)
        self._scaled_jobs = ScaledJobReconciler(self.steps, surroundings, stance.claims)
        self._authentications = AuthenticationEvents(self.informers, writer)
        self._refusals = Refusals(self.steps)
        self._is_acting = False
        world = World(self.informers, writer, clock, options, surroundings, stance.cluster_name)
        self._sources = None if stance.is_shadow else Sources(world, self._again, self.fetching.want)
        writer.on_event = self._sources.tell if self._sources is not None else writer.on_event
        self._reconcilers: Mapping[Resource, Reconciler] = {
            SCALED_OBJECTS: self.scaled_objects,
            SCALED_JOBS: self._scaled_jobs,
            **dict.fromkeys(authentication_events.KINDS, self._authentications),
            **(dict.fromkeys(SOURCES, self._sources) if self._sources is not None else {}),
        }

    async def run(self, leads: Callable[[], Awaitable[object]] | None = None) -> None:
        """Follows the cluster until cancelled; acts once `leads` has returned. A crash loses nothing."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.informers.run())
                await self.informers.settled()
                if leads is not None:
                    await leads()
                self._is_acting = True
                tasks.create_task(self.steps.writer.events.run())
                tasks.create_task(self.rounds.run())
                tasks.create_task(self.fetching.run())
                tasks.create_task(self.queue.run(WORKERS))
                if self._sources is not None:
                    tasks.create_task(self._sources.run())
        finally:
            await self._scaled_jobs.claims.close()

    def lacks(self) -> Iterable[str]:
        """What keeps it from working, in words; nothing where it works."""
        refused = []
        for resource in OURS:
            parts = self.informers.cache(resource).parts
            refused += [str(one.refusal) for one in parts if not one.is_synced and one.refusal is not None]
            if any(not one.is_synced and one.refusal is None for one in parts):
                yield f"{resource.plural} have not been listed yet"
            elif self.informers.has_listed(resource) and self.informers.is_away(resource):
                yield f"{resource.plural} have not been heard of for a while"
        if len(refused) == sum(len(self.informers.cache(one).parts) for one in OURS):
            # One of them is enough to be of use.
            yield from dict.fromkeys(refused)

    async def external_metric(
        self, namespace: str, name: str, labels: Mapping[str, str]
    ) -> tuple[float, ...] | Failure:
        """The HPA's question: the values of an external metric of a ScaledObject.

        Answered from kept readings while they are fresh enough (`external_metric.max_age_s`), in fallback
        with the fallback's value, and for the composite metric by the formula.
        """
        metric = Metric(namespace, labels.get(NAME_LABEL, ""), name.lower())
        self.external_metrics.heard(metric)
        return (await self.external_metrics.answer(metric)).values

    async def explain(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        """Why an object has the number it has; ApiError where nothing was decided about it."""
        tracked = self.steps.tracker.by_key.get((resource, namespace, name))
        object = self.informers.get(resource, namespace, name) if tracked is not None else None
        if tracked is None or object is None:
            raise undecided(self.informers, resource, namespace, name)
        if isinstance(object, ScaledObject):
            target = await self.scaled_objects.targets.find(object)
            pods = await workers.of_target(self.informers, namespace, target)
            return explained(self.steps, tracked, object, pods, self.scaled_objects.hpas.body(object))
        return explained(self.steps, tracked, object, await workers.of_jobs(self.informers, object))

    def figures(
        self, more: Sequence[More] = (), *, has_old_names: bool = False, has_detailed_labels: bool = False
    ) -> Figures:
        """The operator in figures, for whoever collects metrics; with those that `more` tells."""
        own = (self._sources.metrics,) if self._sources is not None else ()
        told = Telling(
            (*own, *more), self._waiting, has_old_names, has_detailed_labels, lambda: self._is_acting
        )
        return Figures(self.steps, told)

    def _waiting(self) -> Mapping[Resource, int]:
        """Reconciles that are due, by kind."""
        return dict.fromkeys(self._reconcilers, 0) | Counter(key[0] for key in self.queue.waiting)

    def rows(self) -> list[Row]:
        """All objects as the live view shows them."""
        return rows(self.steps, self.scaled_objects.hpas.body)

    # --- causes

    async def _reconcile(self, key: Key) -> None:
        reconciles = self.steps.tallies.reconciles
        try:
            await self._reconcile_once(key)
        except Exception:
            reconciles[key[0], "error"] += 1
            tracked = self.steps.tracker.by_key.get(key)
            if tracked is not None:
                tracked.errors += 1
            raise
        reconciles[key[0], "success"] += 1

    async def _reconcile_once(self, key: Key) -> None:
        before = self._refusals.decided_at(key)
        try:
            await self._reconcilers[key[0]].reconcile(key)
        except ApiError as error:
            # Conflict: our cache is behind. NotFound: perhaps the object itself is gone.
            if error.reason == "Conflict":
                self._again(key, GAP_S * 2 ** self._refusals.conflicts(key))
            elif error.reason != "NotFound" or await self._exists(key):
                await self._refusals.met(key, error, before)
                raise
        else:
            self._refusals.over(key)
        finally:
            if key[0] == SCALED_OBJECTS:
                self.external_metrics.changed((key[1], key[2]))

    async def _exists(self, key: Key) -> bool:
        try:
            await self.informers.client.get(*key)
        except ApiError as error:
            return error.reason != "NotFound"
        return True

    def _again(self, key: Key, delay_s: float) -> None:
        self.queue.add(key, delay_s=delay_s)

    def _on_reading(self, trigger: tuple[str, int], _: Reading | None = None) -> None:
        tracked = self.steps.tracker.by_uid.get(trigger[0])
        if tracked is not None:
            # What it asks for cannot be written while the API server is away.
            self.queue.add(tracked.key, is_cure=False)

    def _on_fetched(self, question: SourceQuestion) -> None:
        """A value of a source has changed, has come, or cannot be had: whoever needs it is looked at anew."""
        for source in self._sources.reading(question) if self._sources else ():
            self.queue.add(source)
        for tracked in self.steps.tracker.dependents(question):
            tracked.is_stale = True
            self.queue.add(tracked.key)

    def _on_kept(self, trigger: tuple[str, int]) -> None:
        tracked = self.steps.tracker.by_uid.get(trigger[0])
        if tracked is None:
            return
        self._look_again(tracked, trigger[1])
        if tracked.key[0] == SCALED_OBJECTS:
            self.external_metrics.changed((tracked.key[1], tracked.key[2]))

    def _look_again(self, tracked: Tracked, index: int) -> None:
        """A server refuses what was fetched for a trigger: it may have been changed where it is kept."""
        wanted = tracked.plan.wanted.get(index) if tracked.plan is not None else None
        reading = self.rounds.latest((tracked.uid, index)) if wanted else None
        failure = reading.failure if reading is not None else None
        if wanted and failure is not None and failure.kind == "Denied":
            self.fetching.hurry(wanted)

    def _on_change(self, resource: Resource, old: Any, new: Any) -> None:
        one = new if new is not None else old
        namespace, name = namespace_of(one), name_of(one)
        if resource in (SCALED_OBJECTS, SCALED_JOBS, *SOURCES):
            tracked = self.steps.tracker.by_key.get((resource, namespace, name))
            if tracked is None or not tracked.is_echo(old, new):
                self.queue.add((resource, namespace, name))
            if resource == SCALED_OBJECTS:
                self._wake(self.scaled_objects.rivals.object_changed(old, new))
            return
        self._object_changes.heard(resource, old, new)
        if resource == PODS:
            # They are counted; no plan reads one.
            return
        if resource == JOBS:
            self._on_job(namespace, old, new)
            self._on_target(resource, namespace, name, old, new)
        elif resource == HPAS:
            is_echo = self.scaled_objects.hpas.heard(namespace, name, new)
            self._on_hpa(namespace, old, new, is_echo=is_echo)
        elif resource in authentication_events.KINDS:
            key = (resource, namespace, name)
            if self._authentications.changed(key, new, is_acting=self._is_acting):
                self.queue.add(key)
        else:
            self._on_target(resource, namespace, name, old, new)
        if is_same_but_for_status(old, new):
            return
        for source in self._sources.reading((resource, namespace, name)) if self._sources else ():
            self.queue.add(source)
        for tracked in self.steps.tracker.dependents((resource, namespace, name)):
            tracked.is_stale = True
            self.queue.add(tracked.key)

    def _on_return(self, resource: Resource) -> None:
        """A kind can be listed again: what needed it is looked at anew, and Jobs that nobody has counted in
        the meantime are."""
        for tracked in self.steps.tracker.by_key.values():
            if resource == JOBS and tracked.key[0] == SCALED_JOBS:
                self._scaled_jobs.wake(tracked)
            if tracked.plan is not None and any(one[0] == resource for one in tracked.plan.read):
                tracked.is_stale = True
            self.queue.add(tracked.key)

    def _on_job(self, namespace: str, old: Any, new: Any) -> None:
        """A Job that has ended may make room that a queue waits for: then its triggers are asked at once."""
        labels = (new or old)["metadata"].get("labels") or {}
        tracked = self.steps.tracker.by_key.get((SCALED_JOBS, namespace, labels.get(OWNER_LABEL, "")))
        if tracked is None:
            return
        if new is not None:
            tracked.expectations.observed(new["metadata"]["name"])
        self._scaled_jobs.heard(tracked)
        was_running = old is not None and not finished_as(old)
        if was_running and (new is None or finished_as(new)):
            self._scaled_jobs.ended(tracked, finished_as(new))

    def _on_hpa(self, namespace: str, old: Any, new: Any, *, is_echo: bool) -> None:
        """Its owner, also one that somebody took its HPA away from; and who waits for its workload. An owner
        whose own write it is knows it."""
        self._wake(self.scaled_objects.rivals.hpa_changed(old, new))
        if is_echo:
            return
        for hpa in (old, new):
            for owner in hpa["metadata"].get("ownerReferences") or () if hpa is not None else ():
                if owner.get("kind") != SCALED_OBJECTS.kind:
                    continue
                key = (SCALED_OBJECTS, namespace, owner["name"])
                tracked = self.steps.tracker.by_key.get(key)
                if tracked is not None and old and new and old.get("status") != new.get("status"):
                    tracked.hpa_spoke = self.clock.now()
                self.queue.add(key)

    def _wake(self, places: Iterable[tuple[str, str]]) -> None:
        for place in places:
            self.queue.add((SCALED_OBJECTS, *place))

    def _on_target(self, resource: Resource, namespace: str, name: str, old: Any, new: Any) -> None:
        """A target's status changes often and matters to nobody; its spec does."""
        if old is not None and new is not None and old.get("spec") == new.get("spec"):
            return
        for tracked in self.steps.tracker.targeting((resource, namespace, name)):
            self.queue.add(tracked.key)


def trouble(error: Exception) -> Trouble:
    """What an error means. A refusal is about one object, whose dates count: only a status may be refused."""
    if not isinstance(error, ApiError | TidegateError):
        return Trouble()
    if isinstance(error, ApiError) and error.is_of_ending_namespace:
        return Trouble(logging.DEBUG)
    return Trouble(logging.WARNING, is_outage=may_pass(error) and not is_refusal(error))
