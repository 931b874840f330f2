"""Services: Endpoints and EndpointSlices of the Pods they select."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Resource
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import is_deleting, key_of, reference
from tidegate.local.controllers.services.endpoints import endpoints_of, slices_of
from tidegate.local.controllers.services.writes import drop, ensure
from tidegate.local.objects import Change, Object, Objects


class Services:
    """The endpoints controller. What a Service without a selector offers is said by its author."""

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
        endpoints, wanted = endpoints_of(service, pods), slices_of(service, pods)
        for resource, one in ((ENDPOINTS, endpoints), *((ENDPOINT_SLICES, one) for one in wanted)):
            one["metadata"]["ownerReferences"] = [reference(SERVICES, service)]
            await ensure(self.objects, resource, one)
        await self._drop_slices(service, {one["metadata"]["name"] for one in wanted})
        return None

    async def _drop_slices(self, service: Object, kept: set[str]) -> None:
        for resource, one in self.objects.owned(service["metadata"]["uid"]):
            name = one["metadata"]["name"]
            if resource == ENDPOINT_SLICES and name not in kept:
                await drop(self.objects, one)


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
        pod["spec"].get("nodeName"),
    )
