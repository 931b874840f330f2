"""PodDisruptionBudgets: how many of their Pods may be evicted now. The eviction itself is the API's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from tidegate.base.selectors import Selector, from_label_selector
from tidegate.base.times import parse_time
from tidegate.kube.resource import DEPLOYMENTS, DISRUPTION_BUDGETS, PODS, REPLICA_SETS, ApiError, Resource
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import controller_of, is_deleting, key_of
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "controllermanager"
ALLOWED = "DisruptionAllowed"
# So long an eviction that was granted counts before its Pod is seen to go.
GRANTED = timedelta(minutes=2)


class DisruptionBudgets:
    """The disruption controller. `kinds()` lists the served kinds: any that has a scale may own Pods."""

    def __init__(self, objects: Objects, clock: Clock, kinds: Callable[[], Iterable[Resource]]) -> None:
        self.objects = objects
        self.clock = clock
        self.kinds = kinds
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (DISRUPTION_BUDGETS, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == DISRUPTION_BUDGETS:
            return [key_of(change.object)]
        states = [one for one in (change.object, change.previous) if one]
        labels = [one["metadata"].get("labels") or {} for one in states]
        namespace = change.object["metadata"]["namespace"]
        budgets = self.objects.list(DISRUPTION_BUDGETS, namespace)
        return [key_of(one) for one in budgets if any(_selector(one).matches(each) for each in labels)]

    async def reconcile(self, key: Name) -> float | None:
        budget = self.objects.get(DISRUPTION_BUDGETS, *key)
        if budget is None or is_deleting(budget):
            return None
        selector = _selector(budget)
        pods = [
            pod
            for pod in self.objects.list(PODS, key[0])
            if selector.matches(pod["metadata"].get("labels") or {})
        ]
        if not pods:
            await self.events.normal(budget, "NoPods", "No matching pods found")
        now = self.clock.now()
        try:
            expected, desired = await self._expected(budget, pods)
        except ApiError as error:
            told = f"Failed to calculate the number of expected pods: {error.message}"
            await self.events.warn(budget, "CalculateExpectedPodCountFailed", told)
            await self._write(budget, _failed(budget, error.message, now))
            return None
        granted = _granted(budget, pods, now)
        await self._write(budget, _status(budget, _healthy(pods, granted), desired, expected, granted, now))
        ends = [parse_time(text) + GRANTED for text in granted.values()]
        return (min(ends) - now).total_seconds() if ends else None

    async def _write(self, budget: Object, status: Object) -> None:
        await conditions.write_status(self.objects, DISRUPTION_BUDGETS, budget, status)

    async def _expected(self, budget: Object, pods: Sequence[Object]) -> tuple[int, int]:
        """How many Pods there should be, and how many of them healthy."""
        spec = budget.get("spec") or {}
        most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
        if most is not None:
            expected = await self._scale_of_all(budget, pods)
            return expected, max(expected - _share(most, expected), 0)
        if isinstance(least, str):
            expected = await self._scale_of_all(budget, pods)
            return expected, _share(least, expected)
        return (0, 0) if least is None else (len(pods), int(least))

    async def _scale_of_all(self, budget: Object, pods: Sequence[Object]) -> int:
        """What the owners of the Pods ask for together."""
        scales: dict[str, int] = {}
        is_unmanaged = False
        for pod in pods:
            owner = controller_of(pod)
            if owner is None:
                is_unmanaged = True
            elif owner["uid"] not in scales:
                scales[owner["uid"]] = 0
                uid, size = await self._scale(pod, owner)
                scales[uid] = size
        if is_unmanaged:
            await self.events.warn(
                budget,
                "UnmanagedPods",
                "some of the Pods that this budget selects have no controller that says how many are to "
                "be, so they are not counted; to count them set .spec.minAvailable to a whole number",
            )
        return sum(scales.values())

    async def _scale(self, pod: Object, owner: dict[str, Any]) -> tuple[str, int]:
        """uid and size of the owner, or of the Deployment behind a ReplicaSet."""
        namespace = pod["metadata"]["namespace"]
        resource = self._resource(owner)
        if resource == REPLICA_SETS:
            found = self.objects.get(REPLICA_SETS, namespace, owner["name"])
            above = controller_of(found) if found and found["metadata"]["uid"] == owner["uid"] else None
            if above is not None and above["kind"] == DEPLOYMENTS.kind:
                owner, resource = above, DEPLOYMENTS
        none = ApiError(404, "NotFound", f'found no controllers for pod "{pod["metadata"]["name"]}"')
        if resource is None or self.objects.get(resource, namespace, owner["name"]) is None:
            raise none
        try:
            # A patch that changes nothing writes nothing, and answers with the Scale of any kind.
            scale = await self.objects.patch(resource, namespace, owner["name"], {}, subresource="scale")
        except ApiError as error:
            plural = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
            told = f"{plural} does not implement the scale subresource"
            raise ApiError(404, "NotFound", told) from error
        if scale["metadata"]["uid"] != owner["uid"]:
            raise none
        return owner["uid"], int((scale.get("spec") or {}).get("replicas", 0))

    def _resource(self, owner: dict[str, Any]) -> Resource | None:
        group = owner["apiVersion"].rpartition("/")[0]
        return next((one for one in self.kinds() if (one.group, one.kind) == (group, owner["kind"])), None)


def _selector(budget: Object) -> Selector:
    return from_label_selector((budget.get("spec") or {}).get("selector"))


def _share(value: int | str, whole: int) -> int:
    """A number, or a percentage of `whole`, rounded up."""
    return math.ceil(int(value[:-1]) * whole / 100) if isinstance(value, str) else int(value)


def _granted(budget: Object, pods: Sequence[Object], now: datetime) -> dict[str, str]:
    """Evictions that were granted and whose Pods are not seen to go yet: Pod → moment."""
    noted = (budget.get("status") or {}).get("disruptedPods") or {}
    return {
        name: noted[name]
        for name, is_going in ((pod["metadata"]["name"], is_deleting(pod)) for pod in pods)
        if name in noted and not is_going and parse_time(noted[name]) + GRANTED > now
    }


def _healthy(pods: Sequence[Object], granted: dict[str, str]) -> int:
    return sum(
        pod_control.is_ready(pod) and not is_deleting(pod) and pod["metadata"]["name"] not in granted
        for pod in pods
    )


def _status(
    budget: Object, healthy: int, desired: int, expected: int, granted: dict[str, str], now: datetime
) -> Object:
    # Without Pods nothing is allowed: the first ones come before this controller has counted them.
    allowed = max(healthy - desired, 0) if expected > 0 else 0
    generation = budget["metadata"]["generation"]
    known = (budget.get("status") or {}).get("conditions")
    condition = {
        "type": ALLOWED,
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": generation,
    }
    return {
        **({"disruptedPods": granted} if granted else {}),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": generation,
        "conditions": conditions.with_condition(known, condition, now),
    }


def _failed(budget: Object, why: str, now: datetime) -> Object:
    """Nothing may go while nobody knows how many there should be."""
    old = budget.get("status") or {}
    condition = {"type": ALLOWED, "status": "False", "reason": "SyncFailed", "message": why}
    if "observedGeneration" in old:
        condition["observedGeneration"] = old["observedGeneration"]
    counts = dict.fromkeys(("currentHealthy", "desiredHealthy", "expectedPods"), 0)
    found = conditions.with_condition(old.get("conditions"), condition, now)
    return {**counts, **old, "disruptionsAllowed": 0, "conditions": found}
