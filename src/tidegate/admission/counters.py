"""How many writes were judged and refused, under KEDA's names."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import choose_encoder

from tidegate.base.problems import Problem

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
    """Counted here, shown by `page`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._judged = Counter(
            "keda_webhook_scaled_object_validations",
            "ScaledObjects that were judged",
            ["namespace", "action"],
            registry=self._registry,
        )
        self._refused = Counter(
            "keda_webhook_scaled_object_validation_errors",
            "Reasons for which ScaledObjects and ScaledJobs were refused",
            ["namespace", "action", "reason"],
            registry=self._registry,
        )
        self._unjudged = Counter(
            "tidegate_webhook_unjudged",
            "Requests that could not be judged: no reviews, or a defect of ours",
            registry=self._registry,
        )

    def judged(self, namespace: str, action: str) -> None:
        self._judged.labels(namespace, action).inc()

    def refused(self, namespace: str, action: str, problems: Iterable[Problem]) -> None:
        """Each reason once for a refused object."""
        for reason in sorted({reason_of(one) for one in problems}):
            self._refused.labels(namespace, action, reason).inc()

    def unjudged(self) -> None:
        self._unjudged.inc()

    def page(self, accept: str) -> tuple[bytes, str]:
        """The text for `Accept`, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
