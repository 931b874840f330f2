"""Annotations that do nothing: nobody reads them, or not on an object of this kind."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
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
