"""The roles and bindings that every cluster has, and how they are kept so. Pure.

At each start what is missing from them is added, and what an administrator added stays; the annotation
`rbac.authorization.kubernetes.io/autoupdate: "false"` on one of them leaves it alone.
Source: Kubernetes documentation, "Using RBAC Authorization: Auto-reconciliation".
"""

from __future__ import annotations

import copy
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tidegate.kube.resource import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES, Resource
from tidegate.local.apiserver.authorization.rules import rules_of, uncovered
from tidegate.local.objects import Object

_UPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_RESOURCES = {one.kind: one for one in (ROLES, ROLE_BINDINGS, CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS)}


@cache
def _objects() -> list[Object]:
    raw = files(__package__).joinpath("default_roles.json").read_bytes()
    found: list[Object] = msgspec.json.decode(raw)["objects"]
    return found


def default_objects() -> list[tuple[Resource, Object]]:
    """Each with its resource, as it is created."""
    return [(_RESOURCES[body["kind"]], copy.deepcopy(body)) for body in _objects()]


def reconciled(wanted: Object, found: Object) -> Object | None:
    """The stored object with all that it must have; None when nothing is missing, or it is let alone.

    A binding to another role than ours is an administrator's choice, and stays.
    """
    meta = found["metadata"]
    if (meta.get("annotations") or {}).get(_UPDATE) == "false":
        return None
    new = copy.deepcopy(found)
    for part in ("labels", "annotations"):
        kept = meta.get(part) or {}
        added = {**(wanted["metadata"].get(part) or {}), **kept}
        if added != kept:
            new["metadata"][part] = added
    if "roleRef" in wanted:
        _add_subjects(wanted, new)
    elif wanted.get("aggregationRule"):
        _add_selectors(wanted, new)
    else:
        missing = [rule.as_body() for rule in uncovered(rules_of(found), rules_of(wanted))]
        if missing:
            new["rules"] = [*(found.get("rules") or ()), *missing]
    return None if new == found else new


def _add_subjects(wanted: Object, new: Object) -> None:
    if (new.get("roleRef") or {}).get("name") != wanted["roleRef"]["name"]:
        return
    kept = new.get("subjects") or []
    missing = [subject for subject in wanted.get("subjects") or () if not _is_in(subject, kept)]
    if missing:
        new["subjects"] = [*kept, *missing]


def _add_selectors(wanted: Object, new: Object) -> None:
    kept = (new.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    missing = [one for one in wanted["aggregationRule"]["clusterRoleSelectors"] if one not in kept]
    if missing:
        new["aggregationRule"] = {"clusterRoleSelectors": [*kept, *missing]}


def _is_in(subject: dict[str, Any], subjects: list[dict[str, Any]]) -> bool:
    key = ("kind", "name", "namespace")
    return any(all(one.get(part) == subject.get(part) for part in key) for one in subjects)
