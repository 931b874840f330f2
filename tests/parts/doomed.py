"""A server that is killed, and the one after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from parts.kept_objects import KeptObjects
from parts.machine import Machine, sharing, until
from tidegate.kube.resource import PODS

TESTS = Path(__file__).parents[1]


class Doomed:
    """A server in a process of its own, and the machine that goes on after it was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "objects.json"
        self.process: subprocess.Popen[bytes] | None = None
        self.after: Machine | None = None

    async def create(self, *pods: dict[str, Any]) -> list[str]:
        objects = KeptObjects(self.file)
        bodies = [sharing(self.folder, one) for one in pods]
        return [(await objects.create(PODS, one))["metadata"]["uid"] for one in bodies]

    def serve(self, die_at: int = 0) -> None:
        arguments = [str(self.folder / "state"), str(self.file), str(die_at)]
        self.process = subprocess.Popen([sys.executable, "-m", "parts.kept_objects", *arguments], cwd=TESTS)

    def look(self, name: str) -> dict[str, Any]:
        found = KeptObjects(self.file).get(PODS, "default", name)
        assert found is not None
        return found

    def is_running(self, name: str) -> bool:
        return bool(self.look(name)["status"]["phase"] == "Running")

    @property
    def is_dead(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    async def delete(self, name: str) -> None:
        """Asks for the end of a pod while no server runs."""
        await KeptObjects(self.file).delete(PODS, "default", name)

    def change(self, name: str, patch: dict[str, Any]) -> None:
        """Changes metadata and status of a pod while no server runs."""
        version, rows = msgspec.json.decode(self.file.read_bytes())
        for _, body in rows:
            if body["metadata"]["name"] == name:
                body["status"] |= patch.get("status") or {}
                for key, values in (patch.get("metadata") or {}).items():
                    body["metadata"][key] = (body["metadata"].get(key) or {}) | values
        self.file.write_bytes(msgspec.json.encode((version, rows)))

    async def died(self) -> None:
        assert self.process is not None
        await until(lambda: self.is_dead)

    async def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        await self.died()

    def again(self) -> Machine:
        self.after = Machine(self.folder / "state", KeptObjects(self.file))
        self.after.start()
        return self.after
