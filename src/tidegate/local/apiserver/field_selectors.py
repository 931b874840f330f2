"""The fields that a field selector may name, and how they read where they are not stored so.

Another field is refused: nothing would match it, and an empty list would look like an answer.
Source: Kubernetes documentation, "Field Selectors: List of supported fields".
"""

from __future__ import annotations

from typing import Any

from tidegate.base.selectors import FieldSelector
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request
from tidegate.local.objects import Object

PLACE = ("metadata.name", "metadata.namespace")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIELDS: dict[str, tuple[str, ...]] = {
    "pods": (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        *(f"involvedObject.{one}" for one in _INVOLVED),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}
_FALSE_IF_UNSET = {"pods": "hostNetwork", "nodes": "unschedulable"}


def check(kind: Kind, selector: FieldSelector) -> None:
    """400 as ApiError for a field that objects of the kind cannot be chosen by."""
    known = (*PLACE, *_FIELDS.get(kind.key, ()), *kind.selectable)
    for path, _, _ in selector.terms:
        if path not in known:
            raise bad_request(
                f"{kind.resource.plural} cannot be listed by this field: "
                f"field label not supported: {path}; supported: {', '.join(known)}"
            )


def as_selected(kind: Kind, body: Object) -> Object:
    """The object with the fields that are chosen by under other names, or count when they are not set."""
    if kind.key in _FALSE_IF_UNSET:
        spec: dict[str, Any] = body.get("spec") or {}
        return {**body, "spec": {_FALSE_IF_UNSET[kind.key]: False, **spec}}
    status: dict[str, Any] = body.get("status") or {}
    if kind.key == "jobs.batch":
        return {**body, "status": {**status, "successful": status.get("succeeded", 0)}}
    if kind.key == "replicasets.apps":
        return {**body, "status": {"replicas": 0, **status}}
    if kind.key == "events":
        source = (body.get("source") or {}).get("component") or body.get("reportingComponent")
        return {**body, "source": source}
    return body
