"""What to say of an object that nothing was decided about: it does not exist, is too new, or not ready."""

from __future__ import annotations

from typing import Any

from tidegate.api import conditions
from tidegate.base.spelling import nearest
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError, Resource
from tidegate.operator.cluster.informers import Informers

NAMES_SHOWN = 5
SHORT = {SCALED_OBJECTS: "so", SCALED_JOBS: "sj"}


def undecided(informers: Informers, resource: Resource, namespace: str, name: str) -> ApiError:
    """`NotFound` with what was perhaps meant; `NotDecided` for one that waits for its first reconcile, or
    that nobody can read."""
    misread = informers.misread(resource, namespace, name)
    if misread is not None:
        return ApiError(
            404, "NotDecided", f"{resource.kind} {namespace}/{name} cannot be read: {misread.text}"
        )
    present = informers.get(resource, namespace, name)
    if present is not None:
        ready = conditions.find(present.status.conditions, "Ready")
        if ready is not None and ready.status == "False" and ready.message:
            text = f"nothing was decided about {resource.kind} {namespace}/{name} yet: {ready.message}"
            return ApiError(404, "NotDecided", text)
        text = (
            f"{resource.kind} {namespace}/{name} is new and was not looked at yet: ask again in a moment, "
            "or see its events with kubectl describe"
        )
        return ApiError(404, "NotDecided", text)
    hint = _hint(informers, resource, namespace, name)
    return ApiError(404, "NotFound", f"there is no {resource.kind} {namespace}/{name}; {hint}")


def _hint(informers: Informers, resource: Resource, namespace: str, name: str) -> str:
    other = SCALED_JOBS if resource == SCALED_OBJECTS else SCALED_OBJECTS
    if informers.get(other, namespace, name) is not None:
        return f"there is a {other.kind} of that name: {SHORT[other]}/{name}"
    present: list[Any] = informers.cache(resource).list()
    names = sorted(one.metadata.name for one in present if one.metadata.namespace == namespace)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean {near}?"
    elsewhere = sorted(one.metadata.namespace for one in present if one.metadata.name == name)
    if elsewhere:
        return f"there is one in {', '.join(elsewhere[:NAMES_SHOWN])}: use -n"
    if not names:
        return f"the namespace {namespace} has none"
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"the namespace has {', '.join(names[:NAMES_SHOWN])}{more}"
