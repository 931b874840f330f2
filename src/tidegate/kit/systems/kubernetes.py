"""Kubernetes as a source of numbers: questions that the watch caches answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from tidegate.kit.picking.pick import Pick
from tidegate.kit.systems.calls import NO_CALL, Calls


@dataclass(frozen=True, slots=True)
class KubernetesServer:
    """The cluster (or the local API) that the autoscaler itself works for; there is only one."""

    calls: ClassVar[Calls] = NO_CALL

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


@dataclass(frozen=True, slots=True)
class StoredValue:
    """What `pick` finds in one key of a ConfigMap or Secret, None where it finds nothing.

    Misconfigured where there is no such object or key.
    """

    namespace: str
    kind: Literal["ConfigMap", "Secret"]
    name: str
    key: str
    pick: Pick
    server: KubernetesServer = KubernetesServer()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a Service, with the ports that its pods listen on."""

    address: str
    ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceEndpoints:
    """The ready endpoints of a Service, each address once: a tuple of `Endpoint`, perhaps an empty one."""

    namespace: str
    service: str
    server: KubernetesServer = KubernetesServer()
