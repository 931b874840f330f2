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
# Each lost race is one that somebody else has won: more than this many in a row are no coincidence.
TRIES = 20


class References:
    """Keeps status.scaledobjects and status.scaledjobs of the authentications in step."""

    def __init__(self, world: World, writer: Writer) -> None:
        self.world = world
        self.writer = writer

    async def add(self, place: Place, triggers: Iterable[Trigger]) -> None:
        """The object's name stands in every authentication it refers to."""
        for authentication in self._referenced(place, triggers):
            await self._change(authentication, place, is_used=True)

    async def drop(self, place: Place, triggers: Iterable[Trigger]) -> None:
        """The object's name stands in none of them any more."""
        for authentication in self._referenced(place, triggers):
            await self._change(authentication, place, is_used=False)

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

    async def _change(self, authentication: Object, place: Place, *, is_used: bool) -> None:
        """A conflict means that somebody else wrote first, often for another object: looked at again."""
        metadata = authentication["metadata"]
        where = (_kind(metadata), metadata.get("namespace", ""), metadata["name"])
        for _ in range(TRIES):
            names = _names(authentication, place)
            if (place.name in names) == is_used:
                return
            names = [*names, place.name] if is_used else [one for one in names if one != place.name]
            patch = {
                "metadata": {"resourceVersion": authentication["metadata"]["resourceVersion"]},
                "status": {_field(place): ",".join(names)},
            }
            try:
                await self.writer.client.patch(*where, patch, subresource="status")
                return
            except ApiError as error:
                if error.reason == "NotFound":
                    return
                if error.reason != "Conflict":
                    raise
            authentication = await self.writer.client.get(*where)
        raise ApiError(409, "Conflict", f"{where[0].plural} {where[2]} changes all the time")


def _kind(metadata: Object) -> Resource:
    return TRIGGER_AUTHENTICATIONS if metadata.get("namespace") else CLUSTER_TRIGGER_AUTHENTICATIONS


def _field(place: Place) -> str:
    return "scaledobjects" if place.resource == SCALED_OBJECTS else "scaledjobs"


def _names(authentication: Object, place: Place) -> list[str]:
    text = (authentication.get("status") or {}).get(_field(place)) or ""
    return [one for one in text.split(",") if one]
