"""A control plane that is served on loopback, and the clients that talk to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tidegate.kube.resource import CONFIG_MAPS, ApiError
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.http.server import Server
from tidegate.local.objects import AUTHORITY
from tidegate.local.streams import Command, Ends, LogOptions
from tidegate.runtime.clock import SystemClock

LOG = b"one\ntwo\nthree\n"


@dataclass
class EchoPods:
    """Pods whose log is three lines, and whose commands are four words we know."""

    asked: list[LogOptions] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    more: asyncio.Event = field(default_factory=asyncio.Event)
    is_broken: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def logs(
        self, namespace: str, name: str, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        self.asked.append(options)
        if options.previous:
            raise ApiError(
                400, "BadRequest", f'previous terminated container "{container}" in pod "{name}" not found'
            )
        try:
            yield f"{namespace}/{name}/{container}\n".encode() + LOG
            if options.follow:
                await self.more.wait()
                if self.is_broken:
                    raise ApiError(500, "InternalError", "the log is gone")
                yield b"four\n"
        finally:
            self.ended.append(name)

    async def exec(self, namespace: str, name: str, container: str, command: Command) -> int:
        word, *rest = command.words
        if word == "echo":
            await command.stdout(" ".join(rest).encode() + b"\n")
        elif word == "cat" and command.stdin is not None:
            async for chunk in command.stdin:
                await command.stdout(chunk)
        elif word == "fail":
            await command.stderr(b"it broke\n")
            return int(rest[0])
        elif word == "wait":
            try:
                await command.stdout(b"waiting\n")
                await asyncio.Event().wait()
            finally:
                self.ended.append(name)
        elif word == "sizes" and command.sizes is not None:
            async for size in command.sizes:
                await command.stdout(f"{size.width}x{size.height}\n".encode())
        elif word == "refuse":
            raise ApiError(400, "BadRequest", f'container "{container}" is not running')
        return 0

    async def attach(self, namespace: str, name: str, container: str, command: Command) -> int:
        await command.stdout(b"attached\n")
        if command.stdin is not None:
            async for chunk in command.stdin:
                await command.stdout(chunk)
        return 0

    async def connect(self, namespace: str, name: str, port: int) -> Ends:
        return await asyncio.open_connection("127.0.0.1", port)

    async def over(self, namespace: str, name: str) -> None:
        await self.gone.wait()


@dataclass
class Served:
    """A running server, and what a test needs to ask it."""

    server: Server
    plane: Plane
    pods: EchoPods
    session: aiohttp.ClientSession
    directory: Path

    @property
    def token(self) -> str:
        return (self.directory / "token").read_text()

    async def call(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> tuple[int, Any, aiohttp.ClientResponse]:
        """Status, decoded body, response."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        async with self.session.request(
            method, self.server.url + path, json=body, headers=headers, **options
        ) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json else raw, response


async def without_authorities(plane: Plane) -> Plane:
    """No namespace has its ConfigMap of the authority, so that tests can count their own."""
    for found in plane.objects.list(CONFIG_MAPS):
        if found["metadata"]["name"] == AUTHORITY:
            await plane.objects.delete(CONFIG_MAPS, found["metadata"]["namespace"], AUTHORITY)
    return plane


@asynccontextmanager
async def serving(directory: Path) -> AsyncIterator[Served]:
    plane = await without_authorities(await open_plane(directory, SystemClock()))
    pods = EchoPods()
    server = Server(plane, pods, directory, SystemClock())
    await server.start()
    context = ssl.create_default_context(cafile=str(directory / "tls" / "ca.crt"))
    upkeep = asyncio.create_task(plane.run())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield Served(server, plane, pods, session, directory)
    await server.stop()
    upkeep.cancel()
    await asyncio.gather(upkeep, return_exceptions=True)
    await plane.close()
