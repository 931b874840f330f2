"""Real Redis servers on loopback, each in a directory of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from parts.loopback import missing
from parts.server_process import ServerProcess


class RedisProcess(ServerProcess):
    """A redis-server of our own: memory only, with any further options."""

    server = "redis"

    def __init__(self, program: str, options: tuple[str, ...] = (), *, is_tls: bool = False) -> None:
        super().__init__()
        self.call_options: dict[str, Any] = {}
        self._program = program
        self._options = options
        self._is_tls = is_tls

    def command(self) -> list[str]:
        ports = ["--port", "0", "--tls-port", str(self.port)] if self._is_tls else ["--port", str(self.port)]
        arguments = [*ports, "--bind", "127.0.0.1", "--dir", str(self.folder), "--logfile", "log"]
        if "--sentinel" not in self._options:
            arguments += ["--save", "", "--appendonly", "no"]
        # A sentinel takes its configuration file (and rewrites it); it must come first.
        first = [option for option in self._options[:1] if option.endswith(".conf")]
        return [self._program, *first, *arguments, *self._options[len(first) :]]

    def is_ready(self) -> bool:
        # It may want a password or a certificate: its own log says it, in lines that begin with its pid.
        assert self._process is not None
        own = [line for line in self.log().splitlines() if line.startswith(f"{self._process.pid}:")]
        return any("Ready to accept connections" in line or "Sentinel ID is" in line for line in own)

    def stop(self) -> None:
        """A server without data has nothing to end in peace."""
        self.kill()

    def call(self, *command: Any) -> Any:
        """The reply to an administrator's command."""
        with redis.Redis(port=self.port, protocol=2, **self.call_options) as client:
            return client.execute_command(*command)


def redis_program() -> str:
    """redis-server from PATH, or the one of the wheel beside this Python; without one, the test ends."""
    program = shutil.which("redis-server") or shutil.which(str(Path(sys.executable).parent / "redis-server"))
    return program or missing("redis-server is missing: install it, or `make demo` (x86-64)")


def redis_of(major: int) -> str:
    """A redis-server of Debian (7) or of the wheel (6.2)."""
    places = {7: "/usr/bin/redis-server", 6: str(Path(sys.executable).parent / "redis-server")}
    found = shutil.which(places[major])
    return found or missing(f"redis-server {major} is missing: apt install redis-server, or `make demo`")


@contextmanager
def starting() -> Iterator[Callable[..., RedisProcess]]:
    """Starts servers: `start("--requirepass", "x", password="x")`; they end with the context.

    What is given by name is how `RedisProcess.call` connects as administrator.
    """
    started: list[RedisProcess] = []

    def start(*options: str, program: str = "", is_tls: bool = False, **call: Any) -> RedisProcess:
        server = RedisProcess(program or redis_program(), options, is_tls=is_tls)
        server.call_options = call
        started.append(server)
        server.start()
        return server

    try:
        yield start
    finally:
        for server in started:
            server.close()
