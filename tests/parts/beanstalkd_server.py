"""A beanstalkd on loopback, and the few commands that fill it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from parts.server_process import ServerProcess
from parts.servers import program


class BeanstalkdServer(ServerProcess):
    server = "beanstalkd"

    def command(self) -> list[str]:
        return [str(program("beanstalkd", "beanstalkd")), "-l", "127.0.0.1", "-p", str(self.port)]

    def is_ready(self) -> bool:
        # Nothing of ours can be put into it beforehand; its process id is its own.
        assert self._process is not None
        return f"pid: {self._process.pid}\n" in self.say("stats")

    def say(self, *commands: str) -> str:
        """The answers to commands, on one connection, as text."""
        with socket.create_connection(("127.0.0.1", self.port), self.probe_s) as connection:
            connection.sendall("".join(f"{one}\r\n" for one in (*commands, "quit")).encode())
            said = b""
            while piece := connection.recv(65536):
                said += piece
        return said.decode()

    @contextmanager
    def reserving(self, tube: str, count: int) -> Iterator[None]:
        """A worker that has reserved jobs of a tube, until the context ends."""
        with socket.create_connection(("127.0.0.1", self.port), self.probe_s) as connection:
            connection.sendall(f"watch {tube}\r\nignore default\r\n".encode() + b"reserve\r\n" * count)
            said = b""
            while said.count(b"RESERVED ") < count:
                said += connection.recv(65536)
            yield

    def put(self, tube: str, count: int, delay_s: int = 0) -> None:
        """Puts jobs into a tube."""
        self.say(f"use {tube}", *[f"put 0 {delay_s} 600 1\r\nx"] * count)
