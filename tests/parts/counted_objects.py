"""`Objects` under test with what tests look at: writes, events, refusals, what is under way."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from tidegate.kube.resource import EVENTS, ApiError, Resource
from tidegate.local.objects import Change, Object, Objects

Result = TypeVar("Result")


class CountedObjects:
    """`refuse(resource, body)` may answer an error with which a create is refused."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.writes = 0
        self.in_flight = 0
        self.refuse: Callable[[Resource, Object], ApiError | None] = lambda resource, body: None

    def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        return self.objects.get(resource, namespace, name)

    def list(
        self, resource: Resource, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        return self.objects.list(resource, namespace, labels)

    def owned(self, uid: str) -> Sequence[tuple[Resource, Object]]:
        return self.objects.owned(uid)

    def subscribe(self, resources: Iterable[Resource], on_change: Callable[[Change], None]) -> None:
        self.objects.subscribe(resources, on_change)

    async def create(self, resource: Resource, body: Object) -> Object:
        error = self.refuse(resource, body)
        if error is not None:
            raise error
        return await self._write(self.objects.create(resource, body))

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        return await self._write(self.objects.update(resource, body, subresource))

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        return await self._write(self.objects.patch(resource, namespace, name, patch, subresource))

    async def delete(self, resource: Resource, namespace: str, name: str, **options: Any) -> None:
        await self._write(self.objects.delete(resource, namespace, name, **options))

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        await self._write(self.objects.event(about, type, reason, message, source))

    def events(self, reason: str) -> list[str]:
        """The messages of the events of this reason."""
        return [one["message"] for one in self.list(EVENTS) if one["reason"] == reason]

    async def _write(self, write: Coroutine[Any, Any, Result]) -> Result:
        self.writes += 1
        self.in_flight += 1
        try:
            return await write
        finally:
            self.in_flight -= 1
