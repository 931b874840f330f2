"""Claims for storage: each is bound at once to a volume of its own, and stays while a Pod uses it.

The volume is a directory that the node makes for the claim's uid, which is the volume's handle.
Finalizers with Kubernetes' names hold a claim while a Pod runs on it, and a volume while it has its claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import CLAIMS, PODS, VOLUMES, ApiError, Resource
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.objects import CLAIM_IN_USE, Change, Object, Objects

SOURCE = "persistentvolume-controller"
DRIVER = "local.tidegate.dev"
HAS_CLAIM = "kubernetes.io/pv-protection"


class Claims:
    """Binds claims, and deletes the volumes of claims that are gone."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (CLAIMS, VOLUMES, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        """Claims by namespace and name; volumes that were not made here by their name alone."""
        if change.resource == CLAIMS:
            return [key_of(change.object)]
        if change.resource == PODS:
            has_ended = change.type == "DELETED" or pod_control.is_terminal(change.object)
            return claims_of(change.object) if has_ended else ()
        if not is_ours(change.object):
            return [key_of(change.object)]
        ref = change.object["spec"].get("claimRef") or {}
        return [(ref["namespace"], ref["name"])]

    async def reconcile(self, key: Name) -> float | None:
        if not key[0]:
            await self._offer(key[1])
            return None
        claim = self.objects.get(CLAIMS, *key)
        uid = claim["metadata"]["uid"] if claim else ""
        for volume in self.objects.list(VOLUMES):
            ref = volume["spec"].get("claimRef") or {}
            if is_ours(volume) and (ref["namespace"], ref["name"]) == key and ref["uid"] != uid:
                await self._delete(volume)
        if claim is not None and not is_deleting(claim):
            await self._bind(claim)
        elif claim is not None and not self._is_in_use(key):
            await self._release(CLAIMS, claim, CLAIM_IN_USE)
        return None

    async def _offer(self, name: str) -> None:
        """A volume that a user made waits for a claim, and says so."""
        volume = self.objects.get(VOLUMES, "", name)
        if volume is not None and (volume.get("status") or {}).get("phase", "Pending") == "Pending":
            await conditions.write_status(self.objects, VOLUMES, volume, {"phase": "Available"})

    def _is_in_use(self, key: Name) -> bool:
        return any(
            key in claims_of(pod) and pod["spec"].get("nodeName") and not pod_control.is_terminal(pod)
            for pod in self.objects.list(PODS, key[0])
        )

    async def _release(self, resource: Resource, found: Object, finalizer: str) -> None:
        held = found["metadata"].get("finalizers") or []
        if finalizer in held:
            kept = {"finalizers": [one for one in held if one != finalizer]}
            version = {"resourceVersion": found["metadata"]["resourceVersion"]}
            await self.objects.patch(resource, *key_of(found), {"metadata": version | kept})

    async def _bind(self, claim: Object) -> None:
        name = f"pvc-{claim['metadata']['uid']}"
        asked = claim["spec"].get("volumeName")
        if asked and asked != name:
            message = f'volume "{asked}" was not made here; leave spec.volumeName out to be given one'
            await self.events.warn(claim, "ProvisioningFailed", message)
            return
        volume = self.objects.get(VOLUMES, "", name)
        if volume is None:
            volume = await self.objects.create(VOLUMES, volume_of(claim, name))
            await self.events.normal(
                claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}"
            )
        held = claim["metadata"].get("finalizers") or []
        if not asked or CLAIM_IN_USE not in held:
            binding = {
                "metadata": {
                    "resourceVersion": claim["metadata"]["resourceVersion"],
                    "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
                    "finalizers": [*(one for one in held if one != CLAIM_IN_USE), CLAIM_IN_USE],
                },
                "spec": {"volumeName": name},
            }
            claim = await self.objects.patch(CLAIMS, *key_of(claim), binding)
        bound = {
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes") or [],
            "capacity": volume["spec"].get("capacity") or {},
        }
        await conditions.write_status(self.objects, CLAIMS, claim, bound)
        await conditions.write_status(self.objects, VOLUMES, volume, {"phase": "Bound"})

    async def _delete(self, volume: Object) -> None:
        metadata = volume["metadata"]
        try:
            if not is_deleting(volume):
                await self.objects.delete(VOLUMES, "", metadata["name"], uid=metadata["uid"])
            marked = self.objects.get(VOLUMES, "", metadata["name"])
            if marked is not None and marked["metadata"]["uid"] == metadata["uid"]:
                await self._release(VOLUMES, marked, HAS_CLAIM)
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def claims_of(pod: Object) -> list[Name]:
    """The claims that a Pod's volumes name."""
    namespace = pod["metadata"]["namespace"]
    sources = [one.get("persistentVolumeClaim") or {} for one in pod["spec"].get("volumes") or []]
    return [(namespace, one["claimName"]) for one in sources if one.get("claimName")]


def is_ours(volume: Object) -> bool:
    return bool((volume["spec"].get("csi") or {}).get("driver") == DRIVER)


def volume_of(claim: Object, name: str) -> Object:
    """The volume for one claim: bound to its uid, gone with it."""
    metadata, spec = claim["metadata"], claim["spec"]
    requests: dict[str, Any] = (spec.get("resources") or {}).get("requests") or {}
    return {
        "apiVersion": VOLUMES.api_version,
        "kind": VOLUMES.kind,
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER},
            "finalizers": [HAS_CLAIM],
        },
        "spec": {
            "capacity": {"storage": requests.get("storage", "0")},
            "accessModes": list(spec.get("accessModes") or []),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "claimRef": {
                "apiVersion": CLAIMS.api_version,
                "kind": CLAIMS.kind,
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "csi": {"driver": DRIVER, "volumeHandle": metadata["uid"]},
        },
    }
