"""Carrying actions out: every write the operator makes goes through here, one writer per object.

A write that was done already is no error (a Job that exists and is ours, one that is gone); anything
else is raised, so that the reconcile is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.core.values import Action, EmitEvent
from tidegate.kube.client import Client
from tidegate.kube.events import EventQueue, Events, News, Reference
from tidegate.kube.resource import HPAS, JOBS, ApiError, Resource
from tidegate.operator.cluster.job_result import finished_as

Object = dict[str, Any]

REFUSED = (ApiError, TidegateError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object of ours stands, and how an event refers to it."""

    resource: Resource
    namespace: str
    name: str
    uid: str

    def reference(self) -> Reference:
        one = self.resource
        return Reference(one.api_version, one.kind, self.namespace, self.name, self.uid)


@dataclass(frozen=True, slots=True)
class Creation:
    """What became of a round: Jobs that exist now, refusals by name, and names that nobody knows about,
    with what came instead of an answer. `is_invalid`: refused for what they are.
    """

    created: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]
    is_invalid: bool = False


class Writer:
    """The write side of the operator. `is_shadow`: nothing that it is asked for is done."""

    is_shadow: ClassVar[bool] = False

    def __init__(self, client: Client, events: Events) -> None:
        self.client = client
        self.events = EventQueue(events)
        self.status_writes = 0
        self.on_event: Callable[[Place, EmitEvent], None] = lambda place, event: None

    def permitted(self, actions: tuple[Action, ...]) -> tuple[Action, ...]:
        """Those of a decision's actions that may be carried out: all."""
        return actions

    async def event(self, place: Place, event: EmitEvent) -> None:
        """Tells, beside what is done; a server that does not take events stops nothing. `on_event` hears of
        each."""
        self.on_event(place, event)
        self.events.put(place.reference(), News(event.type, event.reason, event.message))

    async def status(self, place: Place, status: Object, version: str = "") -> Object:
        """One merge patch of the status; the object as it is then. With `version`, only if it is still that
        one (Conflict)."""
        self.status_writes += 1
        patch: Object = {"status": status, **({"metadata": {"resourceVersion": version}} if version else {})}
        return await self.client.patch(
            place.resource, place.namespace, place.name, patch, subresource="status"
        )

    async def metadata(self, place: Place, metadata: Object, version: str = "") -> Object:
        """A merge patch of metadata; with `version`, only if the object is still that one (Conflict)."""
        if version:
            metadata = {**metadata, "resourceVersion": version}
        return await self.client.patch(place.resource, place.namespace, place.name, {"metadata": metadata})

    async def replicas(
        self, target: Resource, namespace: str, name: str, replicas: int, previous: int | None = None
    ) -> None:
        """Sets the count through /scale. With `previous`, only if that is still the count (Conflict):
        a cache that is behind must not lower what an HPA has raised since.
        """
        patch: Object = {"spec": {"replicas": replicas}}
        if previous is not None:
            scale = await self.client.get(target, namespace, name, subresource="scale")
            found = int((scale.get("spec") or {}).get("replicas") or 0)
            if found != previous:
                raise ApiError(
                    409, "Conflict", f"{target.plural} {name} has {found} replicas, not {previous}"
                )
            patch["metadata"] = {"resourceVersion": scale["metadata"]["resourceVersion"]}
        await self.client.patch(target, namespace, name, patch, subresource="scale")

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        """The object as it is stored; {} of a writer that writes nothing."""
        return await self.client.create(resource, namespace, body)

    async def create_hpa(self, namespace: str, body: Object) -> Object:
        """The HPA as it is stored; {} of a writer that writes nothing."""
        return await self.client.create(HPAS, namespace, body)

    async def replace_hpa(self, namespace: str, body: Object) -> Object:
        return await self.client.replace(HPAS, namespace, body["metadata"]["name"], body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, propagation: str, *, uid: str = ""
    ) -> bool:
        """Gone already is gone. `uid` spares a namesake (Conflict). Whether it was there."""
        try:
            await self.client.delete(resource, namespace, name, propagation=propagation, uid=uid)
        except ApiError as error:
            if error.reason != "NotFound":
                raise
            return False
        return True

    async def delete_jobs(
        self, namespace: str, names: tuple[str, ...], propagation: str
    ) -> dict[str, bool | str]:
        """Deletes side by side. By name whether the Job was there, or why it is still. One that is refused
        keeps no other.
        """

        async def delete(name: str) -> bool | str:
            try:
                return await self.delete(JOBS, namespace, name, propagation)
            except REFUSED as error:
                return True if await self._is_leaving(namespace, name, error) else str(error)

        return dict(zip(names, await asyncio.gather(*(delete(name) for name in names)), strict=True))

    async def _is_leaving(self, namespace: str, name: str, error: ApiError | TidegateError) -> bool:
        """Whether a deletion was carried out and its answer lost."""
        if is_refusal(error):
            return False
        try:
            found = await self.client.get(JOBS, namespace, name)
        except REFUSED as lost:
            return isinstance(lost, ApiError) and lost.code == 404
        return bool(found["metadata"].get("deletionTimestamp"))

    async def create_jobs(self, namespace: str, bodies: list[Object]) -> Creation:
        """Creates side by side. A Job that exists already counts as created if it is the same one."""
        results = await asyncio.gather(*(self._create_job(namespace, body) for body in bodies))
        named = [(body["metadata"]["name"], result) for body, result in zip(bodies, results, strict=True)]
        return Creation(
            created=tuple(name for name, result in named if result is None),
            refused=tuple((name, str(r)) for name, r in named if r is not None and is_refusal(r)),
            unknown=tuple((name, str(r)) for name, r in named if r is not None and not is_refusal(r)),
            is_invalid=any(isinstance(r, ApiError) and r.code in (400, 422) for _, r in named),
        )

    async def _create_job(self, namespace: str, body: Object) -> ApiError | TidegateError | None:
        try:
            await self.client.create(JOBS, namespace, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                return error
            return await self._taken(namespace, body, error)
        except TidegateError as error:
            return error
        return None

    async def _taken(self, namespace: str, body: Object, taken: ApiError) -> ApiError | TidegateError | None:
        """None where the Job that has the name is the one of this owner and round, and has still to end."""
        try:
            found = await self.client.get(JOBS, namespace, body["metadata"]["name"])
        except REFUSED as error:
            # It may be ours: it counts until somebody can tell.
            return Unreachable(f"see whose Job {body['metadata']['name']} is", answer=str(error))
        if identity(found) != identity(body) or found["metadata"].get("deletionTimestamp"):
            return taken
        return None if not finished_as(found) else taken


def is_refusal(error: ApiError | TidegateError) -> bool:
    """Whether the server has certainly not done it. An internal error or a timeout may come after it."""
    return isinstance(error, ApiError) and error.code < 500


def may_pass(error: Exception) -> bool:
    """Whether the same request may succeed later, with nobody changing anything."""
    if isinstance(error, ApiError):
        return error.code >= 500 or error.code in (409, 429)
    return isinstance(error, Unreachable)


def identity(job: Object) -> tuple[str, str]:
    """Whose Job it is, and of which round."""
    metadata = job["metadata"]
    owners = [one["uid"] for one in metadata.get("ownerReferences") or () if one.get("controller")]
    return (owners[0] if owners else "", (metadata.get("annotations") or {}).get("tidegate.dev/round", ""))
