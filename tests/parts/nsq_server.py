"""NSQ on loopback: an nsqlookupd, and two nsqd that register with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until


class Part(ServerProcess):
    """One of NSQ's programs: ports for TCP and for HTTP."""

    server = "nsq"
    port_count = 2

    @property
    def tcp(self) -> str:
        return f"127.0.0.1:{self.ports[1]}"

    def is_ready(self) -> bool:
        return f"HTTP: listening on {self.address}" in self.log() and self.call("GET", "/ping") == b"OK"

    def program(self) -> Path:
        return program("nsq", "bin/nsq")


class Lookup(Part):
    def command(self) -> list[str]:
        return [str(self.program()), "nsqlookupd", self.tcp, self.address]


class Daemon(Part):
    def __init__(self, lookup: Lookup) -> None:
        super().__init__()
        self._lookup = lookup

    def command(self) -> list[str]:
        return [str(self.program()), "nsqd", self.tcp, self.address, str(self.folder), self._lookup.tcp]


class Nsq:
    """All of it. `ServerProcess` for each part: `lookup`, `daemons`."""

    def __init__(self) -> None:
        self.lookup = Lookup()
        self.daemons = [Daemon(self.lookup), Daemon(self.lookup)]

    def start(self) -> None:
        for part in (self.lookup, *self.daemons):
            part.start()
        known = len(self.daemons)
        wait_until(lambda: len(self.lookup.get("/nodes")["producers"]) == known, "the nsqds register", 10)

    def close(self) -> None:
        for part in (*self.daemons, self.lookup):
            part.close()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def make(self, topic: str, *channels: str, on: int = 0) -> None:
        """A topic with channels on one nsqd; returns when the nsqlookupd knows it."""
        self.daemons[on].call("POST", f"/topic/create?topic={topic}")
        for channel in channels:
            self.daemons[on].call("POST", f"/channel/create?topic={topic}&channel={channel}")
        self.until_known(topic)

    def until_known(self, topic: str) -> None:
        """Returns when the nsqlookupd has heard of the topic; again, after a restart."""
        wait_until(lambda: topic in self.lookup.get("/topics")["topics"], f"{topic} is registered", 30)

    def publish(self, topic: str, count: int, on: int = 0) -> None:
        self.daemons[on].call("POST", f"/mpub?topic={topic}", body=b"\n".join([b"x"] * count))
