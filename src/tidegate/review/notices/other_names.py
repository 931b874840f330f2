"""Names that stand in published manifests for the proper ones: they work, and the proper one is told."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem


def other_names(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """One for each other name of a bound, and of a trigger's type that there is."""
    spec = object.spec
    for name, other, proper in (
        ("minReplicas", spec.min_replicas, spec.min_replica_count),
        ("maxReplicas", spec.max_replicas, spec.max_replica_count),
    ):
        if other is not None:
            right = name.replace("Replicas", "ReplicaCount")
            text = f"taken for {right}: write that, KEDA does not know {name}"
            if other != proper:
                text = f"{other} has no effect beside {right} {proper}"
            yield Problem(f"spec.{name}", text)
    for index, trigger in enumerate(spec.triggers):
        right = scalers.ALIASES.get(trigger.type, "")
        if right and scalers.find(right) is not None:
            text = f'"{trigger.type}" is taken for {right}: write that, KEDA does not know {trigger.type}'
            yield Problem(f"spec.triggers[{index}].type", text)
