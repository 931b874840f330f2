"""`tidegate.local.objects.Objects` in memory, for tests of what is written against that contract.

Honest where controllers can tell: versions, conflicts, silent no-ops, generations, finalizers,
grace of Pods, the owner index. It knows no schema: defaults are the test's own business.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tidegate.base.times import format_time
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    HPAS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.local.objects import Change, Object
from tidegate.runtime.clock import Clock

Place = tuple[str, str, str, str]
OURS = (SCALED_OBJECTS, SCALED_JOBS, TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
WITH_GENERATION = {one.kind for one in (DEPLOYMENTS, REPLICA_SETS, JOBS, HPAS, PODS, ENDPOINT_SLICES, *OURS)}
SCALED = {DEPLOYMENTS.kind, REPLICA_SETS.kind}


class MemoryObjects:
    """`series` goes into every uid: two tests at once on one machine may need uids of their own."""

    def __init__(self, clock: Clock, series: str = "uid") -> None:
        self.clock = clock
        self.series = series
        self.version = 0
        self._letters = random.Random(1)
        self._stored: dict[Place, tuple[Resource, Object]] = {}
        self._subscribers: list[tuple[set[Resource], Callable[[Change], None]]] = []

    # --- reads

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        found = self._stored.get(_place(resource, namespace, name))
        return _copy(found[1]) if found else None

    def list(
        self, resource: Resource, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        return [
            _copy(one)
            for (_, _, place, _), (kind, one) in sorted(self._stored.items(), key=lambda item: item[0][2:])
            if kind == resource
            and (not namespace or place == namespace)
            and (labels or {}).items() <= (one["metadata"].get("labels") or {}).items()
        ]

    def owned(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        return [
            (resource, _copy(one))
            for resource, one in self._stored.values()
            if any(ref["uid"] == uid for ref in one["metadata"].get("ownerReferences") or [])
        ]

    # --- writes

    async def create(self, resource: Resource, body: Object) -> Object:
        await self._turn()
        new = _copy(body)
        metadata = new.setdefault("metadata", {})
        if not resource.is_namespaced:
            metadata.pop("namespace", None)
        self._check_namespace(resource, metadata.get("namespace", ""))
        if "name" not in metadata:
            metadata["name"] = metadata["generateName"] + "".join(self._letters.choices("bcdfgh", k=5))
        place = _place(resource, metadata.get("namespace", ""), metadata["name"])
        if place in self._stored:
            raise ApiError(409, "AlreadyExists", f'{resource.plural} "{metadata["name"]}" already exists')
        self.version += 1
        metadata["uid"] = f"{self.series}-{self.version}"
        metadata["creationTimestamp"] = format_time(self.clock.now())
        if resource.kind in WITH_GENERATION:
            metadata["generation"] = 1
        if resource == NAMESPACES:
            new.setdefault("spec", {})["finalizers"] = ["kubernetes"]
            new["status"] = {"phase": "Active"}
        new = {"apiVersion": resource.api_version, "kind": resource.kind, **new}
        return self._store("ADDED", resource, place, new, None)

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        await self._turn()
        metadata = body["metadata"]
        place = _place(resource, metadata.get("namespace", ""), metadata["name"])
        old = self._must_find(place)
        _check_version(resource, metadata, old)
        new = _copy(body)
        if subresource == "status":
            new = _with_status(old, new)
        elif subresource == "finalize":
            new = {**_copy(old), "spec": new["spec"]}
        elif "status" in old:
            new["status"] = _copy(old["status"])
        return self._replace(resource, place, old, new)

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        await self._turn()
        place = _place(resource, namespace, name)
        old = self._must_find(place)
        _check_version(resource, patch.get("metadata") or {}, old)
        if subresource == "scale":
            scale = merged(scale_of(resource, old), patch)
            new = merged(_copy(old), {"spec": {"replicas": scale["spec"]["replicas"]}})
            return scale_of(resource, self._replace(resource, place, old, new))
        new = merged(_copy(old), patch)
        if subresource == "status":
            new = _with_status(old, new)
        return self._replace(resource, place, old, new)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        grace_s: int | None = None,
        uid: str = "",
    ) -> None:
        await self._turn()
        place = _place(resource, namespace, name)
        old = self._must_find(place)
        if uid and old["metadata"]["uid"] != uid:
            raise ApiError(409, "Conflict", "the uid in the precondition is another one")
        new = _copy(old)
        finalizer = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        if finalizer and finalizer not in (new["metadata"].get("finalizers") or []):
            new["metadata"]["finalizers"] = [*(new["metadata"].get("finalizers") or []), finalizer]
        grace = _grace(resource, old) if grace_s is None else grace_s
        new["metadata"].setdefault("deletionTimestamp", format_time(self.clock.now()))
        new["metadata"]["deletionGracePeriodSeconds"] = grace
        if resource == NAMESPACES:
            new["status"] = {"phase": "Terminating"}
        self._replace(resource, place, old, new)

    def subscribe(self, resources: Iterable[Resource], on_change: Callable[[Change], None]) -> None:
        self._subscribers.append((set(resources), on_change))

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "default")
        for found in self.list(EVENTS, namespace):
            same = found["involvedObject"]["uid"] == metadata["uid"]
            if same and (found["reason"], found["message"]) == (reason, message):
                patch = {"count": found["count"] + 1}
                await self.patch(EVENTS, namespace, found["metadata"]["name"], patch)
                return
        body = {
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": namespace},
            "involvedObject": {"kind": about["kind"], "name": metadata["name"], "uid": metadata["uid"]},
            "type": type,
            "reason": reason,
            "message": message,
            "count": 1,
            "source": {"component": source},
        }
        await self.create(EVENTS, body)

    # --- inside

    async def _turn(self) -> None:
        """Every write lets the others run first, as waiting for a commit does."""
        await asyncio.sleep(0)

    def _must_find(self, place: Place) -> Object:
        if place not in self._stored:
            raise ApiError(404, "NotFound", f'{".".join(filter(None, place[1::-1]))} "{place[3]}" not found')
        return self._stored[place][1]

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.is_namespaced:
            return
        found = self._stored.get(_place(NAMESPACES, "", namespace))
        if found and found[1]["metadata"].get("deletionTimestamp"):
            causes = [{"reason": "NamespaceTerminating"}]
            raise ApiError(403, "Forbidden", f"namespace {namespace} is ending", {"causes": causes})

    def _replace(self, resource: Resource, place: Place, old: Object, new: Object) -> Object:
        for field in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            if field in old["metadata"]:
                new["metadata"][field] = old["metadata"][field]
        if not new["metadata"].get("finalizers"):
            new["metadata"].pop("finalizers", None)
        metadata = new["metadata"]
        if metadata.get("deletionTimestamp") and _is_released(resource, new):
            del self._stored[place]
            self.version += 1
            metadata["resourceVersion"] = str(self.version)
            self._tell(Change("DELETED", resource, _copy(new), _copy(old)))
            return _copy(new)
        if new == old:
            return _copy(old)
        if _content(new) != _content(old) and "generation" in metadata:
            metadata["generation"] += 1
        return self._store("MODIFIED", resource, place, new, old)

    def _store(
        self,
        type: Literal["ADDED", "MODIFIED"],
        resource: Resource,
        place: Place,
        new: Object,
        old: Object | None,
    ) -> Object:
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        self._stored[place] = (resource, new)
        self._tell(Change(type, resource, _copy(new), _copy(old)))
        return _copy(new)

    def _tell(self, change: Change) -> None:
        for resources, on_change in self._subscribers:
            if change.resource in resources:
                on_change(change)


def _with_status(old: Object, new: Object) -> Object:
    """A write to the status takes the annotations along."""
    metadata = {key: value for key, value in old["metadata"].items() if key != "annotations"}
    if annotations := new["metadata"].get("annotations"):
        metadata["annotations"] = annotations
    return {**_copy(old), "metadata": metadata, "status": new.get("status")}


def _copy(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def scale_of(resource: Resource, found: Object) -> Object:
    """Its Scale, as the server answers it; 404 where the kind has none."""
    if resource.kind not in SCALED:
        raise ApiError(404, "NotFound", f"{resource.plural} have no scale")
    labels = ((found["spec"].get("selector") or {}).get("matchLabels") or {}).items()
    return {
        "metadata": {key: found["metadata"][key] for key in ("name", "namespace", "resourceVersion")},
        "spec": {"replicas": found["spec"].get("replicas", 1)},
        "status": {
            "replicas": (found.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels),
        },
    }


def _place(resource: Resource, namespace: str, name: str) -> Place:
    return (resource.group, resource.plural, namespace if resource.is_namespaced else "", name)


def _check_version(resource: Resource, metadata: Mapping[str, Any], old: Object) -> None:
    version = metadata.get("resourceVersion")
    if version is not None and version != old["metadata"]["resourceVersion"]:
        raise ApiError(409, "Conflict", f"Operation cannot be fulfilled on {resource.plural}: modified")


def _content(found: Object) -> Object:
    return {key: value for key, value in found.items() if key not in ("metadata", "status")}


def _grace(resource: Resource, pod: Object) -> int:
    if resource != PODS or not pod["spec"].get("nodeName"):
        return 0
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return int(pod["spec"].get("terminationGracePeriodSeconds", 30))


def _is_released(resource: Resource, found: Object) -> bool:
    """Nothing holds a deleted object any more."""
    metadata = found["metadata"]
    if metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return not (resource == NAMESPACES and found["spec"].get("finalizers"))


def merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return _copy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
