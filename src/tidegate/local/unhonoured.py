"""One thing that a manifest asks for and does not get here, as the parts of local mode tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNTIME_ANNOTATION = "tidegate.dev/runtime"
"""What a pod's containers run in, on a pod or the template of some."""
RUNTIMES = ("process", "podman", "docker", "nerdctl")
_TEMPLATE = ("spec", "template", "spec")
POD_SPECS: Mapping[str, tuple[str, ...]] = {
    "pods": ("spec",),
    "deployments.apps": _TEMPLATE,
    "replicasets.apps": _TEMPLATE,
    "statefulsets.apps": _TEMPLATE,
    "daemonsets.apps": _TEMPLATE,
    "jobs.batch": _TEMPLATE,
    "cronjobs.batch": ("spec", "jobTemplate", *_TEMPLATE),
    "scaledjobs.keda.sh": ("spec", "jobTargetRef", "template", "spec"),
}
"""Where the specification of the pods stands that an object of this kind is or makes."""


@dataclass(frozen=True, slots=True)
class Unhonoured:
    """`field` is its path in the object; `told` goes on from there; `instead` is a way out.

    `runs` is False where the pods wait or fail because of it; the same is asked for at `more` other places.
    """

    field: str
    told: str
    instead: str = ""
    runs: bool = True
    more: int = 0

    def __str__(self) -> str:
        more = f" (and {self.more} more)" if self.more else ""
        return f"{self.field}{more} {self.told}"


def pod_spec_of(key: str, body: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The path of the pods' specification, and what stands there; None where none can be read."""
    value: Any = body
    for name in POD_SPECS.get(key, ()):
        value = value.get(name) if isinstance(value, Mapping) else None
    if value is body or not isinstance(value, dict):
        return None
    return ".".join(POD_SPECS[key]), value


def asked_runtime(key: str, body: Mapping[str, Any]) -> tuple[str, Any]:
    """The path of the annotation that names what the pods run in, and its value; None where there is none."""
    value: Any = body
    for name in (*POD_SPECS.get(key, ("",))[:-1], "metadata", "annotations", RUNTIME_ANNOTATION):
        value = value.get(name) if isinstance(value, Mapping) else None
    place = ".".join((*POD_SPECS.get(key, ("",))[:-1], "metadata", "annotations"))
    return f"{place}[{RUNTIME_ANNOTATION}]", value


def is_made_for_another(body: Mapping[str, Any]) -> bool:
    """Whether a controller made the object: what is to be told of it was told of that one's template."""
    owners = (body.get("metadata") or {}).get("ownerReferences") or ()
    return any(one.get("controller") for one in owners if isinstance(one, dict))
