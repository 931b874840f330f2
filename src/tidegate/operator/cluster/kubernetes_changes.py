"""Who is woken by which change of an object: triggers that count pods, or read what an object keeps.

The watches that answer tell of it; nothing more is asked of the API server. Most changes of a pod (a probe, a
restarted container) change no count and wake nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.base.selectors import Selector, parse_selector
from tidegate.kit.systems.kubernetes import PodCount, StoredValue
from tidegate.kube.resource import PODS, Resource
from tidegate.operator.cluster.informers import Informers, PodMark, name_of, namespace_of
from tidegate.operator.cluster.kubernetes_answers import ENDED, KINDS

Place = tuple[Resource, str]


@dataclass(eq=False, slots=True)
class _PodWatcher:
    """`part` of a pod is what it adds to the answer: itself, or its node; None: nothing."""

    pushed: Callable[[], None]
    selector: Selector
    is_grouped_by_node: bool

    def part(self, pod: PodMark | None) -> str | None:
        if pod is None or pod.phase in ENDED or not self.selector.matches(pod.metadata.labels or {}):
            return None
        return (pod.spec.node_name or None) if self.is_grouped_by_node else pod.metadata.name


@dataclass(eq=False, slots=True)
class _KeyWatcher:
    """`part` of an object is the text of the key; None where there is none."""

    pushed: Callable[[], None]
    name: str
    key: str

    def part(self, one: dict[str, Any] | None) -> Any:
        if one is None or name_of(one) != self.name:
            return None
        return (one.get("data") or {}).get(self.key)


class KubernetesChanges:
    """The watches of questions to Kubernetes. `heard` is told every change that the informers hear of."""

    def __init__(self, informers: Informers) -> None:
        self._informers = informers
        self._watchers: dict[Place, dict[_PodWatcher | _KeyWatcher, None]] = {}

    async def watch(self, question: Any, pushed: Callable[[], None]) -> None:
        """See `ObjectChanges`. A change before it was called is in the caches that answer."""
        place, watcher = _place(question), _watcher(question, pushed)
        self._watchers.setdefault(place, {})[watcher] = None
        try:
            self._informers.cache(place[0])
            await asyncio.get_running_loop().create_future()
        finally:
            members = self._watchers[place]
            del members[watcher]
            if not members:
                del self._watchers[place]

    def is_watching(self, question: Any) -> bool:
        """Whether the kind is followed there, and was heard of lately."""
        resource, namespace = _place(question)
        informers = self._informers
        return informers.has_listed(resource, namespace) and not informers.is_away(resource, namespace)

    def heard(self, resource: Resource, old: Any, new: Any) -> None:
        """An object has come (`old` None), changed, or gone (`new` None)."""
        members = self._watchers.get((resource, namespace_of(new if new is not None else old)))
        if not members or (resource == PODS and _is_same(old, new)):
            return
        for watcher in tuple(members):
            if watcher.part(old) != watcher.part(new):
                watcher.pushed()


def _is_same(old: PodMark | None, new: PodMark | None) -> bool:
    """Whether nothing of the pod has changed by which anybody counts it."""
    if old is None or new is None:
        return False
    is_ended = old.phase in ENDED, new.phase in ENDED
    labels = old.metadata.labels or {}, new.metadata.labels or {}
    return is_ended[0] == is_ended[1] and labels[0] == labels[1] and old.spec.node_name == new.spec.node_name


def _place(question: Any) -> Place:
    if isinstance(question, PodCount):
        return PODS, question.namespace
    if isinstance(question, StoredValue):
        return KINDS[question.kind], question.namespace
    raise _unknown(question)


def _watcher(question: Any, pushed: Callable[[], None]) -> _PodWatcher | _KeyWatcher:
    if isinstance(question, PodCount):
        return _PodWatcher(pushed, parse_selector(question.selector), question.is_grouped_by_node)
    return _KeyWatcher(pushed, question.name, question.key)


def _unknown(question: Any) -> TidegateError:
    return Unsupported(f"watch {type(question).__name__}", on="the Kubernetes API")
