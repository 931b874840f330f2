"""Whose HPA a workload has: what admission refuses of a ScaledObject because another HPA scales it already.

Source: KEDA's documentation, "Transfer ownership of an existing HPA".
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
    target = object.spec.scale_target_ref
    api_version, kind = target.api_version or "apps/v1", target.kind or "Deployment"
    workload = f"the workload '{target.name}' of type '{_text(api_version, kind)}'"
    for hpa in hpas:
        scaled = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
        if (scaled.get("apiVersion"), scaled.get("kind"), scaled.get("name")) != (
            api_version,
            kind,
            target.name,
        ):
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


def _is_owned(object: ScaledObject, metadata: dict[str, Any]) -> bool:
    owners = metadata.get("ownerReferences") or ()
    return any(
        one.get("kind") == "ScaledObject" and one.get("name") == object.metadata.name for one in owners
    )


def _text(api_version: str, kind: str) -> str:
    """KEDA's `<group>/<version>.<Kind>`; the core group is empty."""
    return f"{api_version if '/' in api_version else '/' + api_version}.{kind}"
