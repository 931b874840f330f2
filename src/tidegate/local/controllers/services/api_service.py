"""The Service `kubernetes`, by which programs in pods reach the API: kept, and made anew when deleted."""

from __future__ import annotations

from collections.abc import Iterable

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICES, ApiError, Resource
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.owner_references import is_deleting, key_of
from tidegate.local.controllers.services.writes import OF_SERVICE, ensure
from tidegate.local.objects import Change, Object, Objects

PLACE = ("default", "kubernetes")
PORT = 443
LABELS = {"component": "apiserver", "provider": "kubernetes"}
SKIP_MIRROR = "endpointslice.kubernetes.io/skip-mirror"
AGAIN_S = 1.0


class ApiService:
    """Its Endpoints name one address and port, `address` and `port`."""

    def __init__(self, objects: Objects, address: str, port: int) -> None:
        self.objects = objects
        self._address = address
        self._port = port

    def resources(self) -> Iterable[Resource]:
        return (NAMESPACES, SERVICES, ENDPOINTS, ENDPOINT_SLICES)

    def keys(self, change: Change) -> Iterable[Name]:
        is_home = change.resource == NAMESPACES and change.object["metadata"]["name"] == PLACE[0]
        return [PLACE] if is_home or key_of(change.object) == PLACE else []

    async def reconcile(self, key: Name) -> float | None:
        found = self.objects.get(SERVICES, *PLACE)
        if found is not None and is_deleting(found):
            return AGAIN_S
        await api_address(self.objects, self._port)
        for resource, wanted in self._endpoints():
            await ensure(self.objects, resource, wanted)
        return None

    def _endpoints(self) -> list[tuple[Resource, Object]]:
        port = {"name": "https", "port": self._port, "protocol": "TCP"}
        # Both are written by us: what one says need not be copied into the other.
        labels = {SKIP_MIRROR: "true"}
        subsets = [{"addresses": [{"ip": self._address}], "ports": [port]}]
        endpoint = {"addresses": [self._address], "conditions": {"ready": True}}
        one_slice = {"addressType": "IPv4", "endpoints": [endpoint], "ports": [port]}
        return [
            (ENDPOINTS, {**_named(ENDPOINTS, labels), "subsets": subsets}),
            (ENDPOINT_SLICES, {**_named(ENDPOINT_SLICES, {OF_SERVICE: PLACE[1]}), **one_slice}),
        ]


async def api_address(objects: Objects, port: int) -> str:
    """The address by which pods reach the API, whose Service is made if it is not there."""
    wanted = _service(port)
    found = objects.get(SERVICES, *PLACE)
    if found is None:
        found = await _create(objects, SERVICES, wanted)
    elif found["spec"].get("ports") != wanted["spec"]["ports"]:
        found = await objects.patch(SERVICES, *PLACE, {"spec": {"ports": wanted["spec"]["ports"]}})
    return str((found or wanted)["spec"].get("clusterIP", ""))


async def _create(objects: Objects, resource: Resource, body: Object) -> Object | None:
    try:
        return await objects.create(resource, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return objects.get(resource, *PLACE)


def _named(resource: Resource, labels: dict[str, str]) -> Object:
    metadata = {"namespace": PLACE[0], "name": PLACE[1], "labels": labels}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _service(port: int) -> Object:
    https = {"name": "https", "port": PORT, "protocol": "TCP", "targetPort": port}
    return {**_named(SERVICES, LABELS), "spec": {"type": "ClusterIP", "ports": [https]}}
