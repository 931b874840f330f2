"""The HPA's question: what an external metric of a ScaledObject is, and how long that may be told.

Answered from kept readings while they are fresh enough (`core.triggers.external_metric.max_age_s`), in
fallback with the fallback's value, and for the composite metric by the formula. Whoever keeps answers
elsewhere follows what changes by `on_change`, and looks it up with `kept`, which measures nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field, replace

from tidegate.api.metric_stream import Metric
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.triggers.external_metric import asked, external_metric, max_age_s
from tidegate.core.triggers.summary import summary_of
from tidegate.core.values import Seen
from tidegate.kube.resource import SCALED_OBJECTS
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.operator.scaledobject.reconcile import ScaledObjectReconciler

# How long an asker waits for the first look at an object that is new, or was not seen since a restart.
FIRST_LOOK_S = 5.0
OnChange = Callable[[tuple[str, str]], None]
"""Gets namespace and name of a ScaledObject."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer was made of. As long as all of it stands, so does the answer."""

    plan: Plan
    generation: int
    indexes: tuple[int, ...]
    readings: tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """Values or why there are none, as of `measured_s` (monotonic). They may be told for `max_age_s` from
    then on, 0 where only the asker may be told. A poll brings new ones every `polling_s`.
    """

    values: tuple[float, ...] | Failure
    measured_s: float = 0.0
    max_age_s: float = 0.0
    polling_s: float = 0.0
    basis: Basis | None = field(default=None, compare=False, repr=False)


