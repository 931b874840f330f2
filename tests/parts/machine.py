"""A node on objects in memory, with real processes in a directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

from parts import waiting
from parts.memory_objects import MemoryObjects
from tidegate.kube.resource import PODS, SERVICES
from tidegate.local.controllers.controller import Controller
from tidegate.local.controllers.services.mirroring import Mirroring
from tidegate.local.controllers.services.services import Services
from tidegate.local.nodes.node import Node
from tidegate.local.nodes.processes.instance import View
from tidegate.local.nodes.processes.machine_view import Host
from tidegate.local.streams import Command, LogOptions
from tidegate.runtime.clock import Clock, SystemClock

until = partial(waiting.until, within_s=30.0)
"""Processes take their time."""


def own_objects() -> MemoryObjects:
    """Objects whose uids no other test on this machine has: processes are found by them."""
    return MemoryObjects(SystemClock(), secrets.token_hex(8))


class Machine:
    """One node and what a test asks of it, with the controllers that say what its Services offer."""

    def __init__(
        self,
        folder: Path,
        objects: MemoryObjects,
        view: View | None = None,
        clock: Clock | None = None,
        host: Host | None = None,
    ) -> None:
        self.folder = folder
        self.objects = objects
        if view is not None:
            host = Host(look=lambda *_: view)
        self.node = Node(objects, folder, clock or SystemClock(), host=host)
        self.shares: Path | None = None
        self._running: asyncio.Task[None] | None = None
        self._controllers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._running = asyncio.create_task(self.node.run())
        self._controllers = [
            asyncio.create_task(Controller(reconciler, self.objects, SystemClock()).run())
            for reconciler in (Services(self.objects), Mirroring(self.objects))
        ]

    async def stop(self, kill_pods: bool = True) -> None:
        await self.node.stop(kill_pods)
        for task in self._controllers:
            task.cancel()
        await asyncio.gather(*self._controllers, return_exceptions=True)
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def apply(
        self, name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any
    ) -> str:
        """Creates a pod of one container; its uid."""
        body = pod(name, *command, container=container, **spec)
        body = body if self.shares is None else sharing(self.shares, body)
        return str((await self.objects.create(PODS, body))["metadata"]["uid"])

    async def service(self, name: str, address: str, port: int, target: int, **selector: str) -> None:
        spec = {"clusterIP": address, "selector": selector, "ports": [{"port": port, "targetPort": target}]}
        await self.objects.create(
            SERVICES, {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        )

    def pod(self, name: str) -> dict[str, Any]:
        found = self.objects.get(PODS, "default", name)
        assert found is not None
        return found

    def container(self, name: str) -> dict[str, Any]:
        statuses = (self.pod(name).get("status") or {}).get("containerStatuses")
        return statuses[0] if statuses else {"state": {}}

    async def phase(self, name: str, *phases: str) -> dict[str, Any]:
        """The pod once it is in one of these phases."""
        return await until(lambda: self._in(name, phases))

    def _in(self, name: str, phases: tuple[str, ...]) -> dict[str, Any] | None:
        found = self.pod(name)
        return found if (found.get("status") or {}).get("phase") in phases else None

    async def waiting(self, name: str, *reasons: str) -> dict[str, Any]:
        """The waiting state once it has one of these reasons."""

        def look() -> dict[str, Any] | None:
            state = self.container(name)["state"].get("waiting")
            return state if state and state["reason"] in reasons else None

        return await until(look)

    async def gone(self, name: str) -> None:
        await until(lambda: self.objects.get(PODS, "default", name) is None)

    async def log(self, name: str, options: LogOptions | None = None, container: str = "") -> str:
        chunks = self.node.streams.logs("default", name, container, options or LogOptions())
        return b"".join([chunk async for chunk in chunks]).decode()

    async def exec(
        self, name: str, *command: str, stdin: bytes | None = None, tty: bool = False
    ) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        out, err = bytearray(), bytearray()

        async def keep_out(chunk: bytes) -> None:
            out.extend(chunk)

        async def keep_err(chunk: bytes) -> None:
            err.extend(chunk)

        async def feed() -> AsyncIterator[bytes]:
            yield stdin or b""

        given = feed() if stdin is not None else None
        whole = Command(command, given, keep_out, keep_err, tty)
        code = await self.node.streams.exec("default", name, "", whole)
        return code, out.decode(), err.decode()


def pod(name: str, *command: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    first = {"name": "c", "image": "busybox", "command": list(command), **(container or {})}
    labels = spec.pop("labels", {"app": name})
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {
            "nodeName": "local",
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 5,
            "containers": [first],
            **spec,
        },
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    }


def sharing(folder: Path, body: dict[str, Any]) -> dict[str, Any]:
    """The pod, with a folder of the machine in it that it writes through to: its other files are its own."""
    mount = {"name": "shared", "mountPath": str(folder)}
    spec = {**body["spec"]}
    spec["volumes"] = [*spec.get("volumes", []), {"name": "shared", "hostPath": {"path": str(folder)}}]
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [
                {**one, "volumeMounts": [*one.get("volumeMounts", []), mount]} for one in spec[kind]
            ]
    return {**body, "spec": spec}


def processes(mark: str) -> list[int]:
    """Pids of living processes with a variable of exactly this value in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                environment = Path(f"/proc/{entry}/environ").read_text(errors="replace").split("\0")
                if any(variable.partition("=")[2] == mark for variable in environment):
                    found.append(int(entry))
    return found
