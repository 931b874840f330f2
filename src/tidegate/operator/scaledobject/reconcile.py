"""One reconcile of a ScaledObject: its target, its HPA, its triggers; then the decision, carried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core import messages
from tidegate.core.control_annotations import pause_of
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.scaledobject.restore import first_mark
from tidegate.core.values import Action, Decision, DeleteHpa, EmitEvent, HpaView, Seen, SetReplicas
from tidegate.kube.resource import SCALED_OBJECTS, ApiError
from tidegate.operator.cluster.writer import REFUSED, Place, is_refusal
from tidegate.operator.reconcile.reconciler import KindReconciler
from tidegate.operator.reconcile.steps import SOON_S, Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.operator.reconcile.turns import awaited, refresh, tell_stretches
from tidegate.operator.scaledobject.finalize import Finalizer
from tidegate.operator.scaledobject.hpa import Hpas
from tidegate.operator.scaledobject.hpa_drift import specs_of
from tidegate.operator.scaledobject.original_replicas import OriginalReplicas
from tidegate.operator.scaledobject.ready_pods import ReadyPods
from tidegate.operator.scaledobject.rivals import Rivals
from tidegate.operator.scaledobject.scale_target import Target, Targets
from tidegate.review.hpa import NAME_LABEL

Object = dict[str, Any]


class ScaledObjectReconciler(KindReconciler[ScaledObject]):
    """Reconciles ScaledObjects."""

    resource = SCALED_OBJECTS

    def __init__(self, steps: Steps) -> None:
        super().__init__(steps)
        self.targets = Targets(steps.informers)
        self.ready = ReadyPods(steps.informers)
        self.hpas = Hpas(steps)
        self.original_replicas = OriginalReplicas(steps)
        self.rivals = Rivals()
        self.finalizer = Finalizer(steps, self.targets, self.hpas, self.rivals)

    def marks(self, object: ScaledObject) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {NAME_LABEL: object.metadata.name}, first_mark(object, self.hpas.target_of(object))

    async def finalize(self, place: Place, object: ScaledObject) -> None:
        await self.finalizer.finalize(place, object)

    async def reconcile_present(self, place: Place, tracked: Tracked, object: ScaledObject) -> None:
        target = await self.targets.find(object)
        hpa = self.hpas.present(object)
        contested = self.rivals.objection(object, has_hpa=hpa is not None)
        if contested is not None:
            target = target.withheld(contested)
            if isinstance(hpa, HpaView):
                await self.hpas.delete(object)
        watched = None
        if target.resource is not None and target.is_watched:
            watched = (target.resource, place.namespace, target.name)
        self.steps.tracker.set_target(tracked, watched)
        if await self.original_replicas.change(tracked, object, target):
            return
        plan = await self.steps.planned(
            tracked,
            object,
            target.template,
            object.spec.scale_target_ref.env_source_container_name,
            partial(specs_of, self.hpas.body(object)),
        )
        await self.steps.references.remove(place, object)
        object = await self.original_replicas.keep(tracked, object, target)
        await self._decide(tracked, object, target, plan)
        await self.steps.references.add(place, object.spec.triggers)

    async def _decide(self, tracked: Tracked, object: ScaledObject, target: Target, plan: Plan) -> None:
        steps = self.steps
        hpa: HpaView | Failure | None
        if pause_of(object.metadata.annotations).is_full:
            await steps.stop(tracked)
            hpa = self.hpas.present(object)
        else:
            await steps.follow(tracked, object.spec.polling_s, None)
            await tell_stretches(steps, tracked)
            hpa = await self.hpas.ensured(object, target, plan)
        if isinstance(hpa, Failure) or not target.wakes:
            steps.again(tracked.key, object.spec.polling_s if target.is_certain else SOON_S)
        ready = await self.ready.count(object, target, plan)
        before = self.hpas.present(object) if isinstance(hpa, Failure) else None
        hpa_before = before if isinstance(before, HpaView) else None
        seen = Seen(target.replicas, hpa, _check(target, plan, tracked.refusal, hpa), ready, hpa_before)
        tracked.seen = seen
        fields = _changed(object, target.status_fields())
        shown = _with_kind(object, target.kind_text) if fields else object
        decision = self._decided(tracked, shown, seen)
        if _lowers(decision):
            # The kept readings may be a polling interval old: nothing goes to zero on those.
            is_fresh = await refresh(steps, tracked, tracked.followed)
            decision = self._decided(tracked, shown, seen, is_awaited=not is_fresh)
        else:
            tracked.asked_anew = None
        steps.decided(tracked, object, decision)
        await self._carry_out(tracked, object, target, decision, fields)

    async def seen_now(self, tracked: Tracked, object: ScaledObject) -> Seen:
        """What the HPA's question needs: a fallback counts with the replicas and ready pods of now."""
        assert tracked.seen is not None
        assert tracked.plan is not None
        if object.spec.fallback is None:
            return tracked.seen
        target = await self.targets.find(object)
        ready = await self.ready.count(object, target, tracked.plan)
        return replace(tracked.seen, replicas=target.replicas, ready=ready)

    def _decided(
        self, tracked: Tracked, object: ScaledObject, seen: Seen, *, is_awaited: bool = False
    ) -> Decision:
        assert tracked.plan is not None
        composite, now = tracked.plan.review.composite, self.steps.clock.now()
        views = self.steps.views(tracked)
        views = awaited(views) if is_awaited else views
        return decide_scaled_object(object, seen, views, tracked.memory, now, composite)

    async def _carry_out(
        self, tracked: Tracked, object: ScaledObject, target: Target, decision: Decision, fields: Object
    ) -> None:
        """The status first: whoever restarts in between must know what the target was raised for."""
        place, done = self.steps.place(tracked), list[Action]()
        decision = self.steps.permitted(decision)
        refused = await self._say(tracked, object, decision, fields)
        try:
            for action in decision.actions:
                if isinstance(action, DeleteHpa):
                    await self.hpas.delete(object, action.name)
                if isinstance(action, SetReplicas) and target.resource is not None:
                    refused = await self._scale(place, target, action, done) or refused
        finally:
            found = target.replicas
            count = None if isinstance(found, Failure) else found
            self.steps.happened(tracked, object, done, count, self.hpas.body(object))
        await self.steps.watcher.looked(tracked, object, self.hpas.body(object))
        if refused is not None:
            raise refused

    async def _say(
        self, tracked: Tracked, object: ScaledObject, decision: Decision, fields: Object
    ) -> Exception | None:
        """Why the status could not be written: that keeps nobody from scaling, unless the object is gone."""
        try:
            await self.steps.say(tracked, object, decision, fields)
        except REFUSED as error:
            if isinstance(error, ApiError) and error.reason == "NotFound":
                raise
            return error
        return None

    async def _scale(
        self, place: Place, target: Target, action: SetReplicas, done: list[Action]
    ) -> Exception | None:
        """Why the count could not be set; adds to `done` what was done, or perhaps was."""
        assert target.resource is not None
        writer = self.steps.writer
        try:
            await writer.replicas(
                target.resource, place.namespace, target.name, action.replicas, action.previous
            )
        except REFUSED as error:
            if isinstance(error, ApiError) and error.reason == "Conflict":
                # Not what was decided upon: reconcile again.
                raise
            if not is_refusal(error):
                done.append(action)
            if action.otherwise is not None:
                text = f"{action.otherwise.message}: {error}"
                await writer.event(place, EmitEvent("Warning", action.otherwise.reason, text))
            return error
        done.append(action)
        if action.then is not None:
            await writer.event(place, action.then)
        return None


def _check(target: Target, plan: Plan, refusal: str, hpa: HpaView | Failure | None) -> Failure | None:
    """Everything that is wrong with the object, in one text."""
    refused = Failure("Denied", refusal) if refusal else None
    stages = (target.failure, plan.check(messages.OBJECT_TRIGGERS_STAGE), refused)
    found = [one for one in stages if one is not None]
    if isinstance(hpa, Failure) and not found:
        found = [Failure(hpa.kind, f"{messages.HPA_STAGE}: {hpa.message}")]
    return Failure(found[0].kind, "; ".join(one.message for one in found)) if found else None


def _lowers(decision: Decision) -> bool:
    return any(isinstance(one, SetReplicas) and one.replicas < one.previous for one in decision.actions)


def _changed(object: ScaledObject, fields: Object) -> Object:
    """Those of `fields` that the status does not show yet."""
    present = msgspec.to_builtins(object.status)
    return {key: value for key, value in fields.items() if present.get(key) != value}


def _with_kind(object: ScaledObject, kind: str) -> ScaledObject:
    status = msgspec.structs.replace(object.status, scale_target_kind=kind)
    return msgspec.structs.replace(object, status=status)
