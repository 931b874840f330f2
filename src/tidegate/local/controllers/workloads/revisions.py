"""ControllerRevisions: the templates a StatefulSet or DaemonSet has had, as `kubectl rollout` reads them.

One has the hash of its template in its name, so that a repeated create meets itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import CONTROLLER_REVISIONS, DAEMON_SETS, STATEFUL_SETS, ApiError, Resource
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import claim, is_deleting, key_of, reference
from tidegate.local.controllers.workloads.rollout import template_hash
from tidegate.local.objects import Object, Objects

ON_POD = "controller-revision-hash"
_HASH = {STATEFUL_SETS: "controller.kubernetes.io/hash", DAEMON_SETS: ON_POD}


def number(revision: Object) -> int:
    return int(revision.get("revision", 0))


def template_of(revision: Object) -> dict[str, Any]:
    """The pod template that it keeps."""
    kept = ((revision.get("data") or {}).get("spec") or {}).get("template") or {}
    return {field: value for field, value in kept.items() if field != "$patch"}


async def record(
    objects: Objects, resource: Resource, owner: Object, events: Events
) -> tuple[list[Object], Object]:
    """All revisions of `owner`, the oldest first, and among them the one of its present template.

    Going back to an old template gives its revision a new number.
    """
    selector = from_label_selector(owner["spec"].get("selector"))
    claimed = await claim(objects, CONTROLLER_REVISIONS, resource, owner, selector)
    known = sorted((one for one in claimed if not is_deleting(one)), key=_age)
    wanted = template_hash(owner["spec"]["template"])
    same = [one for one in known if template_hash(template_of(one)) == wanted]
    following = number(known[-1]) + 1 if known else 1
    if not same:
        try:
            made = await objects.create(CONTROLLER_REVISIONS, _revision(resource, owner, wanted, following))
        except ApiError as error:
            await events.create_failed(owner, error)
            raise
        return [*known, made], made
    newest = same[-1]
    if newest is not known[-1]:
        patch = {"metadata": _version(newest), "revision": following}
        known.remove(newest)
        newest = await objects.patch(CONTROLLER_REVISIONS, *key_of(newest), patch)
        known.append(newest)
    return known, newest


async def trim(objects: Objects, owner: Object, known: Sequence[Object], live: Collection[str]) -> None:
    """Deletes the oldest revisions beyond the limit, of those whose name is not among `live`."""
    limit = int(owner["spec"].get("revisionHistoryLimit", 10))
    past = [one for one in known if one["metadata"]["name"] not in live]
    for one in past[: max(len(past) - limit, 0)] if limit >= 0 else ():
        try:
            await objects.delete(CONTROLLER_REVISIONS, *key_of(one), uid=one["metadata"]["uid"])
        except ApiError as error:
            if error.reason != "NotFound":
                raise


def _revision(resource: Resource, owner: Object, ending: str, number: int) -> Object:
    metadata, template = owner["metadata"], owner["spec"]["template"]
    return {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {
            "name": f"{metadata['name'][:223]}-{ending}",
            "namespace": metadata["namespace"],
            "labels": {**((template.get("metadata") or {}).get("labels") or {}), _HASH[resource]: ending},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [reference(resource, owner)],
        },
        # kubectl compares it byte by byte with what it makes itself, whose keys are in order.
        "data": _ordered({"spec": {"template": {"$patch": "replace", **template}}}),
        "revision": number,
    }


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def _age(revision: Object) -> tuple[int, str, str]:
    metadata = revision["metadata"]
    return number(revision), metadata["creationTimestamp"], metadata["name"]


def _version(found: Object) -> dict[str, str]:
    return {"resourceVersion": found["metadata"]["resourceVersion"]}
