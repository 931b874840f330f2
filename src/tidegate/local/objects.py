"""The embedded API's write path, as controllers and nodes use it in process (never over HTTP).

`apiserver/` implements it; `controllers/` and `nodes/` know only this protocol. Objects are plain
JSON dictionaries in their wire shape; every read returns a copy of its own. Kinds are named by
`tidegate.kube.resource.Resource`. Errors are `tidegate.kube.resource.ApiError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from tidegate.kube.resource import Resource

Object = dict[str, Any]
NODE = "local"
"""The one node."""

ENDED_ATTEMPTS = "tidegate.dev/ended-attempts"
"""A Job's annotation with what its status has counted; it is written with the status, and only so."""

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""A Job's annotation with the moment that its CronJob made it for."""

TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""A DaemonSet's annotation: how often its template has changed."""

CLAIM_IN_USE = "kubernetes.io/pvc-protection"
"""The finalizer that a claim is stored with, and keeps while a Pod runs on it."""

VOLUME_IN_USE = "kubernetes.io/pv-protection"
"""The finalizer that a volume is stored with, and keeps while it has its claim."""

VOLUME_DRIVER = "local.tidegate.dev"
"""The CSI driver of volumes that are made here: its handles are folders of the node."""

BUILT_IN = "tidegate.dev/built-in"
"""The label of objects that show a part of this program: `shown`; `installed` once somebody has made it."""

PART = "tidegate.dev/part"
"""The label of pods that show a part of this program: which one."""

AUTHORITY = "kube-root-ca.crt"
"""The ConfigMap of every namespace whose `ca.crt` is what pods check the API's certificate by."""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write. `object` is the new state (the last one for DELETED); do not modify it."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    resource: Resource
    object: Object
    previous: Object | None = None


class Objects(Protocol):
    """Reads answer from memory; writes return after their group commit, as watchers see them."""

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None. `namespace` is "" for cluster-scoped kinds."""

    def list(
        self, resource: Resource, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """All objects of the kind (in a namespace; with these labels), sorted by namespace/name."""

    def owned(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        """Objects that name `uid` among their ownerReferences (indexed, never scanned)."""

    async def create(self, resource: Resource, body: Object) -> Object:
        """Stored with defaults, uid and resourceVersion. AlreadyExists (409) when the name is taken."""

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        """Replaces. A resourceVersion in the body must match (409 Conflict), else unconditional.

        `subresource="status"` changes only status. A write that changes nothing keeps the version.
        """

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        """Merge patch (RFC 7386), retried on the newest object; a resourceVersion in it must match."""

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        grace_s: int | None = None,
        uid: str = "",
    ) -> None:
        """Deletes, or marks deleted while finalizers or a grace period hold it. NotFound is an error.

        `grace_s=0` on a Pod removes the object at once: only the node does that, after the processes
        have ended.
        """

    def subscribe(self, resources: Iterable[Resource], on_change: Callable[[Change], None]) -> None:
        """Calls `on_change` after each commit of these kinds, on the loop, in commit order.

        Nothing is replayed: list first. `on_change` must return at once (put a key on a queue).
        """

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        """Emits a core/v1 Event; the same message about the same object raises its count instead."""
