"""Fields that are right and do nothing: what a reader of a manifest should be told before it runs.

What KEDA's own webhook warns of (pollingInterval, cooldownPeriod) is in `api.validation.warnings`.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem

NATIVE = ("cpu", "memory")


def without_effect(object: ScaledObject | ScaledJob) -> Iterator[Problem]:
    """Each field that changes nothing as the manifest stands, with the reason."""
    for index, trigger in enumerate(object.spec.triggers):
        yield from _trigger(object, index, trigger)
    if isinstance(object, ScaledObject):
        yield from _scaled_object(object)


def _scaled_object(object: ScaledObject) -> Iterator[Problem]:
    spec = object.spec
    is_never_zero = spec.replicas_min > 0 and spec.idle_replica_count is None
    if is_never_zero and spec.initial_cooldown_period:
        yield Problem(
            "spec.initialCooldownPeriod",
            f"has no effect: with minReplicaCount {spec.replicas_min} nothing is scaled to zero",
        )
    if spec.idle_replica_count:
        yield Problem(
            "spec.idleReplicaCount",
            f"the HPA lifts {spec.idle_replica_count} to minReplicaCount at once; only 0 works",
        )
    if all(trigger.type in NATIVE for trigger in spec.triggers) and spec.replicas_min == 0:
        yield Problem(
            "spec.minReplicaCount",
            "only cpu and memory triggers: the object is always active and never goes to zero",
        )


def _trigger(object: ScaledObject | ScaledJob, index: int, trigger: Trigger) -> Iterator[Problem]:
    path = f"spec.triggers[{index}]"
    least = object.spec.replicas_min
    wanted = trigger.metadata.get("desiredReplicas", "").strip()
    if trigger.type == "cron" and wanted.isdigit() and int(wanted) <= least:
        yield Problem(
            f"{path}.metadata.desiredReplicas", f"{wanted} has no effect: minReplicaCount is {least} anyway"
        )
    if trigger.type == "cron" and wanted.isdigit() and int(wanted) > object.spec.replicas_max:
        yield Problem(
            f"{path}.metadata.desiredReplicas",
            f"{wanted} is more than maxReplicaCount {object.spec.replicas_max}, which is what it gets",
        )
    if trigger.type == "cron" and trigger.metric_type == "Value":
        yield Problem(
            f"{path}.metricType",
            "Value makes the HPA multiply its replicas at each look, up to maxReplicaCount; leave it out",
        )
