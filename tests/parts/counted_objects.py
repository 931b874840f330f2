"""`Objects` under test with what tests look at: writes, events, refusals, what is under way."""

from __future__ import annotations

from collections.abc import Callable

from parts.forwarded_objects import ForwardedObjects, Result, Write
from tidegate.kube.resource import EVENTS, ApiError, Resource
from tidegate.local.objects import Object, Objects


class CountedObjects(ForwardedObjects):
    """`refuse(resource, body)` may answer an error with which a create is refused."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self.writes = 0
        self.in_flight = 0
        self.refuse: Callable[[Resource, Object], ApiError | None] = lambda resource, body: None

    async def create(self, resource: Resource, body: Object) -> Object:
        error = self.refuse(resource, body)
        if error is not None:
            raise error
        return await super().create(resource, body)

    def events(self, reason: str) -> list[str]:
        """The messages of the events of this reason."""
        return [one["message"] for one in self.list(EVENTS) if one["reason"] == reason]

    async def _write(self, write: Write[Result]) -> Result:
        self.writes += 1
        self.in_flight += 1
        try:
            return await write()
        finally:
            self.in_flight -= 1
