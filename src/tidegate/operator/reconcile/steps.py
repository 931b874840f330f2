"""The steps that the reconciles of ScaledObjects and ScaledJobs share.

Both prepare the object (finalizer), plan it, follow its triggers, decide, and carry the decision out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure
from tidegate.core import memory, messages, reporting
from tidegate.core.memory import memory_from
from tidegate.core.reasons import Code
from tidegate.core.values import (
    Action,
    Decision,
    EmitEvent,
    MetricSpec,
    PatchStatus,
    Reading,
    SetReplicas,
    TriggerView,
)
from tidegate.kit.scaler import Polled
from tidegate.kube.resource import ApiError
from tidegate.measure.fetching import Fetching
from tidegate.measure.rounds import Rounds
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.writer import Place, Writer, is_refusal, may_pass
from tidegate.operator.history.store import HistoryStore
from tidegate.operator.reconcile.authentication_users import References
from tidegate.operator.reconcile.history_lines import History
from tidegate.operator.reconcile.kept_fields import KeptFields
from tidegate.operator.reconcile.looks import Looks, Unwatched
from tidegate.operator.reconcile.tallies import Tallies
from tidegate.operator.reconcile.tracker import Key, OwnWrite, Tracked, Tracker
from tidegate.operator.reconcile.trigger_plan import Plan, basis, plan, understood
from tidegate.runtime.clock import Clock

FINALIZER = "finalizer.keda.sh"
# A reading of this age shows the present: only such ones may take a target to zero.
# How long a status waits for first readings that are on their way.
FIRST_READING_S = 2.0
# What a cache does not show yet, it will any moment.
SOON_S = 1.0
Object = dict[str, Any]
Watched = TypeVar("Watched", ScaledObject, ScaledJob)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the operator works with: what it sees, how it writes and measures, when, and its settings."""

    informers: Informers
    writer: Writer
    rounds: Rounds
    clock: Clock
    options: Options
    history_store: HistoryStore
    fetching: Fetching


