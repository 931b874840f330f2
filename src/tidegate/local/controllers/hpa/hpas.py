"""HorizontalPodAutoscalers: read the metrics, let the arithmetic decide, write the target's scale.

The target's scale is read and written through its `scale` subresource, so whatever kind has one can
be scaled. What a decision remembers lives in this process; after a restart it is rebuilt so that
nothing is lowered earlier than without the restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from tidegate.api.conditions import Condition
from tidegate.api.hpa import HpaSpec, TargetRef, decode_hpa_spec
from tidegate.base.selectors import Selector, parse_selector
from tidegate.core.hpa import autoscaler
from tidegate.core.hpa.autoscaler import HpaDecision, HpaMemory, Sample
from tidegate.kube.resource import DEPLOYMENTS, HPAS, PODS, REPLICA_SETS, ApiError, Resource
from tidegate.local.controllers import conditions
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.hpa import hpa_status
from tidegate.local.controllers.hpa.metric_samples import Samples, Scope
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "horizontal-pod-autoscaler"
INTERVAL_S = 15.0
# A window's end is worth a reconcile of its own, but never more than one a second.
LEAST_S = 1.0
# What is new, or was just started again, may not be measured yet: no failure is told before the last one.
FIRST_RECONCILES_S = (0.5, 1.0, 2.0, 4.0, 7.5)


@dataclass(frozen=True, slots=True)
class Target:
    """What an HPA scales: its kind, its place, and its Scale as read."""

    resource: Resource
    key: Name
    scale: Object

    @property
    def replicas(self) -> int:
        return int(self.scale["spec"].get("replicas", 0))


class Hpas:
    """The HPA controller. `kinds()` lists the served kinds, among which the target's is found."""

    def __init__(
        self,
        objects: Objects,
        clock: Clock,
        samples: Samples,
        kinds: Callable[[], Iterable[Resource]],
        *,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self.objects = objects
        self.clock = clock
        self.samples = samples
        self.kinds = kinds
        self.interval_s = interval_s
        self.events = Events(objects, SOURCE)
        self._memories: dict[str, HpaMemory] = {}
        self._early: dict[str, int] = {}
        self._scaling: dict[tuple[str, str | None, str | None], set[Name]] = {}

    def resources(self) -> Iterable[Resource]:
        return (HPAS, DEPLOYMENTS, REPLICA_SETS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource != HPAS:
            return self._woken(change)
        self._index(change)
        if change.type == "DELETED":
            uid = change.object["metadata"]["uid"]
            self._memories.pop(uid, None)
            self._early.pop(uid, None)
            return []
        is_edited = change.previous is None or change.previous["spec"] != change.object["spec"]
        return [key_of(change.object)] if is_edited else []

    def _index(self, change: Change) -> None:
        """Keeps who scales what."""
        for hpa, is_there in ((change.previous, False), (change.object, change.type != "DELETED")):
            if hpa is None:
                continue
            key, ref = key_of(hpa), hpa["spec"].get("scaleTargetRef") or {}
            scaling = self._scaling.setdefault((key[0], ref.get("kind"), ref.get("name")), set())
            (scaling.add if is_there else scaling.discard)(key)
            if not scaling:
                del self._scaling[key[0], ref.get("kind"), ref.get("name")]

    def _woken(self, change: Change) -> Iterable[Name]:
        """HPAs whose target just left zero, or reached it: neither their work nor what their status says
        has to wait for their next reconcile."""
        if change.previous is None:
            return ()
        was_zero, is_zero = (one["spec"].get("replicas", 1) == 0 for one in (change.previous, change.object))
        if was_zero == is_zero:
            return ()
        namespace, name = key_of(change.object)
        return tuple(self._scaling.get((namespace, change.resource.kind, name), ()))

    async def reconcile(self, key: Name) -> float | None:
        hpa = self.objects.get(HPAS, *key)
        if hpa is None or is_deleting(hpa):
            return None
        try:
            spec = decode_hpa_spec(hpa["spec"])
        except ValueError as error:
            await self._give_up(hpa, _failed("ScalingActive", "InvalidSpec", str(error)))
            return self.interval_s
        target = await self._target(hpa, spec)
        if target is None:
            return self.interval_s
        try:
            scope = self._scope(key[0], target, spec)
        except ValueError as error:
            await self._give_up(hpa, _failed("ScalingActive", "InvalidSelector", str(error)))
            return self.interval_s
        is_at_rest = target.replicas == 0 and spec.min_replicas != 0
        samples = () if is_at_rest else await self.samples.read(spec, scope)
        return await self._decide(hpa, spec, target, samples)

    async def _target(self, hpa: Object, spec: HpaSpec) -> Target | None:
        """The target with its Scale; None (and the HPA says why) when there is none to be had."""
        ref = spec.scale_target_ref
        try:
            if ref is None:
                raise ApiError(422, "Invalid", "spec.scaleTargetRef is missing")
            resource = self._resource(ref)
            key = (str(hpa["metadata"]["namespace"]), ref.name)
            # A patch that changes nothing writes nothing, and answers with the Scale of any kind.
            return Target(resource, key, await self.objects.patch(resource, *key, {}, subresource="scale"))
        except ApiError as error:
            message = f"the HPA controller was unable to get the target's current scale: {error}"
            await self._give_up(hpa, _failed("AbleToScale", "FailedGetScale", message))
            return None

    def _resource(self, ref: TargetRef) -> Resource:
        group = (ref.api_version or "").rpartition("/")[0]
        for one in self.kinds():
            if (one.group, one.kind) == (group, ref.kind):
                return one
        raise ApiError(404, "NotFound", f'no matches for kind "{ref.kind}" in group "{group}"')

    def _scope(self, namespace: str, target: Target, spec: HpaSpec) -> Scope:
        """ValueError when the target's selector cannot be read."""
        text = str((target.scale.get("status") or {}).get("selector", ""))
        if not text or not any(_counts_pods(spec, index) for index in range(len(spec.metrics))):
            return Scope(namespace, text, ())
        selector = parse_selector(text)
        pods = [
            pod
            for pod in self.objects.list(PODS, namespace, labels=_equalities(selector))
            if selector.matches(pod["metadata"].get("labels") or {})
        ]
        return Scope(namespace, text, tuple(pods))

    async def _decide(
        self, hpa: Object, spec: HpaSpec, target: Target, samples: tuple[Sample, ...]
    ) -> float | None:
        uid, now = hpa["metadata"]["uid"], self.clock.now()
        memory = self._memories.get(uid)
        if memory is None:
            last = (hpa.get("status") or {}).get("lastScaleTime")
            memory = autoscaler.memory_from(last, target.replicas, now)
        decision = autoscaler.step(spec, target.replicas, samples, memory, now)
        early_s = self._early_s(uid, decision)
        if early_s is not None:
            return early_s
        # The status first: killed in between, the next process believes in a change that did not
        # happen, and is only more careful; the other way round it would forget one that did.
        status = hpa_status.decided(hpa, spec, decision, samples, now)
        written = await conditions.write_status(self.objects, HPAS, hpa, status)
        if decision.is_rescale:
            decision = await self._rescale(written, target, decision, now)
        self._memories[uid] = decision.memory
        for event in decision.events:
            tell = self.events.normal if event.type == "Normal" else self.events.warn
            await tell(hpa, event.reason, event.message)
        return self._next_s(decision, now)

    async def _rescale(
        self, hpa: Object, target: Target, decision: HpaDecision, now: datetime
    ) -> HpaDecision:
        """Writes the count unless the scale has changed since it was read (Conflict: reconcile again)."""
        patch = {
            "metadata": {"resourceVersion": target.scale["metadata"]["resourceVersion"]},
            "spec": {"replicas": decision.replicas},
        }
        try:
            await self.objects.patch(target.resource, *target.key, patch, subresource="scale")
        except ApiError as error:
            if error.reason == "Conflict":
                raise
            failed = autoscaler.unwritten(decision, str(error))
            known = (hpa.get("status") or {}).get("conditions")
            status = {**hpa["status"], "desiredReplicas": failed.replicas}
            status["conditions"] = hpa_status.with_all(known, failed.conditions, now)
            await conditions.write_status(self.objects, HPAS, hpa, status)
            return failed
        return decision

    def _early_s(self, uid: str, decision: HpaDecision) -> float | None:
        """Seconds until the next of the first ones, while the only thing to tell is that nothing answers."""
        reconciles = self._early.get(uid, 0)
        if uid in self._memories or not decision.is_unanswered or reconciles == len(FIRST_RECONCILES_S):
            self._early.pop(uid, None)
            return None
        self._early[uid] = reconciles + 1
        return FIRST_RECONCILES_S[reconciles]

    def _next_s(self, decision: HpaDecision, now: datetime) -> float:
        if decision.due is None:
            return self.interval_s
        return min(self.interval_s, max((decision.due - now).total_seconds(), LEAST_S))

    async def _give_up(self, hpa: Object, condition: Condition) -> None:
        """Says why nothing is decided; the event only when it is news."""
        old = conditions.find((hpa.get("status") or {}).get("conditions"), condition.type) or {}
        status = hpa_status.blind(hpa, condition, self.clock.now())
        await conditions.write_status(self.objects, HPAS, hpa, status)
        if (old.get("reason"), old.get("message")) != (condition.reason, condition.message):
            await self.events.warn(hpa, condition.reason or "", condition.message or "")


def _failed(type: str, reason: str, message: str) -> Condition:
    return Condition(type=type, status="False", reason=reason, message=message)


def _counts_pods(spec: HpaSpec, index: int) -> bool:
    """Whether this metric's arithmetic depends on the number of ready Pods."""
    metric = spec.metrics[index]
    return metric.external is None or metric.external.target.average_value is None


def _equalities(selector: Selector) -> dict[str, str]:
    return {one.key: one.values[0] for one in selector.requirements if one.operator == "="}
