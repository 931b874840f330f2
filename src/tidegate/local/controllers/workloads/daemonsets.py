"""DaemonSets: one Pod for the one node, if it is one that they want."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import (
    CONTROLLER_REVISIONS,
    DAEMON_SETS,
    NODES,
    PODS,
    ApiError,
    Resource,
)
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
)
from tidegate.local.controllers.taints import NODE
from tidegate.local.controllers.workloads import daemon_pods, revisions
from tidegate.local.controllers.workloads.replicasets import five_letters
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "daemonset-controller"
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 900.0


class DaemonSets:
    """The DaemonSet controller. `ending` gives the last part of a new Pod's name: what exists is counted anew
    at each reconcile, so that a Pod created just before a kill is found after it.
    """

    def __init__(self, objects: Objects, clock: Clock, ending: Callable[[], str] = five_letters) -> None:
        self.objects = objects
        self.clock = clock
        self.ending = ending
        self.events = Events(objects, SOURCE)
        # When a Pod that failed may be replaced next, and after which pause.
        self._pauses: dict[str, tuple[datetime, float]] = {}

    def resources(self) -> Iterable[Resource]:
        return (DAEMON_SETS, PODS, CONTROLLER_REVISIONS, NODES)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == DAEMON_SETS:
            if change.type == "DELETED":
                self._pauses.pop(change.object["metadata"]["uid"], None)
            return [key_of(change.object)]
        if change.resource == NODES:
            if (
                change.type == "MODIFIED"
                and change.previous
                and _door(change.previous) == _door(change.object)
            ):
                return ()
            return [key_of(one) for one in self.objects.list(DAEMON_SETS)]
        keys = controllers_in(change, DAEMON_SETS.kind)
        if change.type != "DELETED":
            keys |= {key_of(one) for one in adopters(self.objects, DAEMON_SETS, change.object)}
        return keys

    async def reconcile(self, key: Name) -> float | None:
        found = self.objects.get(DAEMON_SETS, *key)
        if found is None or is_deleting(found):
            return None
        known, newest = await revisions.record(self.objects, DAEMON_SETS, found, self.events)
        ending = newest["metadata"]["labels"][revisions.ON_POD]
        selector = from_label_selector(found["spec"].get("selector"))
        pods = _there(await claim(self.objects, PODS, DAEMON_SETS, found, selector))
        now = self.clock.now()
        fits = daemon_pods.fit(found, self.objects.get(NODES, "", NODE))
        due = daemon_pods.plan(found, pods, ending, fits, now)
        refused = await self._create(found, ending) if due.create else None
        await pod_control.delete_pods(self.objects, found, due.delete, self.events)
        pause_s = await self._replace(found, due.ended, now)
        pods = _there(controlled(self.objects, PODS, found))
        status = daemon_pods.status_of(found, pods, ending, fits, now)
        await conditions.write_status(self.objects, DAEMON_SETS, found, status)
        in_use = {(pod["metadata"].get("labels") or {}).get(revisions.ON_POD) for pod in pods}
        live = [one for one in known if one["metadata"]["labels"].get(revisions.ON_POD) in in_use]
        names = {one["metadata"]["name"] for one in (*live, newest)}
        await revisions.trim(self.objects, found, known, names)
        if refused is not None:
            raise refused
        waits = [pod_control.unavailable_s(pod, daemon_pods.least_s(found), now) for pod in pods]
        return min((wait for wait in (*waits, pause_s) if wait), default=None)

    async def _create(self, found: Object, ending: str) -> ApiError | None:
        name = pod_control.pod_name(found["metadata"]["name"], self.ending())
        try:
            await self.objects.create(PODS, daemon_pods.pod_of(found, name, ending))
        except ApiError as error:
            await self.events.create_failed(found, error)
            return error
        await self.events.normal(found, "SuccessfulCreate", f"Created pod: {name}")
        return None

    async def _replace(self, found: Object, ended: list[Object], now: datetime) -> float | None:
        """Takes away Pods that are over, those that failed after a pause; seconds of it that are left."""
        uid = found["metadata"]["uid"]
        for pod in ended:
            where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']} on node {NODE}"
            if pod_control.phase(pod) == "Succeeded":
                message = f"Found succeeded daemon pod {where}, will try to delete it"
                await self.events.normal(found, "SucceededDaemonPod", message)
                await pod_control.delete_pods(self.objects, found, [pod], self.events)
                continue
            next_at, pause_s = self._pauses.get(uid, (now, FIRST_PAUSE_S))
            if next_at > now:
                return (next_at - now).total_seconds()
            self._pauses[uid] = (now + timedelta(seconds=pause_s), min(pause_s * 2, LAST_PAUSE_S))
            message = f"Found failed daemon pod {where}, will try to kill it"
            await self.events.warn(found, "FailedDaemonPod", message)
            await pod_control.delete_pods(self.objects, found, [pod], self.events)
        return None


def _there(pods: Iterable[Object]) -> list[Object]:
    return [pod for pod in pods if not (pod_control.is_terminal(pod) and is_deleting(pod))]


def _door(node: Object) -> tuple[object, ...]:
    """What of a node lets Pods in or keeps them out."""
    spec = node.get("spec") or {}
    return spec.get("unschedulable"), spec.get("taints"), node["metadata"].get("labels")
