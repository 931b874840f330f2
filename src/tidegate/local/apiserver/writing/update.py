"""What a PUT makes of the newest object: which parts each endpoint may change. Pure."""

from __future__ import annotations

from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import conflict, invalid, stale
from tidegate.local.apiserver.validation.fields import show
from tidegate.local.apiserver.validation.object_metadata import (
    FORBIDDEN,
    changed_outside_status,
    keep_identity,
)
from tidegate.local.objects import Object

# The one kind whose generation tells of changed annotations too, in Kubernetes as well.
_COUNTS_NOTES = "deployments.apps"
_PODS = "pods"


def merged(kind: Kind, subresource: str, old: Object, body: Object) -> Object:
    """The object as it is after writing `body` to the endpoint; `old` stays as it is."""
    if subresource == "status":
        new = dict(old)
        new.pop("status", None)
        if "status" in body or not kind.is_custom:
            new["status"] = body.get("status") or {}
        return new if kind.is_custom else _annotated(new, body["metadata"].get("annotations"))
    if subresource == "finalize":
        spec = dict(old.get("spec") or {})
        spec["finalizers"] = (body.get("spec") or {}).get("finalizers") or []
        if not spec["finalizers"]:
            del spec["finalizers"]
        return {**old, "spec": spec}
    new = body
    keep_identity(old["metadata"], new["metadata"])
    if kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    if kind.key == "namespaces" and "spec" in old:
        new["spec"] = old["spec"]
    return new


def _annotated(new: Object, annotations: dict[str, str] | None) -> Object:
    """As for Kubernetes' own kinds: who writes a status may leave notes beside it, in one write."""
    metadata = {key: value for key, value in new["metadata"].items() if key != "annotations"}
    if annotations:
        metadata["annotations"] = annotations
    return {**new, "metadata": metadata}


def check_preconditions(kind: Kind, old: Object, meta: dict[str, Any], *, is_patch: bool = False) -> None:
    """409 when the body names another version or another object of that name."""
    current = old["metadata"]
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if uid and uid != current["uid"] and is_patch:
        why = f"Invalid value: {show(uid)}: field is immutable"
        raise invalid(kind, current["name"], [Problem("metadata.uid", why)])
    if uid and uid != current["uid"]:
        raise conflict(
            kind,
            current["name"],
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current['uid']}",
        )
    if version and str(version) != current["resourceVersion"]:
        raise stale(kind, current["name"])


def bump_generation(kind: Kind, old: Object, new: Object, subresource: str = "") -> None:
    if not kind.has_generation:
        return
    if kind.key == _PODS and "nodeName" not in old["spec"]:
        # To get a node is no change of what a Pod is to be.
        spec = {name: value for name, value in new["spec"].items() if name != "nodeName"}
        is_changed = changed_outside_status(kind, old, {**new, "spec": spec})
    else:
        is_changed = changed_outside_status(kind, old, new)
    is_noted = kind.key == _COUNTS_NOTES and not subresource and _notes(old) != _notes(new)
    if is_changed or is_noted:
        new["metadata"] = {**new["metadata"], "generation": int(old["metadata"].get("generation", 0)) + 1}


def _notes(found: Object) -> dict[str, str]:
    return found["metadata"].get("annotations") or {}


def check_finalizers(kind: Kind, old: Object, new: Object) -> None:
    """422 when a finalizer is added to an object that is being deleted."""
    meta = old["metadata"]
    if "deletionTimestamp" not in meta:
        return
    added = set(new["metadata"].get("finalizers") or ()) - set(meta.get("finalizers") or ())
    if added:
        text = ", ".join(sorted(added))
        problem = Problem(
            "metadata.finalizers",
            f"Forbidden: no new finalizers can be added if the object is being deleted, found new: {text}",
            FORBIDDEN,
        )
        raise invalid(kind, meta["name"], [problem])


def is_finished(kind: Kind, new: Object) -> bool:
    """Whether nothing holds a deleted object any longer, so that this write removes it."""
    meta = new["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers"):
        return False
    if kind.key == "namespaces" and (new.get("spec") or {}).get("finalizers"):
        return False
    return not meta.get("deletionGracePeriodSeconds")
