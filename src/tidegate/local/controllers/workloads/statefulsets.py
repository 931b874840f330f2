"""StatefulSets: Pods with names and claims of their own, made and taken away in order."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import (
    CLAIMS,
    CONTROLLER_REVISIONS,
    PODS,
    STATEFUL_SETS,
    ApiError,
    Resource,
)
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events, is_ending_namespace
from tidegate.local.controllers.owner_references import (
    adopters,
    claim,
    controlled,
    controller_of,
    controllers_in,
    is_deleting,
    key_of,
)
from tidegate.local.controllers.workloads import claim_retention, revisions, stateful_steps
from tidegate.local.controllers.workloads.stateful_pods import (
    claim_names,
    claims_of,
    identity,
    ordinal_of,
    ordinals,
    pod_of,
    revision_of,
)
from tidegate.local.controllers.workloads.stateful_steps import Step
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "statefulset-controller"


class StatefulSets:
    """The StatefulSet controller: the steps that are due per reconcile; what they change asks for the next.

    Claims come before the Pod that mounts them, and a Pod is found again by its name.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (STATEFUL_SETS, PODS, CONTROLLER_REVISIONS, CLAIMS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == STATEFUL_SETS:
            return [key_of(change.object)]
        if change.resource == CLAIMS:
            return self._claimants(change.object) if change.type == "DELETED" else ()
        keys = controllers_in(change, STATEFUL_SETS.kind)
        if change.type != "DELETED" and controller_of(change.object) is None:
            keys |= self._adopters(change)
        return keys

    def _claimants(self, gone: Object) -> Iterable[Name]:
        """The sets of which a Pod may wait for a claim of that name to go."""
        namespace, name = key_of(gone)
        for found in self.objects.list(STATEFUL_SETS, namespace):
            first = claim_names(found, 0).values()
            if any(name.startswith(one.removesuffix("0")) for one in first):
                yield key_of(found)

    def _adopters(self, change: Change) -> set[Name]:
        return {
            key_of(one)
            for one in adopters(self.objects, STATEFUL_SETS, change.object)
            if change.resource != PODS or ordinal_of(one, change.object) is not None
        }

    async def reconcile(self, key: Name) -> float | None:
        found = self.objects.get(STATEFUL_SETS, *key)
        if found is None or is_deleting(found):
            return None
        known, update = await revisions.record(self.objects, STATEFUL_SETS, found, self.events)
        named = {one["metadata"]["name"]: one for one in known}
        current = named.get((found.get("status") or {}).get("currentRevision", ""), update)
        selector = from_label_selector(found["spec"].get("selector"))
        is_member = partial(_is_member, found)
        pods = await claim(self.objects, PODS, STATEFUL_SETS, found, selector, is_member)
        pods = [pod for pod in pods if is_member(pod)]
        now = self.clock.now()
        refused = None
        due = stateful_steps.steps(found, pods, update["metadata"]["name"], now)
        try:
            await self._take(found, list(due), current, update)
        except ApiError as error:
            refused = error
        pods = [pod for pod in controlled(self.objects, PODS, found) if is_member(pod)]
        names = [one["metadata"]["name"] for one in (current, update)]
        status = stateful_steps.status_of(found, pods, names[0], names[1], now)
        await conditions.write_status(self.objects, STATEFUL_SETS, found, status)
        live = {*names, status["currentRevision"], *map(revision_of, pods)}
        await revisions.trim(self.objects, found, known, live)
        if refused is not None:
            raise refused
        waits = [pod_control.unavailable_s(pod, stateful_steps.least_s(found), now) for pod in pods]
        return min((wait for wait in waits if wait), default=None)

    async def _take(self, found: Object, due: list[Step], current: Object, update: Object) -> None:
        """All steps at once: where they are in order, no two of them change a Pod."""

        async def take(step: Step) -> None:
            if step.act == "create":
                is_old = stateful_steps.is_of_current(found, step.ordinal)
                await self._create(found, step.ordinal, current if is_old else update)
            elif step.pod is not None and step.act == "delete":
                await self._delete(found, step.pod)
            elif step.pod is not None:
                await self._keep(found, step.ordinal, step.pod)

        await pod_control.each(due, take)

    async def _create(self, found: Object, ordinal: int, revision: Object) -> None:
        pod = pod_of(found, ordinal, revisions.template_of(revision), revision["metadata"]["name"])
        name = pod["metadata"]["name"]
        if self._has_stale_claim(found, ordinal, name):
            return
        told = f"Pod {name} in StatefulSet {found['metadata']['name']}"
        try:
            if not await self._ensure_claims(found, ordinal, name):
                return
            made = await self.objects.create(PODS, pod)
        except ApiError as error:
            if not is_ending_namespace(error):
                await self.events.warn(found, "FailedCreate", f"Create {told} failed error: {error}")
            raise
        await self.events.normal(found, "SuccessfulCreate", f"Create {told} successful")
        await self._retain(found, ordinal, made)

    def _has_stale_claim(self, found: Object, ordinal: int, pod_name: str) -> bool:
        namespace = found["metadata"]["namespace"]
        claims = (self.objects.get(CLAIMS, namespace, name) for name in claim_names(found, ordinal).values())
        return any(one is not None and claim_retention.is_stale(found, pod_name, one) for one in claims)

    async def _ensure_claims(self, found: Object, ordinal: int, pod_name: str) -> bool:
        """Makes the claims that are missing; False where one is on its way out, and has to be waited for."""
        for wanted in claims_of(found, ordinal):
            name = wanted["metadata"]["name"]
            told = f"Pod {pod_name} in StatefulSet {found['metadata']['name']}"
            there = self.objects.get(CLAIMS, *key_of(wanted))
            if there is None:
                await self.objects.create(CLAIMS, wanted)
                message = f"Create Claim {name} {told} success"
                await self.events.normal(found, "SuccessfulCreate", message)
            elif is_deleting(there):
                message = f"Create {told} failed error: pvc {name} is being deleted"
                await self.events.warn(found, "FailedCreate", message)
                return False
        return True

    async def _delete(self, found: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await self.objects.delete(PODS, *key_of(pod), uid=metadata["uid"])
        except ApiError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            raise
        message = f"Delete Pod {metadata['name']} in StatefulSet {found['metadata']['name']} successful"
        await self.events.normal(found, "SuccessfulDelete", message)

    async def _keep(self, found: Object, ordinal: int, pod: Object) -> None:
        name = pod["metadata"]["name"]
        if pod_control.phase(pod) == "Pending" and not is_deleting(pod):
            await self._ensure_claims(found, ordinal, name)
        is_changed = await self._retain(found, ordinal, pod)
        known = pod["metadata"].get("labels") or {}
        labels = identity(name, ordinal)
        if not labels.items() <= known.items():
            version = pod["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "labels": labels}}
            await self.objects.patch(PODS, *key_of(pod), patch)
            is_changed = True
        if is_changed and ordinal in ordinals(found):
            message = f"Update Pod {name} in StatefulSet {found['metadata']['name']} successful"
            await self.events.normal(found, "SuccessfulUpdate", message)

    async def _retain(self, found: Object, ordinal: int, pod: Object) -> bool:
        """Gives the claims of the Pod the owners that their retention wants; whether any was changed."""
        is_changed = False
        namespace = found["metadata"]["namespace"]
        for name in claim_names(found, ordinal).values():
            there = self.objects.get(CLAIMS, namespace, name)
            wanted = claim_retention.owners(found, pod, there) if there is not None else None
            if there is None or wanted is None:
                continue
            if claim_retention.is_led_by_another(found, pod, there):
                message = (
                    f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a managing "
                    "controller, the retention policy is ignored for this claim"
                )
                await self.events.warn(found, "ConflictingController", message)
            version = there["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "ownerReferences": wanted}}
            await self.objects.patch(CLAIMS, namespace, name, patch)
            is_changed = True
        return is_changed


def _is_member(found: Object, pod: Object) -> bool:
    return ordinal_of(found, pod) is not None
