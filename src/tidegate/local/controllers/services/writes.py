"""What the controllers of this room write: brought to its shape, and not written when it has it."""

from __future__ import annotations

from tidegate.kube.resource import ENDPOINT_SLICES, ApiError, Resource
from tidegate.local.controllers.owner_references import key_of
from tidegate.local.objects import Object, Objects

OF_SERVICE = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"


async def ensure(objects: Objects, resource: Resource, wanted: Object) -> None:
    """Brings the object to this shape; what others wrote into its metadata stays."""
    found = objects.get(resource, *key_of(wanted))
    if found is None:
        await objects.create(resource, wanted)
        return
    new = {**wanted, "metadata": {**found["metadata"], **wanted["metadata"]}}
    if new != found:
        await objects.update(resource, new)


async def drop(objects: Objects, one: Object) -> None:
    """Deletes an EndpointSlice that may be gone already."""
    try:
        await objects.delete(ENDPOINT_SLICES, *key_of(one), uid=one["metadata"]["uid"])
    except ApiError as error:
        if error.reason != "NotFound":
            raise
