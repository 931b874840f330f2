"""Scheduling where there is one node: new Pods are bound to it."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.kube.resource import PODS, Resource
from tidegate.local.controllers import conditions
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.controllers.pod_control import is_terminal
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

NODE = "local"
SCHEDULER = "default-scheduler"


class Scheduler:
    """Binds Pods to the node `local`. Node selectors and affinities have no other node to choose."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SCHEDULER)

    def resources(self) -> Iterable[Resource]:
        return (PODS,)

    def keys(self, change: Change) -> Iterable[Name]:
        return [key_of(change.object)] if change.type != "DELETED" and _waits(change.object) else []

    async def reconcile(self, key: Name) -> float | None:
        pod = self.objects.get(PODS, *key)
        if pod is None or not _waits(pod):
            return None
        # The condition first: from the moment it has a node, the Pod's status belongs to that node.
        status = pod.get("status") or {}
        scheduled = {"type": "PodScheduled", "status": "True"}
        found = conditions.with_condition(status.get("conditions"), scheduled, self.clock.now())
        pod = await conditions.write_status(self.objects, PODS, pod, {**status, "conditions": found})
        binding = {
            "metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]},
            "spec": {"nodeName": NODE},
        }
        await self.objects.patch(PODS, *key, binding)
        await self.events.normal(pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {NODE}")
        return None


def _waits(pod: Object) -> bool:
    spec = pod["spec"]
    return not (
        spec.get("nodeName")
        or spec.get("schedulingGates")
        or spec.get("schedulerName", SCHEDULER) != SCHEDULER
        or is_deleting(pod)
        or is_terminal(pod)
    )
