"""Custom resources: the kinds a definition serves, its status, how its objects are made to conform. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.api.schema import structural
from tidegate.base.problems import Problem
from tidegate.base.times import format_time
from tidegate.kube.resource import Resource
from tidegate.local.apiserver.kinds import SCALE, STATUS, Kind, ScalePaths
from tidegate.local.objects import Object

CRD_KEY = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"


def kinds_of(definition: Object) -> list[Kind]:
    """The kinds a stored definition serves, the storage version first."""
    spec = definition["spec"]
    names = spec["names"]
    stored = next(version["name"] for version in spec["versions"] if version.get("storage") is True)
    kinds = []
    for version in sorted(spec["versions"], key=lambda version: version["name"] != stored):
        if version.get("served") is not True:
            continue
        subresources = version.get("subresources") or {}
        paths = subresources.get("scale")
        kinds.append(
            Kind(
                Resource(
                    spec["group"],
                    version["name"],
                    names["plural"],
                    names["kind"],
                    spec["scope"] == "Namespaced",
                ),
                tuple(names.get("shortNames") or ()),
                tuple(names.get("categories") or ()),
                (*((STATUS,) if "status" in subresources else ()), *((SCALE,) if paths else ())),
                singular=names["singular"],
                list_kind=names["listKind"],
                has_generation=True,
                is_custom=True,
                is_terminating="deletionTimestamp" in definition["metadata"],
                storage_version=stored,
                scale=_scale_paths(paths) if paths else None,
                schema=(version.get("schema") or {}).get("openAPIV3Schema"),
                columns=tuple(version.get("additionalPrinterColumns") or ()),
                selectable=tuple(
                    one["jsonPath"].removeprefix(".") for one in version.get("selectableFields") or ()
                ),
            )
        )
    return kinds


def _scale_paths(paths: dict[str, Any]) -> ScalePaths:
    return ScalePaths(
        paths["specReplicasPath"], paths["statusReplicasPath"], paths.get("labelSelectorPath") or ""
    )


def custom_key(definition: Object) -> str:
    """The storage key of the objects that a definition defines: the definition's own name."""
    name: str = definition["metadata"]["name"]
    return name


def establish(definition: Object, old: Object | None, now: datetime) -> None:
    """Writes the status by which clients know that the kinds are served; keeps old transition times."""
    spec = definition["spec"]
    status: dict[str, Any] = definition.get("status") or {}
    before = {
        condition["type"]: condition
        for condition in ((old or {}).get("status") or {}).get("conditions") or status.get("conditions") or ()
    }
    wanted = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    if "deletionTimestamp" in definition["metadata"]:
        wanted.append(
            ("Terminating", "InstanceDeletionInProgress", "the objects of this kind are being deleted")
        )
    conditions = []
    for type, reason, message in wanted:
        fresh = {
            "type": type,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": format_time(now),
        }
        conditions.append(before.get(type, fresh))
    stored = [version["name"] for version in spec["versions"] if version.get("storage") is True]
    known = list(status.get("storedVersions") or ())
    definition["status"] = {
        "acceptedNames": spec["names"],
        "conditions": conditions,
        "storedVersions": known + [name for name in stored if name not in known],
    }
    finalizers = definition["metadata"].setdefault("finalizers", [])
    if CLEANUP not in finalizers and "deletionTimestamp" not in definition["metadata"]:
        finalizers.append(CLEANUP)
    if not finalizers:
        del definition["metadata"]["finalizers"]


def conform(kind: Kind, body: Object) -> tuple[list[str], list[Problem]]:
    """Prunes, defaults and validates a custom object in place: the fields pruned, and the problems.

    The envelope (apiVersion, kind, metadata) is not the schema's business.
    """
    if kind.schema is None:
        return [], []
    unknown = structural.prune(kind.schema, body)
    structural.apply_defaults(kind.schema, body)
    return unknown, structural.validate(kind.schema, body)
