"""Which unfinished Jobs still have to begin, for the strategies that subtract them.

Source: KEDA, "ScaledJob: pendingPodConditions". Who cannot see a Job's pods takes the Job for pending:
that can only make us start too few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Unreachable
from tidegate.core.scaledjob.job_count import counts_pending
from tidegate.kube.resource import PODS
from tidegate.operator.cluster.informers import Informers, PodMark

Object = dict[str, Any]

POD_LABEL = "job-name"
STARTED = ("Running", "Succeeded")
# How long the first reconcile waits for the list of pods.
FIRST_LIST_S = 2.0


class PendingJobs:
    """Looks at the pods of Jobs. The watch of pods begins with the first object that needs it."""

    def __init__(self, informers: Informers) -> None:
        self.informers = informers

    async def follow(self, object: ScaledJob) -> None:
        """Begins to follow pods where the object's strategy asks for them."""
        if counts_pending(object.spec.scaling_strategy):
            await self.informers.listed(PODS, FIRST_LIST_S)

    def rule(self, object: ScaledJob) -> Callable[[Object], bool]:
        """Whether an unfinished Job of the object is pending; never, where its strategy does not ask."""
        strategy = object.spec.scaling_strategy
        if strategy is None or not counts_pending(strategy):
            return lambda job: False
        wanted = frozenset(strategy.pending_pod_conditions or ())

        def is_pending(job: Object) -> bool:
            return not any(_has_begun(pod, wanted) for pod in self._pods(job))

        return is_pending

    def _pods(self, job: Object) -> list[PodMark]:
        metadata = job["metadata"]
        try:
            return self.informers.labelled(PODS, metadata.get("namespace", ""), (POD_LABEL, metadata["name"]))
        except Unreachable:
            return []


def _has_begun(pod: PodMark, wanted: frozenset[str]) -> bool:
    """Running or done; with conditions asked for, those and nothing else, all on this one pod."""
    if not wanted:
        return pod.phase in STARTED
    return wanted <= pod.true_conditions
