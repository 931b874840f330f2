"""What a ScaledObject and a ScaledJob have in common: how often, between which bounds, and what is told."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tidegate.api.conditions import Condition, TriggerActivity
from tidegate.api.kinds import Column, condition_column
from tidegate.api.triggers import Trigger
from tidegate.api.wire import Count, Positive, Time, Wire

POLLING_INTERVAL_S = 30
REPLICAS_MAX = 100

ContainerName = Annotated[
    str | None,
    Meta(description="Container whose environment `…FromEnv` parameters read; the first if not set."),
]


class ScaledSpec(Wire, frozen=True, kw_only=True):
    """Fields are written anew below where their words differ."""

    triggers: tuple[Trigger, ...]
    polling_interval: Annotated[
        Positive | None, Meta(description=f"Seconds between polls; {POLLING_INTERVAL_S} if not set.")
    ] = None
    min_replica_count: Count | None = None
    max_replica_count: Positive | None = None
    min_replicas: Annotated[
        Count | None, Meta(description="Taken for minReplicaCount, its proper name, where that is not set.")
    ] = None
    max_replicas: Annotated[
        Positive | None,
        Meta(description="Taken for maxReplicaCount, its proper name, where that is not set."),
    ] = None

    def __post_init__(self) -> None:
        """Whoever reads the bounds finds them under their proper names."""
        for proper, other in (
            ("min_replica_count", self.min_replicas),
            ("max_replica_count", self.max_replicas),
        ):
            if other is not None and getattr(self, proper) is None:
                msgspec.structs.force_setattr(self, proper, other)

    @property
    def polling_s(self) -> int:
        return POLLING_INTERVAL_S if self.polling_interval is None else self.polling_interval

    @property
    def replicas_max(self) -> int:
        return REPLICAS_MAX if self.max_replica_count is None else self.max_replica_count


class ScaledStatus(Wire, frozen=True, kw_only=True):
    last_active_time: Annotated[Time | None, Meta(description="When a trigger was last active.")] = None
    conditions: Annotated[tuple[Condition, ...], Meta(description="How the object is.")] = ()
    triggers_types: Annotated[str | None, Meta(description="Types of the triggers, comma separated.")] = None
    authentications_types: Annotated[
        str | None, Meta(description="Names of the authentications, comma separated.")
    ] = None
    triggers_activity: Annotated[
        dict[str, TriggerActivity] | None, Meta(description="Activity by metric name.")
    ] = None


OTHER_PATHS = {
    ".spec.minReplicaCount": ".spec.minReplicas",
    ".spec.maxReplicaCount": ".spec.maxReplicas",
}
"""Where a column's value stands under a field's other name."""


def columns(*conditions: str) -> tuple[Column, ...]:
    """What kubectl shows of either kind, with the statuses of these conditions."""
    return (
        Column("Min", ".spec.minReplicaCount", "integer"),
        Column("Max", ".spec.maxReplicaCount", "integer"),
        *(condition_column(type) for type in conditions),
        Column("Triggers", ".status.triggersTypes"),
        Column("Authentications", ".status.authenticationsTypes"),
        Column("Age", ".metadata.creationTimestamp", "date"),
    )
