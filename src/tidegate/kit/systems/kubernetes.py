"""Kubernetes as a source of numbers: questions that the watch caches answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class KubernetesServer:
    """The cluster (or the local API) that the autoscaler itself works for; there is only one."""

    system: ClassVar[str] = "kubernetes"

    def label(self) -> str:
        return "the Kubernetes API"


@dataclass(frozen=True, slots=True)
class PodCount:
    """How many pods of `namespace` match, not counting those Succeeded or Failed: an int.

    Terminating pods count. With `is_grouped_by_node`: on how many nodes they run.
    """

    namespace: str
    selector: str
    is_grouped_by_node: bool = False
    server: KubernetesServer = KubernetesServer()
