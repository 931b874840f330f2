"""`Objects` of a process that dies at its n-th write: nothing it asks for happens from then on."""

from __future__ import annotations

import asyncio

from parts.forwarded_objects import ForwardedObjects, Result, Write
from tidegate.local.objects import Objects


class MortalObjects(ForwardedObjects):
    """Dies at write `last`: before it, or just after it was committed (`is_committed`)."""

    def __init__(self, objects: Objects, last: int, *, is_committed: bool) -> None:
        super().__init__(objects)
        self.last = last
        self.is_committed = is_committed
        self.writes = 0

    @property
    def is_dead(self) -> bool:
        return self.writes >= self.last

    async def _write(self, write: Write[Result]) -> Result:
        if not self.is_dead:
            self.writes += 1
            if not self.is_dead:
                return await write()
            if self.is_committed:
                await write()
        await asyncio.Event().wait()
        raise AssertionError("a dead process goes on")
