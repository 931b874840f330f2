"""A process that is killed in the middle of what it says to a server, and the log of its Jobs."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def runs(folder: Path) -> list[list[str]]:
    """The log that is only appended to: moment, what, message, identity, attempt, and what else is said."""
    log = folder / "runs.log"
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def overlapping(lines: list[list[str]], column: int = 2) -> list[str]:
    """Messages, or identities (column 3), that two Jobs worked on at a time."""
    open_, wrong = set[str](), []
    for line in lines:
        what, name = line[1], line[column]
        if what == "begins" and name in open_:
            wrong.append(name)
        open_.add(name) if what == "begins" else open_.discard(name)
    return wrong


class Killer:
    """Between a `tidegate up` and a server: ends the process at its n-th command with the `mark` in it (b"":
    at any), before the server has heard of it, or after it has done it and before its answer arrives.
    """

    def __init__(self, port: int, mark: bytes = b"") -> None:
        self.target = port
        self.mark = mark
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.lock = threading.Lock()
        self.seen = 0
        self.plan: tuple[int, str] | None = None
        self.kill: Callable[[], None] = lambda: None
        self.killed = threading.Event()
        self.sockets = [self.listener]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def close(self) -> None:
        """Nothing of it is left."""
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for one in self.sockets:
            one.close()

    def aim(self, number: int, mode: str) -> None:
        with self.lock:
            self.seen, self.plan = 0, (number, mode)
            self.killed.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [client, server]
                gate = threading.Event()
                gate.set()
                for source, sink, is_client in ((client, server, True), (server, client, False)):
                    arguments = (source, sink, gate, is_client)
                    self.threads.append(threading.Thread(target=self._pass, args=arguments, daemon=True))
                    self.threads[-1].start()

    def _pass(
        self, source: socket.socket, sink: socket.socket, gate: threading.Event, is_client: bool
    ) -> None:
        with suppress(OSError):
            while piece := source.recv(2**20):
                if not is_client:
                    # After a shot nothing of the server's arrives any more.
                    if not gate.is_set():
                        break
                elif (mode := self._shot(piece)) is not None:
                    gate.clear()
                    if mode == "after":
                        sink.sendall(piece)
                        time.sleep(0.2)
                    self.kill()
                    self.killed.set()
                    break
                sink.sendall(piece)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _shot(self, piece: bytes) -> str | None:
        """How the process is to end now, where the command that is aimed at is in it."""
        with self.lock:
            self.seen += piece.count(self.mark) if self.mark else 1
            if self.plan is None or self.seen < self.plan[0]:
                return None
            mode, self.plan = self.plan[1], None
            return mode
