"""Objects in a file, so that a second process can go on where a killed one was; and a server to kill.

    python -m parts.kept_objects FOLDER FILE DIE_AT

runs a node that kills itself just before (odd) or after (even) a write has happened.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec

from parts.memory_objects import MemoryObjects
from tidegate.kube.resource import CONFIG_MAPS, EVENTS, PODS, SERVICES, Resource
from tidegate.local.nodes.node import Node
from tidegate.local.objects import Change
from tidegate.runtime.clock import SystemClock

KINDS = {resource.plural: resource for resource in (PODS, SERVICES, CONFIG_MAPS, EVENTS)}


class KeptObjects(MemoryObjects):
    def __init__(self, file: Path, die_at: int = 0) -> None:
        super().__init__(SystemClock(), secrets.token_hex(8))
        self._file = file
        self._die_at = die_at
        self._points = 0
        if file.exists():
            self.version, rows = msgspec.json.decode(file.read_bytes())
            for plural, body in rows:
                resource = KINDS[plural]
                self._stored[_place(resource, body)] = (resource, body)

    async def _turn(self) -> None:
        await super()._turn()
        self._crash_point()

    def _tell(self, change: Change) -> None:
        fresh = self._file.with_suffix(".new")
        rows = [(resource.plural, body) for resource, body in self._stored.values()]
        fresh.write_bytes(msgspec.json.encode((self.version, rows)))
        os.replace(fresh, self._file)
        self._crash_point()
        super()._tell(change)

    def _crash_point(self) -> None:
        self._points += 1
        if self._points == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _place(resource: Resource, body: dict[str, Any]) -> tuple[str, str, str, str]:
    metadata = body["metadata"]
    return (resource.group, resource.plural, metadata.get("namespace", ""), metadata["name"])


async def serve(folder: Path, file: Path, die_at: int) -> None:
    await Node(KeptObjects(file, die_at), folder, SystemClock()).run()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
