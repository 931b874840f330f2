"""What every part of an outlook looks at: the object as it is, and what was just decided about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tidegate.api.scaledobject import ScaledObject
from tidegate.core import control_annotations
from tidegate.core.control_annotations import Pause
from tidegate.core.reasons import Code
from tidegate.core.scaledobject.hpa_demand import MetricValues, Sources
from tidegate.core.triggers.state import Summary
from tidegate.core.values import Decision, Memory, Seen


@dataclass(frozen=True, slots=True)
class Subject:
    """A ScaledObject whose target can be read and which is not paused as a whole."""

    sources: Sources
    metric_values: MetricValues
    memory: Memory
    decision: Decision
    pause: Pause
    now: datetime

    @property
    def object(self) -> ScaledObject:
        return self.sources.object

    @property
    def seen(self) -> Seen:
        return self.sources.seen

    @property
    def summary(self) -> Summary:
        return self.sources.summary

    @property
    def current(self) -> int:
        """The target's count."""
        return self.seen.replicas if isinstance(self.seen.replicas, int) else 0

    @property
    def is_forced(self) -> bool:
        return control_annotations.is_set(
            self.object.metadata.annotations, control_annotations.FORCE_ACTIVATION
        )

    @property
    def is_active(self) -> bool:
        return self.summary.is_active or self.is_forced

    @property
    def outcome(self) -> str:
        """The code of what became of the number."""
        return self.decision.reasons[-1].code if self.decision.reasons else ""

    @property
    def is_cooling(self) -> bool:
        return self.outcome in (Code.COOLDOWN, Code.INITIAL_COOLDOWN)

    @property
    def least(self) -> int:
        """The HPA's minimum."""
        return max(1, self.object.spec.replicas_min)

    @property
    def floor(self) -> int | None:
        """The count that nothing active leads to; None where that is the HPA's minimum."""
        spec = self.object.spec
        if spec.idle_replica_count is not None:
            return spec.idle_replica_count
        return 0 if spec.replicas_min == 0 else None

    @property
    def later(self) -> str:
        """When the count follows what has become inactive."""
        cooldown_s = self.object.spec.cooldown_s
        return f"{cooldown_s} s later" if cooldown_s else "at once"
