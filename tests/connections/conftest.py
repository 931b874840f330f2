"""Real Redis servers on loopback, and a proxy in front of them that can stall, cut and garble."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

START_S = 20.0


@pytest.fixture(scope="session")
def missing() -> Callable[[str], None]:
    """Ends a test for want of a real server: it is skipped with the reason, in CI it fails."""

    def end(reason: str) -> None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return end


def free_port() -> int:
    """A port nobody uses, nor the one 10000 above it, which a cluster node takes as well."""
    for _ in range(200):
        port = random.randrange(20000, 32000)
        with suppress(OSError), socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10000))
            return port
    raise AssertionError("no free port")


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(redis.RedisError, OSError):
            if is_so():
                return
        time.sleep(0.01)
    raise AssertionError(f"{what} has not come about within {START_S:g} s")


class RedisProcess:
    """A redis-server of our own: memory only, in a private directory, with any further options."""

    def __init__(
        self, program: str, folder: Path, options: tuple[str, ...] = (), *, is_tls: bool = False
    ) -> None:
        self.port = free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(exist_ok=True)
        self.call_options: dict[str, Any] = {}
        self._program = program
        self._options = options
        self._ports = ("--port", "0", "--tls-port", str(self.port)) if is_tls else ("--port", str(self.port))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> RedisProcess:
        arguments = [*self._ports, "--bind", "127.0.0.1", "--dir", str(self.folder), "--logfile", "log"]
        if "--sentinel" not in self._options:
            arguments += ["--save", "", "--appendonly", "no"]
        # A sentinel takes its configuration file (and rewrites it); it must come first.
        first = [option for option in self._options[:1] if option.endswith(".conf")]
        command = [self._program, *first, *arguments, *self._options[len(first) :]]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._is_up, f"redis-server on {self.address}")
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def call(self, *command: Any) -> Any:
        """The reply to an administrator's command."""
        with redis.Redis(port=self.port, protocol=2, **self.call_options) as client:
            return client.execute_command(*command)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True


@pytest.fixture(scope="session")
def redis_program(missing: Callable[[str], None]) -> str:
    """redis-server from PATH, or the one of the wheel beside this Python."""
    program = shutil.which("redis-server") or shutil.which(str(Path(sys.executable).parent / "redis-server"))
    if program is None:
        missing("no redis-server: install it, or tidegate[demo]")
    assert program is not None
    return program


@pytest.fixture(scope="module")
def start_redis(
    redis_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., RedisProcess]]:
    """Starts servers: `start_redis("--requirepass", "x", password="x")`; they end with the module.

    What is given by name is how `RedisProcess.call` connects as administrator.
    """
    folder = tmp_path_factory.mktemp("redis")
    started: list[RedisProcess] = []

    def start(*options: str, program: str = redis_program, is_tls: bool = False, **call: Any) -> RedisProcess:
        server = RedisProcess(program, folder, options, is_tls=is_tls)
        server.call_options = call
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


class Proxy:
    """A TCP proxy. `mode` says what happens to what the server sends: pass, stall or garble.

    `turns` counts how often the client began to speak after silence or an answer: round trips.
    `heard` is set when the client speaks.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.mode = "pass"
        self.connections = 0
        self.turns = 0
        self.port = 0
        self.heard = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_client_speaking = False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Proxy]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """End every connection at once, in the middle of whatever it does."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            upstream, to_server = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_server}
        await asyncio.gather(self._pump(reader, to_server, True), self._pump(upstream, writer, False))
        self._writers -= {writer, to_server}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_client: bool
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(65536):
                if is_client:
                    self.turns += not self._is_client_speaking
                    self._is_client_speaking = True
                    self.heard.set()
                elif self.mode == "stall":
                    continue
                elif self.mode == "garble":
                    piece = bytes(byte ^ 0x55 for byte in piece)
                if not is_client:
                    self._is_client_speaking = False
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
async def proxy_for() -> AsyncIterator[Callable[[int], Any]]:
    """Starts proxies: `proxy = await proxy_for(port)`; they end with the test."""
    async with AsyncExitStack() as stack:

        async def start(port: int) -> Proxy:
            return await stack.enter_async_context(Proxy(port).running())

        yield start
