"""Deployments: one ReplicaSet per template, and the way from the old ones to the new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import DEPLOYMENTS, PODS, REPLICA_SETS, ApiError, Resource
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
from tidegate.local.controllers.workloads import deployment_status, rollout
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "deployment-controller"
HISTORY = "deployment.kubernetes.io/revision-history"


class Deployments:
    """The Deployment controller: one step per reconcile; the ReplicaSets' changes ask for the next."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (DEPLOYMENTS, REPLICA_SETS, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == DEPLOYMENTS:
            return [key_of(change.object)]
        if change.resource == REPLICA_SETS:
            return controllers_in(change, "Deployment") or {
                key_of(one) for one in adopters(self.objects, DEPLOYMENTS, change.object)
            }
        return self._waiting_for(change) if change.type == "DELETED" else []

    def _waiting_for(self, change: Change) -> set[Name]:
        """The Deployment that may wait for the last old Pod to vanish."""
        keys = set()
        for name in controllers_in(change, "ReplicaSet"):
            replica_set = self.objects.get(REPLICA_SETS, *name)
            if replica_set is not None:
                keys |= controllers_in(Change("ADDED", REPLICA_SETS, replica_set), "Deployment")
        return keys

    async def reconcile(self, key: Name) -> float | None:
        found = self.objects.get(DEPLOYMENTS, *key)
        if found is None or is_deleting(found):
            return None
        selector = from_label_selector(found["spec"].get("selector"))
        claimed = await claim(self.objects, REPLICA_SETS, DEPLOYMENTS, found, selector)
        living = [one for one in claimed if not is_deleting(one)]
        new = rollout.new_replica_set(found, living)
        olds = [one for one in living if one is not new]
        if new is not None:
            new = await self._number(found, new, olds)
            living = [*olds, new]
        if found["spec"].get("paused"):
            await self._scale_paused(found, living)
        elif (found["spec"].get("strategy") or {}).get("type") == "Recreate":
            new = await self._recreate(found, new, olds)
        else:
            new = await self._roll(found, new, olds)
        return await self._write_status(found, new, olds)

    async def _roll(self, found: Object, new: Object | None, olds: Sequence[Object]) -> Object:
        if new is None:
            return await self._create(found, olds, rollout.first_size(found, olds))
        for replica_set, size in rollout.rolling(found, new, olds):
            scaled = await self._scale(found, replica_set, size)
            new = scaled if replica_set is new else new
        return new

    async def _recreate(self, found: Object, new: Object | None, olds: Sequence[Object]) -> Object | None:
        for one in olds:
            if rollout.replicas(one):
                await self._scale(found, one, 0)
        if any(
            not pod_control.is_terminal(pod) for one in olds for pod in controlled(self.objects, PODS, one)
        ):
            return new
        if new is None:
            return await self._create(found, olds, rollout.replicas(found))
        if rollout.replicas(new) != rollout.replicas(found):
            new = await self._scale(found, new, rollout.replicas(found))
        return new

    async def _scale_paused(self, found: Object, living: Sequence[Object]) -> None:
        """A paused rollout stands still; the number of replicas still follows where it is plain whose."""
        active = [one for one in living if rollout.replicas(one)] or sorted(living, key=rollout.revision)[-1:]
        if len(active) == 1 and rollout.replicas(active[0]) != rollout.replicas(found):
            await self._scale(found, active[0], rollout.replicas(found))

    async def _create(self, found: Object, olds: Sequence[Object], size: int) -> Object:
        number = max(map(rollout.revision, olds), default=0) + 1
        body = rollout.replica_set_of(found, size, number, reference(DEPLOYMENTS, found))
        try:
            created = await self.objects.create(REPLICA_SETS, body)
        except ApiError as error:
            message = f'Failed to create new replica set "{body["metadata"]["name"]}": {error}'
            await self.events.warn(found, "ReplicaSetCreateError", message)
            raise
        await self._set_revision(found, number)
        if size:
            await self._tell_scaled(found, created, 0, size)
        return created

    async def _number(self, found: Object, new: Object, olds: Sequence[Object]) -> Object:
        """`new` as the latest revision, with its Deployment's annotations: going back to an old template
        gives it a new number."""
        number = max(map(rollout.revision, olds), default=0) + 1
        patch: Object = {}
        known = new["metadata"].get("annotations") or {}
        annotations = {key: text for key, text in rollout.passed_on(found).items() if known.get(key) != text}
        if rollout.revision(new) < number:
            history = [*filter(None, known.get(HISTORY, "").split(",")), str(rollout.revision(new))]
            annotations |= {rollout.REVISION: str(number), HISTORY: ",".join(history)}
        if annotations:
            patch["metadata"] = {"annotations": annotations}
        least_s = found["spec"].get("minReadySeconds", 0)
        if new["spec"].get("minReadySeconds", 0) != least_s:
            patch["spec"] = {"minReadySeconds": least_s}
        if patch:
            new = await self.objects.patch(REPLICA_SETS, *key_of(new), patch)
        await self._set_revision(found, rollout.revision(new))
        return new

    async def _set_revision(self, found: Object, number: int) -> None:
        if rollout.revision(found) == number:
            return
        version = found["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version, "annotations": {rollout.REVISION: str(number)}}}
        # Beside the status: a note of ours is no new generation.
        written = await self.objects.patch(DEPLOYMENTS, *key_of(found), patch, "status")
        found["metadata"] = written["metadata"]

    async def _scale(self, found: Object, replica_set: Object, size: int) -> Object:
        patch = {
            "metadata": {
                "resourceVersion": replica_set["metadata"]["resourceVersion"],
                "annotations": rollout.sizes_noted(found),
            },
            "spec": {"replicas": size},
        }
        scaled = await self.objects.patch(REPLICA_SETS, *key_of(replica_set), patch)
        await self._tell_scaled(found, replica_set, rollout.replicas(replica_set), size)
        return scaled

    async def _tell_scaled(self, found: Object, replica_set: Object, before: int, after: int) -> None:
        way = "up" if after > before else "down"
        name = replica_set["metadata"]["name"]
        message = f"Scaled {way} replica set {name} from {before} to {after}"
        await self.events.normal(found, "ScalingReplicaSet", message)

    async def _write_status(self, found: Object, new: Object | None, olds: Sequence[Object]) -> float | None:
        now = self.clock.now()
        status = deployment_status.status_of(found, new, olds, now)
        await conditions.write_status(self.objects, DEPLOYMENTS, found, status)
        if deployment_status.is_complete(found, status):
            for one in rollout.surplus_history(found, olds):
                await self.objects.delete(REPLICA_SETS, *key_of(one), uid=one["metadata"]["uid"])
        left_s = deployment_status.deadline_left_s(found, status, now)
        return None if left_s is None else left_s + 1
