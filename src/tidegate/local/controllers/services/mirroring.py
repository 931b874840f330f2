"""Endpoints that somebody wrote for a Service without selector, mirrored into EndpointSlices.

Whoever forwards or resolves reads slices only. Slices that somebody wrote are left alone, and so are
Endpoints whose author says that they are not to be mirrored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, SERVICES, Resource
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import is_deleting, key_of, reference
from tidegate.local.controllers.services.api_service import SKIP_MIRROR
from tidegate.local.controllers.services.writes import MANAGED_BY, OF_SERVICE, drop, ensure
from tidegate.local.objects import Change, Object, Objects

MIRRORING = "endpointslicemirroring-controller.k8s.io"
# An Endpoints object that serves as a lock of older leader elections.
LEADER = "control-plane.alpha.kubernetes.io/leader"


class Mirroring:
    """The EndpointSlice mirroring controller."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def resources(self) -> Iterable[Resource]:
        return (SERVICES, ENDPOINTS, ENDPOINT_SLICES)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource != ENDPOINT_SLICES:
            return [key_of(change.object)]
        labels = change.object["metadata"].get("labels") or {}
        if labels.get(MANAGED_BY) != MIRRORING:
            return []
        return [(change.object["metadata"]["namespace"], labels.get(OF_SERVICE, ""))]

    async def reconcile(self, key: Name) -> float | None:
        service, endpoints = self.objects.get(SERVICES, *key), self.objects.get(ENDPOINTS, *key)
        wanted: list[Object] = []
        if service is not None and endpoints is not None and is_mirrored(service, endpoints):
            wanted = mirrors_of(endpoints)
        for one in wanted:
            await ensure(self.objects, ENDPOINT_SLICES, one)
        kept = {one["metadata"]["name"] for one in wanted}
        labels = {OF_SERVICE: key[1], MANAGED_BY: MIRRORING}
        for one in self.objects.list(ENDPOINT_SLICES, key[0], labels=labels):
            if one["metadata"]["name"] not in kept:
                await drop(self.objects, one)
        return None


def is_mirrored(service: Object, endpoints: Object) -> bool:
    metadata = endpoints["metadata"]
    return not (
        service["spec"].get("selector")
        or is_deleting(service)
        or is_deleting(endpoints)
        or (metadata.get("labels") or {}).get(SKIP_MIRROR) == "true"
        or LEADER in (metadata.get("annotations") or {})
    )


def mirrors_of(endpoints: Object) -> list[Object]:
    """A slice for each subset and family of addresses; none where there are no addresses."""
    metadata = endpoints["metadata"]
    letters = pod_control.letters(int.from_bytes(str(metadata["uid"]).encode(), "big"), 5)
    labels = {**(metadata.get("labels") or {}), OF_SERVICE: metadata["name"], MANAGED_BY: MIRRORING}
    found: list[Object] = []
    for subset in endpoints.get("subsets") or ():
        for family in ("IPv4", "IPv6"):
            listed = [one for is_of, one in _endpoints(subset) if is_of == family]
            if listed:
                index = f"-{len(found)}" if found else ""
                found.append(
                    {
                        "apiVersion": ENDPOINT_SLICES.api_version,
                        "kind": ENDPOINT_SLICES.kind,
                        "metadata": {
                            "name": f"{metadata['name'][:240]}-{letters}{index}",
                            "generateName": f"{metadata['name'][:240]}-",
                            "namespace": metadata["namespace"],
                            "labels": labels,
                            "ownerReferences": [reference(ENDPOINTS, endpoints)],
                        },
                        "addressType": family,
                        "endpoints": listed,
                        "ports": [_port(port) for port in subset.get("ports") or ()],
                    }
                )
    return found


def _endpoints(subset: dict[str, Any]) -> Iterator[tuple[str, Object]]:
    for field, is_ready in (("addresses", True), ("notReadyAddresses", False)):
        for address in subset.get(field) or ():
            more = {
                name: address[name] for name in ("hostname", "nodeName", "targetRef") if address.get(name)
            }
            family = "IPv6" if ":" in address["ip"] else "IPv4"
            yield family, {"addresses": [address["ip"]], "conditions": {"ready": is_ready}, **more}


def _port(port: dict[str, Any]) -> Object:
    found = {"name": port.get("name", ""), "port": port["port"], "protocol": port.get("protocol", "TCP")}
    return found | ({"appProtocol": port["appProtocol"]} if port.get("appProtocol") else {})
