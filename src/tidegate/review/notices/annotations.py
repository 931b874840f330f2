"""Annotations that do nothing: nobody reads them, or not on an object of this kind."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import (
    ALLOWED_NAMESPACES,
    ClusterTriggerAuthentication,
    TriggerAuthentication,
)
from tidegate.base.names import is_dns_label
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.core.control_annotations import (
    FORCE_ACTIVATION,
    PAUSED,
    PAUSED_REPLICAS,
    PAUSED_SCALE_IN,
    PAUSED_SCALE_OUT,
)

PREFIX = "autoscaling.keda.sh/"
_OF_OBJECTS = (PAUSED_REPLICAS, PAUSED_SCALE_IN, PAUSED_SCALE_OUT, FORCE_ACTIVATION)
_KNOWN = [one.removeprefix(PREFIX) for one in (PAUSED, *_OF_OBJECTS)]


def annotation_notices(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """Those under KEDA's prefix that change nothing, each with the reason."""
    for key, value in object.metadata.annotations.items():
        name = key.removeprefix(PREFIX)
        if name != key and name not in _KNOWN:
            message = f"nothing reads this annotation{hint(name, _KNOWN)}"
            yield Problem(f"metadata.annotations.{key}", message)
        if key in _OF_OBJECTS and isinstance(object, ScaledJob):
            yield Problem(f"metadata.annotations.{key}", f'"{value}" has no effect on a ScaledJob')


def allowed_namespaces_notices(
    object: TriggerAuthentication | ClusterTriggerAuthentication,
) -> Iterator[Problem]:
    """What the annotation cannot mean: its place, a name that no namespace has, no identity to lend."""
    written = object.metadata.annotations.get(ALLOWED_NAMESPACES)
    if written is None:
        return
    path = f"metadata.annotations.{ALLOWED_NAMESPACES}"
    if isinstance(object, TriggerAuthentication):
        message = "has no effect on a TriggerAuthentication: the operator's --lend-identity decides there"
        yield Problem(path, message)
        return
    names = [name.strip() for name in written.split(",")]
    for name in dict.fromkeys(names):
        if name != "*" and not is_dns_label(name):
            yield Problem(path, f'"{name}" is no name of a namespace; write names with commas between, or *')
    if not object.spec.names_identity:
        yield Problem(path, "has no effect: no identity is named in spec")
