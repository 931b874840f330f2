"""Answers how many pods match, from a watch that keeps of each pod only what counting needs."""

from __future__ import annotations

from typing import Any

from tidegate.base.errors import Unsupported
from tidegate.base.selectors import parse_selector
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kube.caches import Cache
from tidegate.kube.resource import PODS
from tidegate.operator.world import PodMark, World

ENDED = ("Succeeded", "Failed")


class PodCounts:
    """Answers `PodCount`. The watch of pods begins with the first question."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def answer(self, question: Any) -> Any:
        """Waits for the first list: before that nobody knows, and nobody may say zero."""
        if not isinstance(question, PodCount):
            raise Unsupported(f"answer {type(question).__name__}", on="the Kubernetes API")
        cache: Cache[PodMark] = self.world.cache(PODS)
        await cache.synced()
        selector = parse_selector(question.selector)
        found = [
            pod
            for pod in cache.list(question.namespace)
            if pod.phase not in ENDED and selector.matches(pod.metadata.labels or {})
        ]
        if question.is_grouped_by_node:
            return len({pod.spec.node_name for pod in found if pod.spec.node_name})
        return len(found)
