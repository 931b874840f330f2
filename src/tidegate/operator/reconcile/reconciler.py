"""What the looks at ScaledObjects and ScaledJobs have in common.

Both prepare the object (finalizer), plan it, follow its triggers, decide, and carry the decision out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure
from tidegate.core import memory, messages, status
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
from tidegate.measure.rounds import Rounds
from tidegate.operator.cluster.informers import World
from tidegate.operator.cluster.writer import Place, Writer
from tidegate.operator.history.store import Chronicle
from tidegate.operator.reconcile.authentication_users import References
from tidegate.operator.reconcile.history_lines import History
from tidegate.operator.reconcile.tracked import Ahead, Key, Known, Register
from tidegate.operator.reconcile.trigger_plan import Plan, basis, plan, understood
from tidegate.runtime.clock import Clock

FINALIZER = "finalizer.keda.sh"
# A reading of this age shows the present: only such ones may take a target to zero.
MOMENT_S = 1.0
# How long a status waits for first readings that are on their way.
FIRST_READING_S = 2.0
# What a cache does not show yet, it will any moment.
SOON_S = 1.0
Object = dict[str, Any]
Watched = TypeVar("Watched", ScaledObject, ScaledJob)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the operator works with: what it sees, how it writes and measures, when, and its settings."""

    world: World
    writer: Writer
    rounds: Rounds
    clock: Clock
    options: Options
    chronicle: Chronicle


