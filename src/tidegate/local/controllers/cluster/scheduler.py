"""Scheduling where there is one node: new Pods are bound to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import CLAIMS, NODES, PODS, Resource
from tidegate.local.controllers import conditions
from tidegate.local.controllers.cluster.volume_claims import claims_of
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.controllers.pod_control import created_at, is_terminal
from tidegate.local.controllers.taints import CORDON, NODE, untolerated
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SCHEDULER = "default-scheduler"
UNBOUND = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
# A claim that comes with its Pod takes a moment to be bound: that is nothing to warn of.
BINDING_S = 5.0
_KEEPING_OUT = ("NoSchedule", "NoExecute")


class Scheduler:
    """Binds Pods to the node `local`. Node selectors and affinities have no other node to choose.

    A cordoned or tainted node takes no new Pods, and no Pod gets a claim that is being deleted.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SCHEDULER)

    def resources(self) -> Iterable[Resource]:
        return (PODS, NODES, CLAIMS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == PODS:
            return [key_of(change.object)] if change.type != "DELETED" and _waits(change.object) else []
        if change.type == "MODIFIED" and change.previous and _door(change.previous) == _door(change.object):
            return []
        waiting = self.objects.list(PODS, change.object["metadata"].get("namespace", ""))
        return [key_of(pod) for pod in waiting if _waits(pod)]

    async def reconcile(self, key: Name) -> float | None:
        pod = self.objects.get(PODS, *key)
        if pod is None or not _waits(pod):
            return None
        why = self._refusal(pod)
        age_s = (self.clock.now() - created_at(pod)).total_seconds()
        if why == UNBOUND and age_s < BINDING_S:
            return BINDING_S - age_s
        # The condition first: from the moment it has a node, the Pod's status belongs to that node.
        status, before = pod.get("status") or {}, pod
        scheduled = {"type": "PodScheduled", "status": "True"}
        if why:
            scheduled |= {"status": "False", "reason": "Unschedulable", "message": why}
        found = conditions.with_condition(status.get("conditions"), scheduled, self.clock.now())
        pod = await conditions.write_status(self.objects, PODS, pod, {**status, "conditions": found})
        if why:
            if pod != before:
                await self.events.warn(pod, "FailedScheduling", why)
            return None
        binding = {
            "metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]},
            "spec": {"nodeName": NODE},
        }
        await self.objects.patch(PODS, *key, binding)
        await self.events.normal(pod, "Scheduled", f"Successfully assigned {key[0]}/{key[1]} to {NODE}")
        return None

    def _refusal(self, pod: Object) -> str:
        """Why the Pod may not go to the node now; "" when it may."""
        for key in claims_of(pod):
            claim = self.objects.get(CLAIMS, *key)
            if claim is None:
                return f'0/1 nodes are available: persistentvolumeclaim "{key[1]}" not found.'
            if is_deleting(claim):
                return f'persistentvolumeclaim "{key[1]}" is being deleted'
            phase = (claim.get("status") or {}).get("phase")
            if phase == "Lost":
                return (
                    f'0/1 nodes are available: persistentvolumeclaim "{key[1]}" bound to non-existent volume.'
                )
            if phase != "Bound":
                return UNBOUND
        node = self.objects.get(NODES, "", NODE)
        taint = untolerated(node, pod["spec"].get("tolerations") or [], _KEEPING_OUT)
        if taint is None:
            return ""
        if taint["key"] == CORDON["key"]:
            return "0/1 nodes are available: 1 node(s) were unschedulable."
        mark = f"{{{taint['key']}: {taint.get('value', '')}}}"
        return f"0/1 nodes are available: 1 node(s) had untolerated taint {mark}."


def _door(found: Object) -> tuple[Any, ...]:
    """What of a node or a claim lets Pods in or keeps them out."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    return spec.get("unschedulable"), spec.get("taints"), is_deleting(found), status.get("phase")


def _waits(pod: Object) -> bool:
    spec = pod["spec"]
    return not (
        spec.get("nodeName")
        or spec.get("schedulingGates")
        or spec.get("schedulerName", SCHEDULER) != SCHEDULER
        or is_deleting(pod)
        or is_terminal(pod)
    )