class ExternalMetrics:
    """Answers for one operator."""

    def __init__(self, steps: Steps, scaled_objects: ScaledObjectReconciler) -> None:
        self._steps = steps
        self._scaled_objects = scaled_objects
        self._listeners: dict[OnChange, None] = {}
        self._waiting: dict[tuple[str, str], asyncio.Event] = {}

    # --- who listens

    def on_change(self, listener: OnChange) -> None:
        """Tells it of each object whose answers may be others from now on, until `forget`."""
        self._listeners[listener] = None

    def forget(self, listener: OnChange) -> None:
        """Safe twice."""
        self._listeners.pop(listener, None)

    def changed(self, owner: tuple[str, str]) -> None:
        """To be called after each reconcile and each reading of a ScaledObject."""
        waiting = self._waiting.pop(owner, None)
        if waiting is not None:
            waiting.set()
        for listener in self._listeners:
            listener(owner)

    # --- answers

    def heard(self, metric: Metric) -> None:
        """An HPA asks for it now, whoever answers."""
        self._steps.tallies.questions += 1
        tracked = self._tracked(metric)
        if tracked is not None:
            tracked.hpa_asked = self._steps.clock.now()

    async def renew(self, metric: Metric, spare_s: float = 0.0) -> None:
        """Measures where the kept readings are older than they may be, or will be in `spare_s`."""
        found = self._found(metric)
        if isinstance(found, Failure):
            return
        tracked, object = found
        keys = [
            ((tracked.uid, index), self._age_s(tracked, object, index) - spare_s)
            for index in self._indexes(metric, tracked, object)
        ]
        if len(keys) == 1:
            await self._steps.rounds.fresh(*keys[0])
        else:
            await asyncio.gather(*(self._steps.rounds.fresh(*one) for one in keys))

    async def answer(self, metric: Metric) -> Answered:
        """What the metric is now; measures where the kept readings are older than they may be."""
        await self.renew(metric)
        found = self._found(metric)
        if isinstance(found, Failure):
            return Answered(found)
        tracked, object = found
        seen = await self._scaled_objects.seen_now(tracked, object)
        return self._made(metric, tracked, object, seen)

    async def after_first_look(self, metric: Metric) -> Answered:
        """The same; waits a little for an object that nobody has looked at yet."""
        until_s = self._steps.clock.monotonic() + FIRST_LOOK_S
        while self._is_new(metric) and (rest_s := until_s - self._steps.clock.monotonic()) > 0:
            event = self._waiting.setdefault(metric.owner, asyncio.Event())
            try:
                await asyncio.wait_for(event.wait(), rest_s)
            except TimeoutError:
                self._waiting.pop(metric.owner, None)
        return await self.answer(metric)

    def kept(self, metric: Metric, before: Answered | None = None) -> Answered:
        """What the kept readings say, however old; what only a look at the cluster can say may be told to
        nobody (`max_age_s` 0). Little is done for an answer that still is what it was `before`.
        """
        found = self._found(metric)
        if isinstance(found, Failure):
            return Answered(found)
        tracked, object = found
        basis = before.basis if before is not None else None
        if before is not None and basis is not None and basis.plan is tracked.plan:
            same = Basis(basis.plan, object.metadata.generation, *self._readings(tracked, basis.indexes))
            if same == basis:
                return replace(before, measured_s=self._measured_s(tracked, basis.indexes))
        assert tracked.seen is not None
        return self._made(metric, tracked, object, tracked.seen)

    # ---

    def _made(self, metric: Metric, tracked: Tracked, object: ScaledObject, seen: Seen) -> Answered:
        """A failure, and what a fallback says, belong to the replicas of this moment: they are not kept."""
        plan = tracked.plan
        assert plan is not None
        views, composite = self._steps.views(tracked, is_latest=True), plan.review.composite
        values = external_metric(metric.name, object, seen, views, tracked.memory, composite)
        summary = summary_of(object, seen, views, tracked.memory, composite)
        needed = asked(metric.name, object, views, composite)
        indexes = tuple(index for index in needed if index in tracked.followed)
        is_fallen = any(one.is_fallen for one in summary.states if one.index in needed)
        measured_s = self._measured_s(tracked, indexes)
        if isinstance(values, Failure) or is_fallen or measured_s == -math.inf:
            return Answered(values)
        indexes, readings = self._readings(tracked, indexes)
        basis = Basis(plan, object.metadata.generation, indexes, readings) if readings else None
        age_s = min(self._age_s(tracked, object, index) for index in indexes)
        return Answered(values, measured_s, age_s, float(object.spec.polling_s), basis)

    def _measured_s(self, tracked: Tracked, indexes: Iterable[int]) -> float:
        moments = [self._steps.rounds.measured_s((tracked.uid, index)) for index in indexes]
        return min(moments, default=-math.inf)

    def _readings(
        self, tracked: Tracked, indexes: tuple[int, ...]
    ) -> tuple[tuple[int, ...], tuple[tuple[float, ...], ...]]:
        """The indexes with what each trigger says; with nothing where one has failed."""
        latest = [self._steps.rounds.latest((tracked.uid, index)) for index in indexes]
        good = [one.values for one in latest if one is not None and one.failure is None]
        return indexes, tuple(good) if len(good) == len(indexes) else ()

    def _indexes(self, metric: Metric, tracked: Tracked, object: ScaledObject) -> Set[int]:
        """The triggers that are measured for it."""
        assert tracked.plan is not None
        views = self._steps.views(tracked, is_latest=True)
        return tracked.followed.keys() & set(asked(metric.name, object, views, tracked.plan.review.composite))

    def _age_s(self, tracked: Tracked, object: ScaledObject, index: int) -> float:
        # The plan is what is measured: the object may have been edited since, and have fewer triggers.
        plan = tracked.plan.review.triggers[index] if tracked.plan is not None else None
        is_cached = plan is not None and bool(plan.trigger.use_cached_metrics)
        kept_s = self._steps.rounds.kept_s((tracked.uid, index))
        return max(max_age_s(object.spec.polling_s, is_cached=is_cached), kept_s)

    def _found(self, metric: Metric) -> tuple[Tracked, ScaledObject] | Failure:
        informers, (namespace, owner) = self._steps.informers, metric.owner
        is_listed = informers.has_listed(SCALED_OBJECTS, namespace)
        object = informers.get(SCALED_OBJECTS, namespace, owner) if is_listed else None
        if is_listed and object is None:
            return Failure("Misconfigured", f"there is no ScaledObject {namespace}/{owner}")
        tracked = self._tracked(metric)
        if tracked is None or tracked.plan is None or tracked.seen is None or object is None:
            return Failure("Unreachable", f"ScaledObject {namespace}/{owner} is not measured yet")
        return tracked, object

    def _is_new(self, metric: Metric) -> bool:
        informers = self._steps.informers
        is_listed = informers.has_listed(SCALED_OBJECTS, metric.owner[0])
        if is_listed and informers.get(SCALED_OBJECTS, *metric.owner) is None:
            return False
        tracked = self._tracked(metric)
        return tracked is None or tracked.plan is None or tracked.seen is None

    def _tracked(self, metric: Metric) -> Tracked | None:
        return self._steps.tracker.by_key.get((SCALED_OBJECTS, *metric.owner))
