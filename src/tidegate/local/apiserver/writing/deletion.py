"""What a DELETE makes of the newest object: gone, or marked and held. Pure but for the moment it is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from tidegate.base.times import format_time
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import forbidden, other_object
from tidegate.local.apiserver.writing.update import is_finished
from tidegate.local.objects import Object

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
KEPT_NAMESPACES = ("default", "kube-system", "kube-public")
_GRACE_S = 30
# What their own controllers take apart first.
_MARKED_BY_TIME_ALONE = ("namespaces", "customresourcedefinitions.apiextensions.k8s.io")
# Pods may ask for a grace that no calendar holds.
CENTURY_S = 100 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Deletion:
    """DeleteOptions. `uid` and `resource_version` are preconditions (409); "" = none."""

    propagation: Literal["Background", "Foreground", "Orphan"] = "Background"
    grace_s: int | None = None
    uid: str = ""
    resource_version: str = ""


def deleted(kind: Kind, old: Object, deletion: Deletion, now: datetime) -> tuple[Object, bool]:
    """The object after a delete, and whether it is gone with it; an equal object means no change."""
    meta = old["metadata"]
    _check(kind, meta, deletion)
    new_meta = dict(meta)
    new = {**old, "metadata": new_meta}
    finalizers = _finalizers(meta.get("finalizers") or [], deletion)
    if finalizers:
        new_meta["finalizers"] = finalizers
    else:
        new_meta.pop("finalizers", None)
    grace_s = _grace(kind, old, deletion)
    was_marked = "deletionTimestamp" in meta
    if not was_marked or grace_s < int(meta.get("deletionGracePeriodSeconds") or 0):
        new_meta["deletionTimestamp"] = format_time(now + timedelta(seconds=min(grace_s, CENTURY_S)))
        if kind.key not in _MARKED_BY_TIME_ALONE:
            new_meta["deletionGracePeriodSeconds"] = grace_s
    if not was_marked:
        if kind.has_generation and kind.key not in _MARKED_BY_TIME_ALONE:
            new_meta["generation"] = int(meta.get("generation") or 0) + 1
        if kind.key == "namespaces":
            new["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
    if is_finished(kind, new) and not was_marked and kind.key != "pods":
        # What goes at once is told as it was; only a Pod is marked on its way out.
        return old, True
    return new, is_finished(kind, new)


def _check(kind: Kind, meta: dict[str, Any], deletion: Deletion) -> None:
    name = meta["name"]
    if deletion.uid and deletion.uid != meta["uid"]:
        raise other_object(kind, name, "uid", deletion.uid, meta["uid"])
    if deletion.resource_version and deletion.resource_version != meta["resourceVersion"]:
        raise other_object(kind, name, "resourceVersion", deletion.resource_version, meta["resourceVersion"])
    if kind.key == "namespaces" and name in KEPT_NAMESPACES:
        raise forbidden(kind, name, "this namespace may not be deleted")


def _finalizers(held: list[str], deletion: Deletion) -> list[str]:
    kept = [name for name in held if name not in (FOREGROUND, ORPHAN)]
    if deletion.propagation == "Foreground":
        return [*kept, FOREGROUND]
    if deletion.propagation == "Orphan":
        return [*kept, ORPHAN]
    # Another delete in the background leaves the choice of the first one.
    return list(held)


def _grace(kind: Kind, old: Object, deletion: Deletion) -> int:
    """Seconds a Pod's processes have to end; 0 for all else, and for Pods that run nothing."""
    if kind.key != "pods":
        return 0
    spec, status = old.get("spec") or {}, old.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return 0
    if deletion.grace_s is not None:
        return max(0, deletion.grace_s)
    asked = spec.get("terminationGracePeriodSeconds")
    return max(0, int(asked)) if asked is not None else _GRACE_S
