"""A node whose pods run in a chosen runtime, and the servers that come after it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from parts.machine import Machine, own_objects
from tidegate.kube.resource import EVENTS, ApiError
from tidegate.local.nodes.processes.machine_view import Host


class Run(Machine):
    """A node whose pods run in `runtime`, as servers that come one after the other have it."""

    def __init__(self, folder: Path, runtime: str, environment: dict[str, str], before: Run | None = None):
        self.runtime, self.environment = runtime, environment
        objects = own_objects() if before is None else before.objects
        super().__init__(folder, objects, host=Host(environment=environment, runtime=runtime))

    def again(self) -> Run:
        after = Run(self.folder, self.runtime, self.environment, self)
        after.start()
        return after

    def started(self, name: str) -> str:
        """When the container that runs began."""
        return str(self.container(name)["state"].get("running", {}).get("startedAt", ""))

    async def inside(self, name: str, *command: str) -> tuple[int, str, str]:
        """As `exec`, once the server has found the pod."""
        async with asyncio.timeout(30):
            while True:
                with suppress(ApiError):
                    return await self.exec(name, *command)
                await asyncio.sleep(0.02)

    def events(self, name: str) -> list[str]:
        return [
            one["reason"] for one in self.objects.list(EVENTS) if one["involvedObject"].get("name") == name
        ]
