"""What a ScaledObject scales: found by discovery, read from a watch where we may, else through /scale."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.selectors import format_label_selector
from tidegate.core import messages
from tidegate.kube.resource import DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, ApiError, Resource
from tidegate.operator.cluster.informers import Informers

Object = dict[str, Any]
# Their desired count stands in spec.replicas, so that their watch tells it.
WATCHED = {("Deployment", "apps"): DEPLOYMENTS, ("StatefulSet", "apps"): STATEFUL_SETS}
# How long the first reconcile waits for the list of a kind that nobody has followed before.
FIRST_LIST_S = 2.0

PLAIN = {DEPLOYMENTS, STATEFUL_SETS, REPLICA_SETS}


@dataclass(frozen=True, slots=True)
class Target:
    """A scale target as seen now.

    `resource` is None when its kind is unknown. `selector` is that of its pods as text, "" where it is
    not told. `failure` says why it cannot be scaled. `is_watched`: a change of it wakes its object.
    """

    resource: Resource | None
    name: str
    replicas: int | Failure
    template: Object | None = None
    failure: Failure | None = None
    is_watched: bool = False
    selector: str = ""

    def withheld(self, why: str) -> Target:
        """The target as one that this object must not scale."""
        failure = Failure("Misconfigured", f"{messages.TARGET_STAGE}: {why}")
        return replace(self, replicas=failure, failure=failure)

    @property
    def is_certain(self) -> bool:
        """Whether the server was seen to have it, or not to."""
        return self.failure is not None or not isinstance(self.replicas, Failure)

    @property
    def wakes(self) -> bool:
        """Whether a change of it is certain to be heard: else it must be read again."""
        return self.is_watched and self.is_certain

    @property
    def kind_text(self) -> str:
        """KEDA's `<group>/<version>.<Kind>`."""
        one = self.resource
        return f"{one.group}/{one.version}.{one.kind}" if one is not None else ""

    def status_fields(self) -> Object:
        """scaleTargetKind and scaleTargetGVKR of the status."""
        one = self.resource
        if one is None:
            return {}
        gvkr = {"group": one.group, "version": one.version, "kind": one.kind, "resource": one.plural}
        return {"scaleTargetKind": self.kind_text, "scaleTargetGVKR": gvkr}


class Targets:
    """Looks at scale targets."""

    def __init__(self, informers: Informers) -> None:
        self.informers = informers

    async def find(self, object: ScaledObject) -> Target:
        """The object's target as it is; what keeps it from being scaled is a value."""
        ref, namespace = object.spec.scale_target_ref, object.metadata.namespace
        try:
            resource = await self.resource(object)
        except (ApiError, TidegateError) as error:
            failure = Failure("Misconfigured", f"{messages.TARGET_STAGE}: {error}")
            return Target(None, ref.name, failure, failure=failure)
        if resource in PLAIN:
            return await self._watched(resource, namespace, ref.name)
        return await self._scaled(resource, namespace, ref.name)

    async def resource(self, object: ScaledObject) -> Resource:
        """The kind of its target; ApiError or TidegateError where that cannot be found out."""
        ref = object.spec.scale_target_ref
        api_version, kind = ref.api_version or "apps/v1", ref.kind or "Deployment"
        group, _, _ = api_version.rpartition("/")
        known = WATCHED.get((kind, group))
        if known is not None and self.informers.has_listed(known, object.metadata.namespace):
            return known
        found = await self.informers.discovery.resolve(api_version, kind)
        return known or found

    async def _watched(self, resource: Resource, namespace: str, name: str) -> Target:
        await self.informers.listed(resource, FIRST_LIST_S)
        try:
            found = self.informers.get(resource, namespace, name)
        except TidegateError as error:
            return Target(resource, name, Failure.of(error), is_watched=True)
        if found is None:
            return self._missing(resource, namespace, name, is_watched=True)
        spec = found.get("spec") or {}
        replicas = spec.get("replicas")
        return Target(
            resource,
            name,
            1 if replicas is None else replicas,
            spec.get("template"),
            is_watched=True,
            selector=format_label_selector(spec["selector"]) if spec.get("selector") else "",
        )

    async def _scaled(self, resource: Resource, namespace: str, name: str) -> Target:
        client = self.informers.client
        try:
            path_object = await client.get(resource, namespace, name)
        except ApiError as error:
            if error.code == 404:
                return self._missing(resource, namespace, name)
            return Target(resource, name, Failure("Denied", str(error)))
        except TidegateError as error:
            return Target(resource, name, Failure.of(error))
        template = (path_object.get("spec") or {}).get("template")
        try:
            scale = await client.get(resource, namespace, name, subresource="scale")
        except ApiError as error:
            text = f"Target resource doesn't expose /scale subresource: {error}"
            failure = Failure("Misconfigured", f"{messages.TARGET_STAGE}: {text}")
            return Target(resource, name, failure, template, failure)
        except TidegateError as error:
            return Target(resource, name, Failure.of(error), template)
        replicas = int((scale.get("spec") or {}).get("replicas") or 0)
        selector = (scale.get("status") or {}).get("selector") or ""
        return Target(resource, name, replicas, template, selector=selector)

    def _missing(self, resource: Resource, namespace: str, name: str, *, is_watched: bool = False) -> Target:
        failure = Failure(
            "Misconfigured",
            f"{messages.TARGET_STAGE}: {messages.MISSING_TARGET}: "
            f"there is no {resource.kind} {namespace}/{name}; create it, or correct spec.scaleTargetRef",
        )
        return Target(resource, name, failure, failure=failure, is_watched=is_watched)
