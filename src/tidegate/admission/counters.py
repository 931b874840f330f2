"""How many writes were judged and refused, under KEDA's names."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.base.problems import Problem
from tidegate.telemetry.metrics.catalogue import WEBHOOK_JUDGED, WEBHOOK_REFUSED, WEBHOOK_UNJUDGED
from tidegate.telemetry.metrics.families import Metric
from tidegate.telemetry.metrics.process import ProcessMetrics

# The first that fits: what a problem's path begins with, a part of its message, KEDA's word.
_REASONS = (
    ("spec.scaleTargetRef", "by the ScaledObject", "other-scaled-object"),
    ("spec.scaleTargetRef", "by the hpa", "other-hpa"),
    ("spec.scaleTargetRef", "", "unknown-target"),
    ("spec.advanced.horizontalPodAutoscalerConfig.name", "by the ScaledObject", "other-scaled-object-hpa"),
    ("spec.advanced.horizontalPodAutoscalerConfig.name", "transfer", "transfer-ownership-missing-hpa-name"),
    ("spec.advanced.horizontalPodAutoscalerConfig.name", "", "hpa-name-too-long"),
    ("spec.advanced.scalingModifiers", "", "scaling-modifiers"),
    ("spec.fallback", "requires scalingModifiers.formula", "scaling-modifiers-fallback"),
    ("spec.fallback", "", "incorrect-fallback"),
    ("spec.minReplicaCount", "only cpu/memory triggers", "scale-to-zero-requirements-not-met"),
    ("spec.minReplicaCount", "", "incorrect-replicas"),
    ("spec.maxReplicaCount", "", "incorrect-replicas"),
    ("spec.idleReplicaCount", "", "incorrect-replicas"),
    ("spec.triggers", "request defined", "missing-requests"),
    ("spec.triggers", "", "incorrect-triggers"),
    ("metadata.name", "the HPA would be named", "hpa-name-too-long"),
    ("metadata.name", "", "name-too-long"),
)
_OTHER = "invalid"
"""What KEDA's CRD refuses before its webhook is asked."""


def reason_of(problem: Problem) -> str:
    """KEDA's word for a refusal; `invalid` where it has none."""
    for path, words, reason in _REASONS:
        if problem.path.startswith(path) and words in problem.message:
            return reason
    return _OTHER


class Counters:
    """Counted here, gathered by whoever collects metrics."""

    def __init__(self) -> None:
        self._judged = Metric(WEBHOOK_JUDGED)
        self._refused = Metric(WEBHOOK_REFUSED)
        self._unjudged = Metric(WEBHOOK_UNJUDGED, {(): 0.0})
        self._process = ProcessMetrics()

    def judged(self, namespace: str, action: str) -> None:
        self._judged.add(1.0, namespace, action)

    def refused(self, namespace: str, action: str, problems: Iterable[Problem]) -> None:
        """Each reason once for a refused object."""
        for reason in sorted({reason_of(one) for one in problems}):
            self._refused.add(1.0, namespace, action, reason)

    def unjudged(self) -> None:
        self._unjudged.add(1.0)

    async def gather(self) -> list[Metric]:
        """All metrics as they are now."""
        return [self._judged, self._refused, self._unjudged, *self._process.metrics()]
