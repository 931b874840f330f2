"""Real Redis servers on loopback, each in a directory of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from parts.loopback import free_port, missing
from parts.waiting import wait_until

START_S = 20.0


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
        wait_until(self._answers, f"redis-server on {self.address}", START_S)
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

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


def redis_program() -> str:
    """redis-server from PATH, or the one of the wheel beside this Python; without one, the test ends."""
    program = shutil.which("redis-server") or shutil.which(str(Path(sys.executable).parent / "redis-server"))
    return program or missing("redis-server is missing: install it, or `make demo` (x86-64)")


@contextmanager
def starting(folder: Path) -> Iterator[Callable[..., RedisProcess]]:
    """Starts servers: `start("--requirepass", "x", password="x")`; they end with the context.

    What is given by name is how `RedisProcess.call` connects as administrator.
    """
    started: list[RedisProcess] = []

    def start(*options: str, program: str = "", is_tls: bool = False, **call: Any) -> RedisProcess:
        server = RedisProcess(program or redis_program(), folder, options, is_tls=is_tls)
        server.call_options = call
        started.append(server)
        return server.start()

    try:
        yield start
    finally:
        for server in started:
            server.stop()
