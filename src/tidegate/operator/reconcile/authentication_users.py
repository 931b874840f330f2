"""Which objects use a TriggerAuthentication: their names stand in its status, as KEDA writes them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggers import Trigger
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.writer import Place, Writer

Object = dict[str, Any]
Referring = ScaledObject | ScaledJob
# Each lost race is one that somebody else has won: more than this many in a row are no coincidence.
TRIES = 20

log = logging.getLogger(__name__)


class References:
    """Keeps status.scaledobjects and status.scaledjobs of the authentications in step."""

    def __init__(self, informers: Informers, writer: Writer) -> None:
        self.informers = informers
        self.writer = writer

    async def add(self, place: Place, triggers: Iterable[Trigger]) -> None:
        """The object's name stands in every authentication it refers to."""
        for authentication in self._referenced(place, triggers):
            await self._change(authentication, place, is_used=True)

    async def remove(self, place: Place, object: Referring) -> None:
        """The object's name leaves those that an edit has taken from it.

        This comes before the new status: who dies in between finds the old names there again. What the
        server refuses must not keep the object from being scaled.
        """
        try:
            await self.drop(place, object, object.spec.triggers)
        except ApiError as error:
            log.warning("user of an authentication not removed", extra={"error": str(error)})

    async def drop(self, place: Place, object: Referring, kept: Iterable[Trigger] = ()) -> None:
        """The object's name leaves those that it refers to, or did when its status was written.

        All but those that `kept` refer to.
        """
        stay = {one["metadata"]["uid"] for one in self._referenced(place, kept)}
        before = (object.status.authentications_types or "").split(",")
        named = [self._get(place, name, is_cluster=it) for name in before for it in (False, True)]
        for authentication in (*filter(None, named), *self._referenced(place, object.spec.triggers)):
            if authentication["metadata"]["uid"] not in stay and not self._has_namesake(
                authentication, place
            ):
                await self._change(authentication, place, is_used=False)

    def _referenced(self, place: Place, triggers: Iterable[Trigger]) -> list[Object]:
        refs = (trigger.authentication_ref for trigger in triggers)
        found = (self._get(place, ref.name, is_cluster=ref.is_cluster) for ref in refs if ref is not None)
        return list({one["metadata"]["uid"]: one for one in found if one is not None}.values())

    def _get(self, place: Place, name: str, *, is_cluster: bool) -> Object | None:
        resource = CLUSTER_TRIGGER_AUTHENTICATIONS if is_cluster else TRIGGER_AUTHENTICATIONS
        try:
            return self.informers.get(resource, "" if is_cluster else place.namespace, name)
        except TidegateError:
            return None

    def _has_namesake(self, authentication: Object, place: Place) -> bool:
        """Whether the name is also that of another namespace's object, which goes on using it."""
        if _kind(authentication["metadata"]) == TRIGGER_AUTHENTICATIONS:
            return False
        if place.name not in _names(authentication, place):
            return False
        return any(
            ref is not None and ref.is_cluster and ref.name == authentication["metadata"]["name"]
            for one in self.informers.cache(place.resource).list()
            if one.metadata.name == place.name and one.metadata.namespace != place.namespace
            for ref in (trigger.authentication_ref for trigger in one.spec.triggers)
        )

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
