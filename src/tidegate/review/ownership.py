"""Who scales a workload: what admission refuses of a ScaledObject because somebody else does already.

Source: KEDA's admission webhook, and its documentation, "Transfer ownership of an existing HPA".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.review.hpa import hpa_name

TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
UNCHECKED = "validations.keda.sh/hpa-ownership"
NAME_PATH = "spec.advanced.horizontalPodAutoscalerConfig.name"


def hpa_problems(object: ScaledObject, hpas: Iterable[dict[str, Any]]) -> Iterator[Problem]:
    """A problem for each HPA of the namespace that scales the same workload and is not to be ours.

    `hpas` are bodies of the object's namespace. One is ours if this object owns it; one is not looked
    at if its annotation `validations.keda.sh/hpa-ownership` is "false"; one is handed over if the object
    asks for that by annotation and names it.
    """
    workload = _called(object)
    for hpa in hpas:
        scaled = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
        if (scaled.get("apiVersion"), scaled.get("kind"), scaled.get("name")) != workload_of(object):
            continue
        metadata = hpa["metadata"]
        name, annotations = metadata["name"], metadata.get("annotations") or {}
        if annotations.get(UNCHECKED) == "false" or _is_owned(object, metadata):
            continue
        if object.metadata.annotations.get(TRANSFER) != "true":
            message = f"{workload} is already managed by the hpa '{name}'"
            yield Problem("spec.scaleTargetRef", message, "FieldValueForbidden")
        elif hpa_name(object) != name:
            message = (
                f"the existing hpa '{name}' for {workload.removeprefix('the ')} must be specified by name in "
                "advanced settings to enable ownership transfer"
            )
            yield Problem(NAME_PATH, message, "FieldValueForbidden")


def taken(object: ScaledObject, hpa: dict[str, Any]) -> str | None:
    """Why the HPA that has the object's name for its own is somebody else's; None where it may be taken.

    It may if the object owns it, or asks for it by annotation; and one that nobody controls if it scales
    the same workload. KEDA takes any.
    """
    metadata = hpa["metadata"]
    if _is_owned(object, metadata) or object.metadata.annotations.get(TRANSFER) == "true":
        return None
    owner = next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
    scaled = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    if owner is not None:
        state = f"belongs to the {owner.get('kind')} {owner.get('name')}"
    elif (scaled.get("apiVersion"), scaled.get("kind"), scaled.get("name")) != workload_of(object):
        state = f"scales the {scaled.get('kind')} {scaled.get('name')}"
    else:
        return None
    return (
        f"the HPA {object.metadata.namespace}/{metadata['name']} {state}; give this ScaledObject's another "
        f'name in {NAME_PATH}, or take that one over with the annotation {TRANSFER}: "true"'
    )


def neighbour_problems(object: ScaledObject, others: Iterable[ScaledObject]) -> Iterator[Problem]:
    """A problem for each other ScaledObject of the namespace that has the same workload or HPA name."""
    for other in others:
        name = other.metadata.name
        if name == object.metadata.name:
            continue
        if workload_of(other) == workload_of(object):
            message = f"{_called(object)} is already managed by the ScaledObject '{name}'"
            yield Problem("spec.scaleTargetRef", message, "FieldValueForbidden")
        if hpa_name(other) == hpa_name(object):
            message = f"the HPA '{hpa_name(object)}' is already managed by the ScaledObject '{name}'"
            yield Problem(NAME_PATH, message, "FieldValueForbidden")


def workload_of(object: ScaledObject) -> tuple[str, str, str]:
    """apiVersion, kind and name of what the object scales."""
    target = object.spec.scale_target_ref
    return target.api_version or "apps/v1", target.kind or "Deployment", target.name


def _called(object: ScaledObject) -> str:
    """KEDA's words for the workload; the core group is empty in its type."""
    api_version, kind, name = workload_of(object)
    type = f"{api_version if '/' in api_version else '/' + api_version}.{kind}"
    return f"the workload '{name}' of type '{type}'"


def _is_owned(object: ScaledObject, metadata: dict[str, Any]) -> bool:
    owners = metadata.get("ownerReferences") or ()
    return any(
        one.get("kind") == "ScaledObject" and one.get("name") == object.metadata.name for one in owners
    )