class Desk:
    """The operator's tools, shared by the looks. `again(key, delay_s)` asks for another look."""

    def __init__(self, tools: Tools, again: Callable[[Key, float], None]) -> None:
        self.world = tools.world
        self.writer = tools.writer
        self.rounds = tools.rounds
        self.clock = tools.clock
        self.options = tools.options
        self.chronicle = tools.chronicle
        self.history = History(tools.chronicle, tools.rounds)
        self.again = again
        self.register = Register()
        self.references = References(self.world, self.writer)
        self.decisions = 0

    def known(self, key: Key, object: ScaledObject | ScaledJob) -> Known:
        """What we know of it. Another object under the same name starts anew."""
        known = self.register.by_key.get(key)
        if known is None or known.uid != object.metadata.uid:
            self.forget(key)
            known = Known(
                key,
                object.metadata.uid,
                memory_from(object, self.clock.now()),
                is_resumed=bool(object.status.conditions),
            )
            self.register.enter(known)
        return known

    def forget(self, key: Key) -> None:
        """The object is gone: nothing of it is measured any more."""
        known = self.register.leave(key)
        if known is not None:
            for index in known.followed:
                self.rounds.forget((known.uid, index))

    async def prepare(
        self,
        place: Place,
        object: ScaledObject | ScaledJob,
        labels: Mapping[str, str],
        annotations: Mapping[str, str] | None = None,
    ) -> bool:
        """Sets finalizer, labels and annotations where they are missing. True when that was needed."""
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
            return False
        change: Object = {"finalizers": [*dict.fromkeys((*metadata.finalizers, FINALIZER))]}
        change |= {part: keys for part, keys in missing.items() if keys}
        await self.writer.metadata(place, change, metadata.resource_version)
        return True

    async def release(self, place: Place, object: ScaledObject | ScaledJob) -> None:
        """The end of an object: tells, drops our finalizer and forgets."""
        known = self.register.by_key.get((place.resource, place.namespace, place.name))
        if known is not None:
            await self.stop(known)
            self.forget(known.key)
            self.chronicle.forget(known.uid)
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
        account = status.Account((messages.check_failed(kind, why),), {})
        for patch in status.patches(object.status, account):
            await self.writer.status(place, patch.status)
        for event in status.events(kind, object.status.conditions, account.conditions):
            await self.writer.event(place, event)

    async def planned(
        self,
        known: Known,
        object: ScaledObject | ScaledJob,
        template: Object | Failure | None,
        container: str | None,
        specs: Callable[[int], tuple[MetricSpec, ...]] = lambda index: (),
    ) -> Plan:
        """The object's plan, made again where something it depends on has changed.

        `specs` still knows the metrics of servers that have not described them since a restart.
        """
        misread = self.world.misread(*known.key)
        present = (basis(object, template), misread)
        if known.plan is None or known.is_stale or known.basis != present or self._is_rewritten(known.plan):
            made = understood(plan(object, template, container, self.world, self.options), misread)
            self.register.plan(known, made, present)
        assert known.plan is not None
        known.plan = known.plan.described(partial(self._specs, known, specs))
        if known.plan.stamps:
            # Nobody tells of a file that changes.
            self.again(known.key, object.spec.polling_s)
        if known.plan.warnings != known.warned:
            news = [text for text in known.plan.warnings if text not in known.warned]
            known.warned = known.plan.warnings
            for text in news:
                await self.writer.event(self.place(known), EmitEvent("Warning", "KEDAScalerInfo", text))
        return known.plan

    def _specs(
        self, known: Known, before: Callable[[int], tuple[MetricSpec, ...]], index: int
    ) -> tuple[MetricSpec, ...]:
        """Which metrics a trigger's server has: as it says itself, else as was known before."""
        assert known.plan is not None
        reading = self.rounds.polled((known.uid, index))
        if reading is not None and reading.specs:
            return reading.specs
        return before(index) if known.plan.review.triggers[index].is_undescribed else ()

    def _is_rewritten(self, plan: Plan) -> bool:
        """Whether a parameter file is another than the plan has read."""
        files = self.options.files
        return files is not None and any(files.stamp(path) != one for path, one in plan.stamps.items())

    async def follow(
        self, known: Known, interval_s: int, snapshot: Callable[[], tuple[Any, ...] | Failure] | None
    ) -> None:
        """Measures the plan's triggers, and no others. Told once, when it begins."""
        assert known.plan is not None
        wanted = dict(known.plan.scalers())
        self._count(known, (one for one in known.followed if not self._is_followed(known, one, wanted)))
        for index, scaler in wanted.items():
            self.rounds.follow((known.uid, index), scaler, interval_s=interval_s, snapshot=snapshot)
        for index in known.followed.keys() - wanted.keys():
            self.rounds.forget((known.uid, index))
        plans = known.plan.review.triggers
        known.followed = {index: tuple(one.name for one in plans[index].metrics) for index in wanted}
        if known.is_replanned:
            # What has changed does not wait for the poll, even where the trigger reads as before.
            known.is_replanned = False
            self.rounds.wake((known.uid, index) for index in wanted)
        if known.is_started:
            return
        known.is_started = True
        if known.is_resumed:
            # After a restart nothing has started for anybody who reads events.
            known.is_resumed = False
            return
        types = dict.fromkeys(
            one.trigger.type for one in known.plan.review.triggers if one.scaler is not None
        )
        for text in ("Started scalers watch", *(f"Scaler {one} is built" for one in types)):
            await self.writer.event(self.place(known), EmitEvent("Normal", "KEDAScalersStarted", text))

    async def stop(self, known: Known) -> None:
        """Measures nothing of the object any more. Told once."""
        self._count(known, known.followed)
        for index in known.followed:
            reading = self.rounds.polled((known.uid, index))
            if reading is not None and reading.failure is None:
                known.last[index] = (known.followed[index], reading)
            self.rounds.forget((known.uid, index))
        known.followed = {}
        known.is_resumed = False
        if known.is_started:
            known.is_started = False
            text = "Stopped scalers watch"
            await self.writer.event(self.place(known), EmitEvent("Normal", "KEDAScalersStopped", text))

    def _is_followed(self, known: Known, index: int, wanted: Mapping[int, Polled]) -> bool:
        return index in wanted and self.rounds.follows((known.uid, index), wanted[index])

    def _count(self, known: Known, indexes: Iterable[int]) -> None:
        """Keeps the failures of triggers that will not be measured as before: a fallback in use stays so."""
        failed: dict[str, int] = {}
        for index in indexes:
            key = (known.uid, index)
            if self.rounds.latest(key) is not None:
                failed |= dict.fromkeys(known.followed[index], self.rounds.failed_polls(key))
        known.memory = memory.stopped(known.memory, failed)

    async def refresh(self, known: Known, indexes: Iterable[int]) -> None:
        """Returns when no kept reading of these triggers is older than a moment."""
        keys = [(known.uid, index) for index in indexes]
        await asyncio.gather(*(self.rounds.decisive(key, MOMENT_S) for key in keys))

    def views(self, known: Known, *, is_latest: bool = False) -> tuple[TriggerView, ...]:
        """The planned triggers with the readings that decisions are made on; or with the latest, which an
        HPA may have asked for: it lowers nothing to zero and wakes nothing between polls."""
        assert known.plan is not None
        reading = self.rounds.latest if is_latest else self.rounds.polled

        def kept(index: int) -> tuple[Reading | None, int]:
            key = (known.uid, index)
            return reading(key), self.rounds.failed_polls(key)

        return known.plan.views(kept, self.clock.now())

    def decided(self, known: Known, decision: Decision) -> None:
        """Keeps a decision and its next date. That its failures were told is kept once they were."""
        self.decisions += 1
        known.decision, known.decided_at = decision, self.clock.now()
        known.memory = replace(decision.memory, failures=known.memory.failures)
        if decision.due is not None:
            delay_s = (decision.due - self.clock.now()).total_seconds()
            self.again(known.key, max(0.0, delay_s))

    def happened(
        self,
        known: Known,
        object: ScaledObject | ScaledJob,
        done: Iterable[Action],
        replicas: int | None = None,
        hpa: Object | None = None,
    ) -> None:
        """Keeps what stands, what was found and what was done of the last decision.

        `replicas` are those found before, `hpa` is the object's.
        """
        assert known.decided_at is not None
        carried_out, now_s = tuple(done), self.clock.monotonic()
        # Causes before effects: an edit, a pause, an outage or a fallback before the step that it led to.
        self.history.stood(known, object, known.decided_at)
        self.history.found(known, replicas, hpa, known.decided_at, now_s)
        self.history.acted(known, carried_out)
        for action in carried_out:
            # What we set ourselves is no news when it is seen.
            if isinstance(action, SetReplicas):
                known.replicas, known.left = action.replicas, (action.previous, now_s)

    async def say(
        self, known: Known, object: ScaledObject | ScaledJob, decision: Decision, more: Object
    ) -> None:
        """The status in one patch (with `more` fields that differ), then the events."""
        if self._is_early(known, decision):
            return
        place = self.place(known)
        patches = [action.status for action in decision.actions if isinstance(action, PatchStatus)]
        status = {key: value for patch in patches for key, value in patch.items()} | more
        if status:
            self.wrote(known, object, await self.writer.status(place, status))
        for action in decision.actions:
            if isinstance(action, EmitEvent):
                await self.writer.event(place, action)
        known.memory = decision.memory

    def _is_early(self, known: Known, decision: Decision) -> bool:
        """Whether the status of an object that is new, changed or unpaused waits for its first readings, so
        that it is written once and not twice. No target is scaled in the meantime.
        """
        if not any(one.code == Code.UNREAD for one in decision.reasons):
            known.held_s = None
            return False
        now_s = self.clock.monotonic()
        if known.held_s is None:
            known.held_s = now_s
        rest_s = known.held_s + FIRST_READING_S - now_s
        if rest_s > 0:
            self.again(known.key, rest_s)
        return rest_s > 0

    def newest(self, known: Known, cached: Watched) -> Watched:
        """The object as the cache shows it, or as our own last write left it where the cache is behind."""
        ahead = known.ahead
        if ahead is not None and cached.metadata.resource_version in ahead.older:
            newest: Watched = ahead.object
            return newest
        known.ahead = None
        return cached

    def wrote(self, known: Known, before: ScaledObject | ScaledJob, after: Object) -> None:
        """A write of ours made `after` of the object that was looked at: nothing of it is done twice."""
        older = {before.metadata.resource_version}
        if known.ahead is not None:
            older |= known.ahead.older | {known.ahead.object.metadata.resource_version}
        written = self.world.decoded(known.key[0], after)
        known.ahead = Ahead(frozenset(older - {written.metadata.resource_version}), written)

    def place(self, known: Known) -> Place:
        resource, namespace, name = known.key
        return Place(resource, namespace, name, known.uid)
