"""Services: Endpoints and EndpointSlices of the Pods they select."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, ApiError, Resource
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import is_deleting, key_of, reference
from tidegate.local.controllers.services.endpoints import endpoints_of, slices_of
from tidegate.local.objects import Change, Object, Objects


class Services:
    """The endpoints controller. A Service without a selector is its author's own business."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def resources(self) -> Iterable[Resource]:
        return (SERVICES, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == SERVICES:
            return [key_of(change.object)]
        if change.type == "MODIFIED" and change.previous and _face(change.previous) == _face(change.object):
            return []
        labels = [one["metadata"].get("labels") or {} for one in (change.object, change.previous) if one]
        return [
            key_of(service)
            for service in self.objects.list(SERVICES, change.object["metadata"]["namespace"])
            if any(_selects(service, one) for one in labels)
        ]

    async def reconcile(self, key: Name) -> float | None:
        service = self.objects.get(SERVICES, *key)
        if service is None or is_deleting(service) or not service["spec"].get("selector"):
            return None
        labels = service["spec"]["selector"]
        pods = [
            pod
            for pod in self.objects.list(PODS, key[0], labels=labels)
            if (pod.get("status") or {}).get("podIP") and not pod_control.is_terminal(pod)
        ]
        await self._ensure(ENDPOINTS, service, endpoints_of(service, pods))
        wanted = slices_of(service, pods)
        for one in wanted:
            await self._ensure(ENDPOINT_SLICES, service, one)
        await self._drop_slices(service, {one["metadata"]["name"] for one in wanted})
        return None

    async def _ensure(self, resource: Resource, service: Object, wanted: Object) -> None:
        """Brings the object to this shape; what others wrote into its metadata stays."""
        wanted["metadata"]["ownerReferences"] = [reference(SERVICES, service)]
        found = self.objects.get(resource, *key_of(wanted))
        if found is None:
            await self.objects.create(resource, wanted)
            return
        new = {**wanted, "metadata": {**found["metadata"], **wanted["metadata"]}}
        if new != found:
            await self.objects.update(resource, new)

    async def _drop_slices(self, service: Object, kept: set[str]) -> None:
        for resource, one in self.objects.owned(service["metadata"]["uid"]):
            name = one["metadata"]["name"]
            if resource == ENDPOINT_SLICES and name not in kept:
                try:
                    await self.objects.delete(resource, *key_of(one), uid=one["metadata"]["uid"])
                except ApiError as error:
                    if error.reason != "NotFound":
                        raise


def _selects(service: Object, labels: dict[str, str]) -> bool:
    selector: dict[str, str] = service["spec"].get("selector") or {}
    return bool(selector) and selector.items() <= labels.items()


def _face(pod: Object) -> tuple[Any, ...]:
    """What a Service sees of a Pod."""
    return (
        pod["metadata"].get("labels"),
        is_deleting(pod),
        pod_control.is_terminal(pod),
        pod_control.is_ready(pod),
        (pod.get("status") or {}).get("podIP"),
    )
