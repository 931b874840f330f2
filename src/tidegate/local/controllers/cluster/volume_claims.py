"""Claims for storage and volumes: bound by Kubernetes' rules where one fits, else each claim gets a volume of
its own, a directory that the node makes.

The order of writes is what makes a kill harmless: the volume names its claim before the claim names it.
Finalizers with Kubernetes' names hold a claim while a Pod runs on it, and a volume while it has its claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.base.times import format_time, parse_time
from tidegate.kube.resource import CLAIMS, PODS, STORAGE_CLASSES, VOLUMES, ApiError, Resource
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.cluster import volume_matching
from tidegate.local.controllers.cluster.volume_matching import class_of, is_for, is_ours
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.objects import CLAIM_IN_USE, VOLUME_DRIVER, VOLUME_IN_USE, Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "persistentvolume-controller"
BOUND_HERE = {"pv.kubernetes.io/bound-by-controller": "yes"}
COMPLETED = "pv.kubernetes.io/bind-completed"
# A class that nobody has described is often that of a volume further down in the same folder of manifests.
PATIENCE_S = 3.0


class Claims:
    """Binds claims, releases and deletes volumes. Its keys are claims, and volumes with no namespace."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SOURCE)

    def resources(self) -> Iterable[Resource]:
        return (CLAIMS, VOLUMES, PODS, STORAGE_CLASSES)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == PODS:
            has_ended = change.type == "DELETED" or pod_control.is_terminal(change.object)
            return claims_of(change.object) if has_ended else ()
        if change.resource == STORAGE_CLASSES:
            return self._unbound()
        if change.resource == CLAIMS:
            keys = [key_of(change.object)]
            is_news = change.type == "DELETED" or not change.object["spec"].get("volumeName")
            named = self.objects.list(VOLUMES) if is_news else ()
            keys += [key_of(one) for one in named if is_for(one, change.object)]
            volume = change.object["spec"].get("volumeName")
            return [*keys, ("", volume)] if volume else keys
        ref = change.object["spec"].get("claimRef") or {}
        mine = [(ref["namespace"], ref["name"])] if ref.get("name") and ref.get("namespace") else []
        return [key_of(change.object), *mine, *(() if mine else self._unbound())]

    def _unbound(self) -> list[Name]:
        return [key_of(one) for one in self.objects.list(CLAIMS) if _phase(one) != "Bound"]

    async def reconcile(self, key: Name) -> float | None:
        if not key[0]:
            await self._volume(key[1])
            return None
        claim = self.objects.get(CLAIMS, *key)
        if claim is not None and not is_deleting(claim):
            return await self._claim(claim)
        if claim is not None and not self._is_in_use(key):
            await self._release(CLAIMS, claim, CLAIM_IN_USE)
        return None

    # -- claims --------------------------------------------------------------------------------

    async def _claim(self, claim: Object) -> float | None:
        asked = claim["spec"].get("volumeName")
        notes = claim["metadata"].get("annotations") or {}
        if asked and asked != _own_name(claim):
            volume = self.objects.get(VOLUMES, "", asked)
            if volume is None and COMPLETED in notes:
                await self._lose(claim)
            elif volume is not None and await self._may_have(claim, volume):
                await self._bind(claim, volume)
            else:
                await self._wait(claim)
            return None
        volume = None if asked else volume_matching.best(self.objects.list(VOLUMES), claim)
        if volume is None:
            volume = self.objects.get(VOLUMES, "", _own_name(claim))
        if volume is None and asked and COMPLETED in notes:
            await self._lose(claim)
            return None
        if volume is None:
            left_s = await self._unprovided(claim)
            if left_s is not None:
                await self._wait(claim)
                return left_s or None
            volume = await self._provide(claim)
        await self._bind(claim, volume)
        return None

    async def _may_have(self, claim: Object, volume: Object) -> bool:
        """Whether the claim gets the volume that it names; if not, it is told why."""
        name = volume["metadata"]["name"]
        if is_for(volume, claim) and (volume["spec"].get("claimRef") or {}).get("uid"):
            return True
        if volume["spec"].get("claimRef") and not is_for(volume, claim):
            message = f'volume "{name}" already bound to a different claim.'
            await self.events.warn(claim, "FailedBinding", message)
            return False
        if why := volume_matching.misfit(volume, claim):
            await self.events.warn(
                claim, "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}'
            )
            return False
        return True

    async def _unprovided(self, claim: Object) -> float | None:
        """None where it gets a volume of its own; else seconds until it may, 0 for never, with a reason."""
        named = class_of(claim)
        kind = self.objects.get(STORAGE_CLASSES, "", named) if named else None
        if found := volume_matching.unprovided(claim, kind):
            reason, message = found
            tell = self.events.normal if reason == "FailedBinding" else self.events.warn
            await tell(claim, reason, message)
            return 0.0
        if not named:
            return None
        age_s = (self.clock.now() - parse_time(claim["metadata"]["creationTimestamp"])).total_seconds()
        return PATIENCE_S - age_s if kind is None and age_s < PATIENCE_S else None

    async def _provide(self, claim: Object) -> Object:
        name = _own_name(claim)
        kind = self.objects.get(STORAGE_CLASSES, "", class_of(claim)) or {}
        body = volume_of(claim, name, kind.get("reclaimPolicy") or "Delete")
        volume = await self.objects.create(VOLUMES, body)
        await self.events.normal(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        return volume

    async def _bind(self, claim: Object, volume: Object) -> None:
        meta, name = claim["metadata"], volume["metadata"]["name"]
        if (volume["spec"].get("claimRef") or {}).get("uid") != meta["uid"]:
            notes = {} if volume["spec"].get("claimRef") else BOUND_HERE
            naming = {
                "metadata": {**_version(volume), "annotations": notes},
                "spec": {"claimRef": _ref(claim)},
            }
            volume = await self.objects.patch(VOLUMES, "", name, naming)
        held = meta.get("finalizers") or []
        if claim["spec"].get("volumeName") != name or CLAIM_IN_USE not in held or not _is_completed(claim):
            notes = {COMPLETED: "yes", **({} if claim["spec"].get("volumeName") else BOUND_HERE)}
            notes = {COMPLETED: "yes"} if is_ours(volume) else notes
            finalizers = [*(one for one in held if one != CLAIM_IN_USE), CLAIM_IN_USE]
            binding = {
                "metadata": {**_version(claim), "annotations": notes, "finalizers": finalizers},
                "spec": {"volumeName": name},
            }
            claim = await self.objects.patch(CLAIMS, *key_of(claim), binding)
        bound = {
            "phase": "Bound",
            "accessModes": volume["spec"].get("accessModes") or [],
            "capacity": volume["spec"].get("capacity") or {},
        }
        await conditions.write_status(self.objects, CLAIMS, claim, bound)
        await self._say(volume, "Bound")

    async def _wait(self, claim: Object) -> None:
        if _phase(claim) != "Pending":
            await conditions.write_status(self.objects, CLAIMS, claim, {"phase": "Pending"})

    async def _lose(self, claim: Object) -> None:
        if _phase(claim) != "Lost":
            await conditions.write_status(self.objects, CLAIMS, claim, {"phase": "Lost"})
            message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
            await self.events.warn(claim, "ClaimLost", message)

    def _is_in_use(self, key: Name) -> bool:
        return any(
            key in claims_of(pod) and pod["spec"].get("nodeName") and not pod_control.is_terminal(pod)
            for pod in self.objects.list(PODS, key[0])
        )

    # -- volumes -------------------------------------------------------------------------------

    async def _volume(self, name: str) -> None:
        volume = self.objects.get(VOLUMES, "", name)
        if volume is None:
            return
        ref = volume["spec"].get("claimRef") or {}
        claim = self.objects.get(CLAIMS, ref["namespace"], ref["name"]) if ref.get("uid") else None
        if claim is not None and claim["metadata"]["uid"] == ref["uid"]:
            return
        if is_deleting(volume):
            await self._release(VOLUMES, volume, VOLUME_IN_USE)
        elif not ref.get("uid"):
            await self._say(volume, "Available")
        elif is_ours(volume) and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._delete(volume)
        elif volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._fail(volume)
        else:
            await self._say(volume, "Released")

    async def _fail(self, volume: Object) -> None:
        """What somebody made here is his to delete: a cluster has nobody either who deletes such volumes."""
        if _phase(volume) != "Failed":
            why = "nobody deletes volumes that were made by hand"
            await self._say(volume, "Failed", why)
            await self.events.warn(volume, "VolumeFailedDelete", why)

    async def _say(self, volume: Object, phase: str, message: str = "") -> None:
        if _phase(volume) != phase:
            told = {"phase": phase, "lastPhaseTransitionTime": format_time(self.clock.now())}
            told |= {"message": message} if message else {}
            await conditions.write_status(self.objects, VOLUMES, volume, told)

    async def _delete(self, volume: Object) -> None:
        metadata = volume["metadata"]
        try:
            await self.objects.delete(VOLUMES, "", metadata["name"], uid=metadata["uid"])
            marked = self.objects.get(VOLUMES, "", metadata["name"])
            if marked is not None and marked["metadata"]["uid"] == metadata["uid"]:
                await self._release(VOLUMES, marked, VOLUME_IN_USE)
        except ApiError as error:
            if error.reason != "NotFound":
                raise

    async def _release(self, resource: Resource, found: Object, finalizer: str) -> None:
        held = found["metadata"].get("finalizers") or []
        if finalizer in held:
            kept = {"finalizers": [one for one in held if one != finalizer]}
            await self.objects.patch(resource, *key_of(found), {"metadata": _version(found) | kept})


def claims_of(pod: Object) -> list[Name]:
    """The claims that a Pod's volumes name."""
    namespace = pod["metadata"]["namespace"]
    sources = [one.get("persistentVolumeClaim") or {} for one in pod["spec"].get("volumes") or []]
    return [(namespace, one["claimName"]) for one in sources if one.get("claimName")]


def volume_of(claim: Object, name: str, policy: str) -> Object:
    """The volume for one claim: bound to its uid."""
    metadata, spec = claim["metadata"], claim["spec"]
    requests: dict[str, Any] = (spec.get("resources") or {}).get("requests") or {}
    return {
        "apiVersion": VOLUMES.api_version,
        "kind": VOLUMES.kind,
        "metadata": {
            "name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": VOLUME_DRIVER},
            "finalizers": [VOLUME_IN_USE],
        },
        "spec": {
            "capacity": {"storage": requests.get("storage", "0")},
            "accessModes": list(spec.get("accessModes") or []),
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "claimRef": _ref(claim),
            "csi": {"driver": VOLUME_DRIVER, "volumeHandle": metadata["uid"]},
        },
    }


def _ref(claim: Object) -> dict[str, str]:
    metadata = claim["metadata"]
    return {
        "apiVersion": CLAIMS.api_version,
        "kind": CLAIMS.kind,
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


def _own_name(claim: Object) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _phase(found: Object) -> str:
    return str((found.get("status") or {}).get("phase", ""))


def _is_completed(claim: Object) -> bool:
    return COMPLETED in (claim["metadata"].get("annotations") or {})


def _version(found: Object) -> dict[str, str]:
    return {"resourceVersion": found["metadata"]["resourceVersion"]}
