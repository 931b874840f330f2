"""`Objects` in front of others: reads pass as they are, every write goes through `_write`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from tidegate.kube.resource import Resource
from tidegate.local.objects import Change, Object, Objects

Result = TypeVar("Result")
Write = Callable[[], Coroutine[Any, Any, Result]]


class ForwardedObjects:
    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    async def _write(self, write: Write[Result]) -> Result:
        """What `write()` returns, if and when it is to happen."""
        return await write()

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
        return await self._write(lambda: self.objects.create(resource, body))

    async def update(self, resource: Resource, body: Object, subresource: str = "") -> Object:
        return await self._write(lambda: self.objects.update(resource, body, subresource))

    async def patch(
        self, resource: Resource, namespace: str, name: str, patch: Object, subresource: str = ""
    ) -> Object:
        return await self._write(lambda: self.objects.patch(resource, namespace, name, patch, subresource))

    async def delete(self, resource: Resource, namespace: str, name: str, **options: Any) -> None:
        await self._write(lambda: self.objects.delete(resource, namespace, name, **options))

    async def event(
        self, about: Object, type: Literal["Normal", "Warning"], reason: str, message: str, source: str
    ) -> None:
        await self._write(lambda: self.objects.event(about, type, reason, message, source))
