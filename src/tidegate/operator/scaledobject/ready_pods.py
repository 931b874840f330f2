"""How many pods of a target are ready: what a fallback of a Value metric is divided by."""

from __future__ import annotations

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.selectors import parse_selector
from tidegate.kube.resource import PODS
from tidegate.operator.cluster.informers import Informers, PodMark
from tidegate.operator.reconcile.tracker import Key
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.operator.scaledobject.scale_target import Target


class ReadyPods:
    """Counts from the watch of pods, which begins with the first object that needs it."""

    def __init__(self, informers: Informers) -> None:
        self.informers = informers

    async def count(self, object: ScaledObject, target: Target, plan: Plan) -> int | Failure | None:
        """Pods that are running and ready; None where the object has no use for the number."""
        if not _is_needed(object, plan):
            return None
        if not target.selector:
            return Failure("Misconfigured", f"the scale of {target.name} tells no selector of its pods")
        try:
            selector = parse_selector(target.selector)
            namespace = object.metadata.namespace
            pods: list[PodMark] = self.informers.checked(PODS, namespace).list(namespace)
        except TidegateError as error:
            return Failure.of(error)
        except ValueError as error:
            return Failure("Malformed", f"the selector of {target.name} cannot be read: {error}")
        return sum(pod.is_ready and selector.matches(pod.metadata.labels or {}) for pod in pods)


def _is_needed(object: ScaledObject, plan: Plan) -> bool:
    if object.spec.fallback is None:
        return False
    composite = plan.review.composite
    composed = (composite.metric,) if composite is not None else ()
    metrics = [*composed, *(metric for one in plan.review.triggers for metric in one.metrics)]
    return any(metric.target_type == "Value" for metric in metrics)


def told_ready(informers: Informers, target: Key | None) -> int | None:
    """What a watched target says of its ready pods; None where it says nothing."""
    if target is None:
        return None
    try:
        found = informers.get(*target)
    except TidegateError:
        return None
    status = (found or {}).get("status") or {}
    return int(status.get("readyReplicas") or 0) if status else None