class Steps:
    """Steps with the operator's tools. `again(key, delay_s)` asks for another reconcile."""

    def __init__(self, tools: Tools, again: Callable[[Key, float], None]) -> None:
        self.informers = tools.informers
        self.writer = tools.writer
        self.rounds = tools.rounds
        self.fetching = tools.fetching
        self.clock = tools.clock
        self.options = tools.options
        self.history_store = tools.history_store
        self.history = History(tools.history_store, tools.rounds)
        self.again = again
        self.tracker = Tracker()
        self.references = References(self.informers, self.writer)
        self.tallies = Tallies()
        self.kept_fields = KeptFields()
        self.watcher: Looks = Unwatched()

    def track(self, key: Key, object: ScaledObject | ScaledJob) -> Tracked:
        """What we know of it. Another object under the same name starts anew."""
        tracked = self.tracker.by_key.get(key)
        if tracked is None or tracked.uid != object.metadata.uid:
            self.forget(key)
            tracked = Tracked(
                key,
                object.metadata.uid,
                memory_from(object, self.clock.now()),
                is_resumed=bool(object.status.conditions),
            )
            self.tracker.add(tracked)
        return tracked

    def forget(self, key: Key) -> None:
        """The object is gone: nothing of it is measured any more."""
        tracked = self.tracker.remove(key)
        if tracked is not None:
            for index in tracked.followed:
                self.rounds.forget((tracked.uid, index))
            self.fetching.want(tracked.uid, frozenset())

    async def prepare(
        self,
        place: Place,
        object: ScaledObject | ScaledJob,
        labels: Mapping[str, str],
        annotations: Mapping[str, str] | None = None,
    ) -> Object | None:
        """Sets finalizer, labels and annotations; the object as it is then, None where it had them all."""
        metadata = object.metadata
        wanted = (
            ("labels", labels, metadata.labels),
            ("annotations", annotations or {}, metadata.annotations),
        )
        missing = {
            part: {key: value for key, value in ours.items() if present.get(key) != value}
            for part, ours, present in wanted
        }
        if FINALIZER in metadata.finalizers and not any(missing.values()):
            return None
        change: Object = {"finalizers": [*dict.fromkeys((*metadata.finalizers, FINALIZER))]}
        change |= {part: keys for part, keys in missing.items() if keys}
        return await self.writer.metadata(place, change, metadata.resource_version)

    async def release(self, place: Place, object: ScaledObject | ScaledJob) -> None:
        """The end of an object: tells, drops our finalizer and forgets."""
        tracked = self.tracker.by_key.get((place.resource, place.namespace, place.name))
        if tracked is not None:
            await self.stop(tracked)
            self.forget(tracked.key)
            self.history_store.forget(tracked.uid)
        if FINALIZER not in object.metadata.finalizers:
            return
        # Before the finalizer goes: nobody would come back for it. A server that refuses it for good must
        # not keep the object.
        with suppress(ApiError):
            await self.references.drop(place, object)
        kept = [one for one in object.metadata.finalizers if one != FINALIZER]
        try:
            await self.writer.metadata(place, {"finalizers": kept or None}, object.metadata.resource_version)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return
        kind = place.resource.kind
        await self.writer.event(place, EmitEvent("Warning", f"{kind}Deleted", f"{kind} was deleted"))

    async def unready(self, place: Place, object: ScaledObject | ScaledJob, why: Failure) -> None:
        """Ready=False of an object that is not looked at any further, with an event when that is news."""
        kind: messages.Kind = "ScaledObject" if isinstance(object, ScaledObject) else "ScaledJob"
        report = reporting.Report((messages.check_failed(kind, why),), {})
        for patch in reporting.patches(object.status, report):
            await self.writer.status(place, patch.status)
        for event in reporting.events(kind, object.status.conditions, report.conditions):
            await self.writer.event(place, event)

    async def planned(
        self,
        tracked: Tracked,
        object: ScaledObject | ScaledJob,
        template: Object | Failure | None,
        container: str | None,
        specs: Callable[[int], tuple[MetricSpec, ...]] = lambda index: (),
    ) -> Plan:
        """The object's plan, made again where something it depends on has changed.

        `specs` still knows the metrics of servers that have not described them since a restart.
        """
        misread = self.informers.misread(*tracked.key)
        present = (basis(object, template), misread)
        if (
            tracked.plan is None
            or tracked.is_stale
            or tracked.basis != present
            or self._is_rewritten(tracked.plan)
        ):
            made = understood(plan(object, template, container, self.informers, self.options), misread)
            self.tracker.plan(tracked, made, present)
            self.fetching.want(tracked.uid, made.questions)
        assert tracked.plan is not None
        tracked.plan = tracked.plan.described(partial(self._specs, tracked, specs))
        if tracked.plan.stamps:
            # Nobody tells of a file that changes.
            self.again(tracked.key, object.spec.polling_s)
        if tracked.plan.warnings != tracked.warned:
            news = [text for text in tracked.plan.warnings if text not in tracked.warned]
            tracked.warned = tracked.plan.warnings
            for text in news:
                await self.writer.event(self.place(tracked), EmitEvent("Warning", "KEDAScalerInfo", text))
        return tracked.plan

    def _specs(
        self, tracked: Tracked, before: Callable[[int], tuple[MetricSpec, ...]], index: int
    ) -> tuple[MetricSpec, ...]:
        """Which metrics a trigger's server has: as it says itself, else as was known before."""
        assert tracked.plan is not None
        reading = self.rounds.polled((tracked.uid, index))
        if reading is not None and reading.specs:
            return reading.specs
        return before(index) if tracked.plan.review.triggers[index].is_undescribed else ()

    def _is_rewritten(self, plan: Plan) -> bool:
        """Whether a parameter file is another than the plan has read."""
        files = self.options.files
        return files is not None and any(files.stamp(path) != one for path, one in plan.stamps.items())

    async def follow(
        self, tracked: Tracked, interval_s: int, snapshot: Callable[[], tuple[Any, ...] | Failure] | None
    ) -> None:
        """Measures the plan's triggers, and no others. Told once, when it begins."""
        assert tracked.plan is not None
        wanted = dict(tracked.plan.scalers())
        self._count(tracked, (one for one in tracked.followed if not self._is_followed(tracked, one, wanted)))
        for index, scaler in wanted.items():
            self.rounds.follow((tracked.uid, index), scaler, interval_s=interval_s, snapshot=snapshot)
        for index in tracked.followed.keys() - wanted.keys():
            self._leave(tracked, index)
        plans = tracked.plan.review.triggers
        tracked.followed = {index: tuple(one.name for one in plans[index].metrics) for index in wanted}
        if tracked.is_replanned:
            # What has changed does not wait for the poll, even where the trigger reads as before.
            tracked.is_replanned = False
            self.rounds.wake((tracked.uid, index) for index in wanted)
        if tracked.is_started:
            return
        tracked.is_started = True
        if tracked.is_resumed:
            # After a restart nothing has started for anybody who reads events.
            tracked.is_resumed = False
            return
        types = dict.fromkeys(
            one.trigger.type for one in tracked.plan.review.triggers if one.scaler is not None
        )
        for text in ("Started scalers watch", *(f"Scaler {one} is built" for one in types)):
            await self.writer.event(self.place(tracked), EmitEvent("Normal", "KEDAScalersStarted", text))

    async def stop(self, tracked: Tracked) -> None:
        """Measures nothing of the object any more. Told once."""
        self._count(tracked, tracked.followed)
        for index in tracked.followed:
            reading = self.rounds.polled((tracked.uid, index))
            if reading is not None and reading.failure is None:
                tracked.last[index] = (tracked.followed[index], reading)
            self._leave(tracked, index)
        tracked.followed = {}
        tracked.is_resumed = False
        if tracked.is_started:
            tracked.is_started = False
            text = "Stopped scalers watch"
            await self.writer.event(self.place(tracked), EmitEvent("Normal", "KEDAScalersStopped", text))

    def _leave(self, tracked: Tracked, index: int) -> None:
        """Measures a trigger no more; that it has failed is kept with its object."""
        tracked.errors += self.rounds.failures((tracked.uid, index))
        self.rounds.forget((tracked.uid, index))

    def _is_followed(self, tracked: Tracked, index: int, wanted: Mapping[int, Polled]) -> bool:
        return index in wanted and self.rounds.follows((tracked.uid, index), wanted[index])

    def _count(self, tracked: Tracked, indexes: Iterable[int]) -> None:
        """Keeps the failures of triggers that will not be measured as before: a fallback in use stays so."""
        failed: dict[str, int] = {}
        for index in indexes:
            key = (tracked.uid, index)
            if self.rounds.latest(key) is not None:
                failed |= dict.fromkeys(tracked.followed[index], self.rounds.failed_polls(key))
        tracked.memory = memory.stopped(tracked.memory, failed)

    def views(self, tracked: Tracked, *, is_latest: bool = False) -> tuple[TriggerView, ...]:
        """The planned triggers with the readings that decisions are made on; or with the latest, which an
        HPA may have asked for: it lowers nothing to zero and wakes nothing between polls."""
        assert tracked.plan is not None
        reading = self.rounds.latest if is_latest else self.rounds.polled

        def kept(index: int) -> tuple[Reading | None, int]:
            key = (tracked.uid, index)
            return reading(key), self.rounds.failed_polls(key)

        return tracked.plan.views(kept, self.clock.now())

    def decided(self, tracked: Tracked, object: ScaledObject | ScaledJob, decision: Decision) -> None:
        """Keeps a decision and its next date. That its failures were told is kept once they were."""
        tracked.count_wrong(self.clock.monotonic(), object.spec.polling_s)
        self.tallies.decisions[tracked.key[0]] += 1
        tracked.decision, tracked.decided_at = decision, self.clock.now()
        tracked.memory = replace(decision.memory, failures=tracked.memory.failures)
        if decision.due is not None:
            delay_s = (decision.due - self.clock.now()).total_seconds()
            self.again(tracked.key, max(0.0, delay_s))

    def permitted(self, decision: Decision) -> Decision:
        """The decision with the actions that the writer may carry out."""
        return replace(decision, actions=self.writer.permitted(decision.actions))

    def happened(
        self,
        tracked: Tracked,
        object: ScaledObject | ScaledJob,
        done: Iterable[Action],
        replicas: int | None = None,
        hpa: Object | None = None,
    ) -> None:
        """Keeps what stands, what was found and what was done of the last decision.

        `replicas` are those found before, `hpa` is the object's.
        """
        assert tracked.decided_at is not None
        carried_out, now_s = tuple(done), self.clock.monotonic()
        self.tallies.acted(tracked.key[0], carried_out)
        # Causes before effects: an edit, a pause, an outage or a fallback before the step that it led to.
        self.history.stood(tracked, tracked.as_written(object), tracked.decided_at)
        self.history.found(tracked, replicas, hpa, tracked.decided_at, now_s)
        self.history.acted(tracked, carried_out)
        for action in carried_out:
            # What we set ourselves is no news when it is seen.
            if isinstance(action, SetReplicas):
                tracked.replicas, tracked.left = action.replicas, (action.previous, now_s)

    async def say(
        self, tracked: Tracked, object: ScaledObject | ScaledJob, decision: Decision, more: Object
    ) -> None:
        """The status in one patch (with `more` fields that differ), then the events."""
        if self._is_early(tracked, decision):
            return
        place = self.place(tracked)
        patches = [action.status for action in decision.actions if isinstance(action, PatchStatus)]
        status = {key: value for patch in patches for key, value in patch.items()} | more
        if self.kept_fields.is_worth(place.resource, status):
            self.wrote(tracked, object, await self._write_status(place, status))
        for action in decision.actions:
            if isinstance(action, EmitEvent):
                await self.writer.event(place, action)
        tracked.memory = decision.memory

    async def _write_status(self, place: Place, status: Object) -> Object:
        """The object with this status. No condition can tell that it is refused: an event does."""
        try:
            after = await self.writer.status(place, status)
        except ApiError as error:
            if is_refusal(error) and not may_pass(error) and error.reason != "NotFound":
                text = f"the status was not written: {error}"
                event = EmitEvent("Warning", f"{place.resource.kind}UpdateFailed", text)
                await self.writer.event(place, event)
            raise
        self.kept_fields.wrote(place.resource, status, after)
        return after

    def _is_early(self, tracked: Tracked, decision: Decision) -> bool:
        """Whether the status of an object that is new, changed or unpaused waits for its first readings, so
        that it is written once and not twice. No target is scaled in the meantime.
        """
        if not any(one.code == Code.UNREAD for one in decision.reasons):
            tracked.held_s = None
            return False
        now_s = self.clock.monotonic()
        if tracked.held_s is None:
            tracked.held_s = now_s
        rest_s = tracked.held_s + FIRST_READING_S - now_s
        if rest_s > 0:
            self.again(tracked.key, rest_s)
        return rest_s > 0

    def newest(self, tracked: Tracked, cached: Watched) -> Watched:
        """The object as the cache shows it, or as our own last write left it where the cache is behind."""
        newest: Watched = tracked.as_written(cached)
        if newest is cached:
            tracked.own_write = None
        return newest

    def wrote(self, tracked: Tracked, before: ScaledObject | ScaledJob, after: Object) -> None:
        """A write of ours made `after` of the object that was reconciled: nothing of it is done twice."""
        if self.writer.is_shadow:
            return
        older = {before.metadata.resource_version}
        if tracked.own_write is not None:
            older |= tracked.own_write.older | {tracked.own_write.version}
        written = self.informers.decoded(tracked.key[0], after)
        then, now = before.metadata, written.metadata
        is_sole = (then.generation, then.annotations) == (now.generation, now.annotations)
        tracked.own_write = OwnWrite(frozenset(older - {now.resource_version}), written, is_sole)

    def place(self, tracked: Tracked) -> Place:
        resource, namespace, name = tracked.key
        return Place(resource, namespace, name, tracked.uid)
