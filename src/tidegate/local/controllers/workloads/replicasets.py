"""ReplicaSets: as many Pods as asked for, and the least valuable ones gone when there are too many."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import PODS, REPLICA_SETS, ApiError, Resource
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import (
    adopters,
    claim,
    controlled,
    controllers_in,
    is_deleting,
    key_of,
    reference,
)
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "replicaset-controller"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def five_letters() -> str:
    """A random ending for a Pod's name."""
    return "".join(random.choices(pod_control.ALPHABET, k=5))


class ReplicaSets:
    """The ReplicaSet controller. `ending` gives the last part of a new Pod's name.

    Names may be random: the count is taken anew from what exists at each reconcile, so a Pod created just
    before a kill is found and counted after it.
    """

    def __init__(self, objects: Objects, clock: Clock, ending: Callable[[], str] = five_letters) -> None:
        self.objects = objects
        self.clock = clock
        self.ending = ending
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (REPLICA_SETS, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == REPLICA_SETS:
            return [key_of(change.object)]
        keys = controllers_in(change, "ReplicaSet")
        if change.type != "DELETED":
            keys |= {key_of(one) for one in adopters(self.objects, REPLICA_SETS, change.object)}
        return keys

    async def reconcile(self, key: Name) -> float | None:
        found = self.objects.get(REPLICA_SETS, *key)
        if found is None or is_deleting(found):
            return None
        selector = from_label_selector(found["spec"].get("selector"))
        pods = await claim(self.objects, PODS, REPLICA_SETS, found, selector)
        active = [pod for pod in pods if pod_control.is_active(pod)]
        missing = int(found["spec"].get("replicas", 1)) - len(active)
        refused = await self._create(found, missing)
        await pod_control.delete_pods(self.objects, found, least_valuable(active, -missing), self.events)
        now = self.clock.now()
        pods = controlled(self.objects, PODS, found)
        await conditions.write_status(self.objects, REPLICA_SETS, found, status_of(found, pods, refused, now))
        active = [pod for pod in pods if pod_control.is_active(pod)]
        if refused is not None:
            raise refused
        return next_availability_s(found, active, now)

    async def _create(self, found: Object, count: int) -> ApiError | None:
        refused: list[ApiError] = []
        metadata = found["metadata"]

        async def create(_: int) -> None:
            name = pod_control.pod_name(metadata["name"], self.ending())
            ref = reference(REPLICA_SETS, found)
            pod = pod_control.from_template(found["spec"]["template"], metadata["namespace"], name, ref)
            try:
                await self.objects.create(PODS, pod)
            except ApiError as error:
                refused.append(error)
            else:
                await self.events.normal(found, "SuccessfulCreate", f"Created pod: {name}")

        await pod_control.each(range(min(max(count, 0), pod_control.BURST)), create)
        if refused:
            await self.events.create_failed(found, refused[0])
            return refused[0]
        return None


def least_valuable(pods: list[Object], count: int) -> list[Object]:
    """The `count` Pods to give up first: unscheduled, pending, unready; then cheap, then young."""
    return sorted(pods, key=_worth)[: max(count, 0)]


def _worth(pod: Object) -> tuple[Any, ...]:
    ready = pod_control.ready_since(pod)
    return (
        bool(pod["spec"].get("nodeName")),
        pod_control.phase(pod) == "Running",
        ready is not None,
        deletion_cost(pod),
        -ready.timestamp() if ready else 0.0,
        -pod_control.restarts(pod),
        -pod_control.created_at(pod).timestamp(),
    )


def deletion_cost(pod: Object) -> int:
    """The annotated cost, 0 where there is none or it is no number."""
    text = (pod["metadata"].get("annotations") or {}).get(DELETION_COST, "0")
    try:
        return int(text)
    except ValueError:
        return 0


def status_of(found: Object, pods: list[Object], refused: ApiError | None, now: datetime) -> dict[str, Any]:
    """The status of a ReplicaSet with these Pods; most counters are left out at 0, as Kubernetes does."""
    active = [pod for pod in pods if pod_control.is_active(pod)]
    labels = ((found["spec"]["template"].get("metadata") or {}).get("labels") or {}).items()
    counters = {
        "fullyLabeledReplicas": sum(
            labels <= (pod["metadata"].get("labels") or {}).items() for pod in active
        ),
        "readyReplicas": sum(pod_control.is_ready(pod) for pod in active),
        "availableReplicas": sum(_unavailable_s(found, pod, now) == 0 for pod in active),
    }
    terminating = sum(pod_control.is_terminating(pod) for pod in pods)
    status: dict[str, Any] = {"replicas": len(active), "terminatingReplicas": terminating}
    status |= {name: number for name, number in counters.items() if number}
    if "generation" in found["metadata"]:
        status["observedGeneration"] = found["metadata"]["generation"]
    known = conditions.without((found.get("status") or {}).get("conditions"), "ReplicaFailure")
    if refused is not None:
        failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
        old = (found.get("status") or {}).get("conditions")
        known = conditions.with_condition(old, {**failure, "message": str(refused)}, now)
    return status | ({"conditions": known} if known else {})


def next_availability_s(found: Object, active: list[Object], now: datetime) -> float | None:
    """Seconds until the next ready Pod has been so for minReadySeconds."""
    waits = [wait for pod in active if (wait := _unavailable_s(found, pod, now))]
    return min(waits, default=None)


def _unavailable_s(found: Object, pod: Object, now: datetime) -> float | None:
    return pod_control.unavailable_s(pod, float(found["spec"].get("minReadySeconds") or 0), now)
