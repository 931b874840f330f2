"""Claims for storage: each is bound at once to a volume of its own.

The volume is a directory that the node makes for the claim's uid, which is the volume's handle.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import CLAIMS, VOLUMES, ApiError, Resource
from tidegate.local.controllers import conditions
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.objects import Change, Object, Objects

SOURCE = "persistentvolume-controller"
DRIVER = "local.tidegate.dev"
CLASS = "local"


class Claims:
    """Binds claims, and deletes the volumes of claims that are gone."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (CLAIMS, VOLUMES)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == CLAIMS:
            return [key_of(change.object)]
        ref = change.object["spec"].get("claimRef") or {}
        return [(ref["namespace"], ref["name"])] if is_ours(change.object) else []

    async def reconcile(self, key: Name) -> float | None:
        claim = self.objects.get(CLAIMS, *key)
        uid = claim["metadata"]["uid"] if claim else ""
        for volume in self.objects.list(VOLUMES):
            ref = volume["spec"].get("claimRef") or {}
            if is_ours(volume) and (ref["namespace"], ref["name"]) == key and ref["uid"] != uid:
                await self._delete(volume)
        if claim is not None and not is_deleting(claim):
            await self._bind(claim)
        return None

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
        if not asked:
            binding = {
                "metadata": {
                    "resourceVersion": claim["metadata"]["resourceVersion"],
                    "annotations": {"pv.kubernetes.io/bind-completed": "yes"},
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
        try:
            await self.objects.delete(VOLUMES, "", volume["metadata"]["name"], uid=volume["metadata"]["uid"])
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def is_ours(volume: Object) -> bool:
    return bool((volume["spec"].get("csi") or {}).get("driver") == DRIVER)


def volume_of(claim: Object, name: str) -> Object:
    """The volume for one claim: bound to its uid, gone with it."""
    metadata, spec = claim["metadata"], claim["spec"]
    requests: dict[str, Any] = (spec.get("resources") or {}).get("requests") or {}
    return {
        "apiVersion": VOLUMES.api_version,
        "kind": VOLUMES.kind,
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER}},
        "spec": {
            "capacity": {"storage": requests.get("storage", "0")},
            "accessModes": list(spec.get("accessModes") or []),
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName") or CLASS,
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
