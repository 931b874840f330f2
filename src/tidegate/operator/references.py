"""Which objects use a TriggerAuthentication: their names stand in its status, as KEDA writes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.api.triggers import Trigger
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.operator.world import World
from tidegate.operator.writer import Place, Writer

Object = dict[str, Any]


class References:
    """Keeps status.scaledobjects and status.scaledjobs of the authentications in step."""

    def __init__(self, world: World, writer: Writer) -> None:
        self.world = world
        self.writer = writer

    async def add(self, place: Place, triggers: Iterable[Trigger]) -> None:
        """The object's name stands in every authentication it refers to."""
        for authentication in self._referenced(place, triggers):
            names = _names(authentication, place)
            if place.name not in names:
                await self._write(authentication, place, [*names, place.name])

    async def drop(self, place: Place, triggers: Iterable[Trigger]) -> None:
        """The object's name stands in none of them any more."""
        for authentication in self._referenced(place, triggers):
            names = _names(authentication, place)
            if place.name in names:
                await self._write(authentication, place, [one for one in names if one != place.name])

    def _referenced(self, place: Place, triggers: Iterable[Trigger]) -> list[Object]:
        found: dict[str, Object] = {}
        for trigger in triggers:
            ref = trigger.authentication_ref
            if ref is None:
                continue
            resource = CLUSTER_TRIGGER_AUTHENTICATIONS if ref.is_cluster else TRIGGER_AUTHENTICATIONS
            try:
                one = self.world.get(resource, "" if ref.is_cluster else place.namespace, ref.name)
            except TidegateError:
                continue
            if one is not None:
                found[one["metadata"]["uid"]] = one
        return list(found.values())

    async def _write(self, authentication: Object, place: Place, names: list[str]) -> None:
        """A conflict means that somebody else wrote first: the next look sees it and tries again."""
        metadata = authentication["metadata"]
        is_cluster = not metadata.get("namespace")
        resource: Resource = CLUSTER_TRIGGER_AUTHENTICATIONS if is_cluster else TRIGGER_AUTHENTICATIONS
        patch = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "status": {_field(place): ",".join(names)},
        }
        try:
            await self.writer.client.patch(
                resource, metadata.get("namespace", ""), metadata["name"], patch, subresource="status"
            )
        except ApiError as error:
            if error.reason not in ("Conflict", "NotFound"):
                raise


def _field(place: Place) -> str:
    return "scaledobjects" if place.resource == SCALED_OBJECTS else "scaledjobs"


def _names(authentication: Object, place: Place) -> list[str]:
    text = (authentication.get("status") or {}).get(_field(place)) or ""
    return [one for one in text.split(",") if one]
