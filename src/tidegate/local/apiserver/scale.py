"""The Scale of an object that has replicas: read from it, and written back into it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.selectors import format_label_selector
from tidegate.local.apiserver.kinds import Kind, ScalePaths
from tidegate.local.apiserver.refusals import bad_request, invalid_scale, not_found, unreadable_patch
from tidegate.local.objects import Object

_KEPT = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(kind: Kind, body: Object) -> Object:
    """The autoscaling/v1 Scale; `status.selector` is a label selector as text, as the HPA needs it.

    As in Go, a spec of no replicas is empty.
    """
    paths = _paths(kind)
    meta = body["metadata"]
    status: dict[str, Any] = {"replicas": _number(body, paths.status)}
    selector = _at(body, paths.selector)
    if isinstance(selector, dict):
        selector = format_label_selector(selector)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in _KEPT if field in meta},
        "spec": {"replicas": replicas} if (replicas := _number(body, paths.spec)) else {},
        "status": status,
    }


def scaled(kind: Kind, body: Object, scale: Any, *, is_patch: bool = False) -> Object:
    """`body` (which becomes ours) with the replicas, and the resourceVersion asked for, of a Scale.

    Without a resourceVersion in the Scale, the body's own stands. 400 or 422 for a bad Scale.
    """
    name = body["metadata"]["name"]
    if not isinstance(scale, dict) or scale.get("kind", "Scale") != "Scale":
        raise bad_request("the body must be an autoscaling/v1 Scale")
    spec, meta = scale.get("spec") or {}, scale.get("metadata") or {}
    if not isinstance(spec, dict) or not isinstance(meta, dict):
        raise bad_request("the metadata and spec of a Scale must be maps")
    if not meta.get("name"):
        raise bad_request(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if meta["name"] != name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
        )
    namespace = body["metadata"].get("namespace", "")
    if (meta.get("namespace") or namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    replicas = spec.get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        why = f"spec.replicas is {replicas!r}, not a whole number"
        raise unreadable_patch(why) if is_patch else bad_request(f"the Scale cannot be read: {why}")
    if replicas < 0 and not kind.is_custom:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise invalid_scale(name, Problem("spec.replicas", why))
    for field in ("resourceVersion", "uid"):
        if meta.get(field):
            body["metadata"][field] = meta[field]
    _put(body, _paths(kind).spec, replicas)
    return body


def scale_problems(kind: Kind, body: Object) -> Iterator[Problem]:
    """What a custom resource holds where its Scale has numbers, and is none."""
    paths = kind.scale
    for path in (paths.spec, paths.status) if paths is not None else ():
        found = _at(body, path)
        if found is not None and (not isinstance(found, int) or isinstance(found, bool) or found < 0):
            yield Problem(path, f"Invalid value: {found!r}: should be a non-negative integer")


def _paths(kind: Kind) -> ScalePaths:
    if kind.scale is None:
        raise not_found(kind, "scale")
    return kind.scale


def _at(body: Object, path: str) -> Any:
    found: Any = body
    for part in path.strip(".").split(".") if path else ():
        found = found.get(part) if isinstance(found, dict) else None
    return found if path else None


def _number(body: Object, path: str) -> int:
    found = _at(body, path)
    return found if isinstance(found, int) else 0


def _put(body: Object, path: str, value: int) -> None:
    *parents, last = path.strip(".").split(".")
    place = body
    for part in parents:
        inner = place.get(part)
        if not isinstance(inner, dict):
            inner = place[part] = {}
        place = inner
    place[last] = value
