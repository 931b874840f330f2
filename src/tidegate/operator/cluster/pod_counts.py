"""Answers how many pods match, from a watch that keeps of each pod only what counting needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.base.errors import Unsupported
from tidegate.base.selectors import parse_selector
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kube.caches import Cache
from tidegate.kube.resource import PODS
from tidegate.operator.cluster.informers import Informers, PodMark

ENDED = ("Succeeded", "Failed")


class PodCounts:
    """Answers `PodCount`. The watch of pods begins with the first question."""

    def __init__(self, informers: Informers) -> None:
        self.informers = informers

    async def answer(self, question: Any) -> Any:
        """Waits for the first list: before that nobody knows, and nobody may say zero; nor may anybody
        while the watch is lost.
        """
        checked = pod_count(question)
        await self.informers.cache(PODS).synced()
        pods: Cache[PodMark] = self.informers.checked(PODS)
        return counted(pods.list(checked.namespace), checked)


def pod_count(question: Any) -> PodCount:
    """The question, if it is one that pods answer; Unsupported otherwise."""
    if not isinstance(question, PodCount):
        raise Unsupported(f"answer {type(question).__name__}", on="the Kubernetes API")
    return question


def counted(pods: Iterable[PodMark], question: PodCount) -> int:
    """How many of the namespace's pods are meant."""
    selector = parse_selector(question.selector)
    found = [pod for pod in pods if pod.phase not in ENDED and selector.matches(pod.metadata.labels or {})]
    if question.is_grouped_by_node:
        return len({pod.spec.node_name for pod in found if pod.spec.node_name})
    return len(found)
