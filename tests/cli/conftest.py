"""An embedded API server on a thread of its own, and the command line against it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from parts.served import without_authorities
from tidegate.api.schema.crds import crds
from tidegate.cli.main import tidegate
from tidegate.cli.manifests.admission import admit
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import CRDS, ApiError
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.http.server import Server
from tidegate.local.streams import LogOptions
from tidegate.runtime.clock import SystemClock


@dataclass
class SpokenPods:
    """Pods whose log tells what was asked for, so that a test can read it."""

    refusals: list[str] = field(default_factory=list)

    async def logs(
        self, namespace: str, name: str, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        if self.refusals:
            raise ApiError(400, "BadRequest", self.refusals.pop(0))
        yield f"{namespace}/{name}/{container} tail={options.tail_lines} since={options.since_s}\n".encode()
        yield b"a line in two pie"
        yield b"ces\nno newline at the end"


@dataclass
class Cli:
    """Runs `tidegate …` in this process against the server."""

    kubeconfig: Path
    plane: Plane
    pods: SpokenPods
    folder: Path
    loop: asyncio.AbstractEventLoop

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> Result:
        result = run(*words, stdin=stdin, env={"KUBECONFIG": str(self.kubeconfig)})
        assert result.exit_code == code, result.output
        return result

    def lines(self, *words: str) -> list[str]:
        return self(*words).stdout.splitlines()

    def file(self, text: str, name: str = "file.yaml") -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def client(self, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        """What somebody else does through the API: kubectl, a controller."""

        async def main() -> Any:
            client = Client(load(self.kubeconfig))
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(main())


def run(*words: str, stdin: str = "", env: dict[str, str | None]) -> Result:
    command: click.Command = tidegate
    return CliRunner(env=env).invoke(command, words, input=stdin, prog_name="tidegate")


@asynccontextmanager
async def serving(folder: Path, pods: SpokenPods) -> AsyncIterator[tuple[Server, Plane]]:
    plane = await without_authorities(await open_plane(folder, SystemClock(), admissions=[admit]))
    for crd in crds():
        await plane.objects.create(CRDS, crd)
    server = Server(plane, pods, folder, SystemClock())
    upkeep = asyncio.create_task(plane.run())
    await server.start()
    try:
        yield server, plane
    finally:
        await server.stop()
        upkeep.cancel()
        await asyncio.gather(upkeep, return_exceptions=True)
        await plane.close()


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """Commands run in the foreground, as they do for users; the server has a thread of its own."""
    pods = SpokenPods()
    ready: threading.Event = threading.Event()
    made: list[Cli] = []
    ends: list[asyncio.Event] = []

    async def main() -> None:
        async with serving(tmp_path / "data", pods) as (server, plane):
            ends.append(asyncio.Event())
            made.append(Cli(server.kubeconfig, plane, pods, tmp_path, asyncio.get_running_loop()))
            ready.set()
            await ends[0].wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(10)
    try:
        yield made[0]
    finally:
        made[0].loop.call_soon_threadsafe(ends[0].set)
        thread.join(10)
