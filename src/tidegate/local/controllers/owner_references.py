"""Who controls whom, by ownerReferences, and how a controller finds, adopts and releases its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tidegate.base.selectors import Selector, from_label_selector
from tidegate.kube.resource import Resource
from tidegate.local.objects import Change, Object, Objects


def reference(resource: Resource, owner: Object) -> dict[str, Any]:
    """The ownerReference by which `owner` controls what it creates."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def references(found: Object) -> list[dict[str, Any]]:
    return found["metadata"].get("ownerReferences") or []


def controller_of(found: Object) -> dict[str, Any] | None:
    """The reference of the one owner that controls `found`."""
    return next((one for one in references(found) if one.get("controller")), None)


def is_controlled_by(found: Object, owner: Object) -> bool:
    ref = controller_of(found)
    return ref is not None and ref["uid"] == owner["metadata"]["uid"]


def controlled(objects: Objects, resource: Resource, owner: Object) -> list[Object]:
    """The objects of `resource` that `owner` controls, by name."""
    uid = owner["metadata"]["uid"]
    found = [one for kind, one in objects.owned(uid) if kind == resource and is_controlled_by(one, owner)]
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def controllers_in(change: Change, kind: str) -> set[tuple[str, str]]:
    """Namespace and name of the controllers of `kind` that the changed object has or had."""
    keys = set()
    for state in (change.object, change.previous):
        ref = controller_of(state) if state else None
        if state and ref and ref["kind"] == kind:
            keys.add((str(state["metadata"].get("namespace", "")), str(ref["name"])))
    return keys


async def claim(
    objects: Objects,
    resource: Resource,
    owner_resource: Resource,
    owner: Object,
    selector: Selector,
    fits: Callable[[Object], bool] = lambda orphan: True,
) -> list[Object]:
    """What `owner` controls after matching orphans that fit were adopted and relabelled ones released."""
    mine = []
    for found in controlled(objects, resource, owner):
        if selector.matches(found["metadata"].get("labels") or {}) or is_deleting(found):
            mine.append(found)
        else:
            uid = owner["metadata"]["uid"]
            await _write_references(
                objects, resource, found, [one for one in references(found) if one["uid"] != uid]
            )
    for orphan in filter(fits, _orphans(objects, resource, owner, selector)):
        refs = [*references(orphan), reference(owner_resource, owner)]
        mine.append(await _write_references(objects, resource, orphan, refs))
    return mine


def adopters(objects: Objects, resource: Resource, orphan: Object) -> list[Object]:
    """The objects of this kind whose selector matches something that nobody controls. Without labels nobody
    looks for it, as in Kubernetes."""
    metadata = orphan["metadata"]
    labels = metadata.get("labels")
    if not labels or controller_of(orphan) is not None:
        return []
    return [
        one
        for one in objects.list(resource, metadata["namespace"])
        if from_label_selector(one["spec"].get("selector")).matches(labels)
    ]


def _orphans(objects: Objects, resource: Resource, owner: Object, selector: Selector) -> Iterable[Object]:
    labels = (owner["spec"].get("selector") or {}).get("matchLabels")
    if not labels or is_deleting(owner):
        return []
    namespace = owner["metadata"].get("namespace", "")
    return [
        found
        for found in objects.list(resource, namespace, labels=labels)
        if controller_of(found) is None
        and not is_deleting(found)
        and selector.matches(found["metadata"].get("labels") or {})
    ]


async def _write_references(
    objects: Objects, resource: Resource, found: Object, refs: list[dict[str, Any]]
) -> Object:
    metadata = found["metadata"]
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "ownerReferences": refs}}
    return await objects.patch(resource, metadata.get("namespace", ""), metadata["name"], patch)


def is_deleting(found: Object) -> bool:
    return bool(found["metadata"].get("deletionTimestamp"))


def key_of(found: Object) -> tuple[str, str]:
    """Namespace ("" for cluster-scoped kinds) and name."""
    return str(found["metadata"].get("namespace", "")), str(found["metadata"]["name"])
