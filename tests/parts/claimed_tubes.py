"""A tube of a beanstalkd as a source of claimed work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from parts.asked_leases import AskedLeases
from parts.beanstalkd_server import BeanstalkdServer as Process
from tidegate.kit.systems.beanstalkd import BeanstalkdServer
from tidegate.kit.systems.beanstalkd_claims import TubeSource


class Tube(AskedLeases):
    """The tube `jobs`, as lives of claimed work need it."""

    keeps_leases = False
    is_behind_proxy = True
    # It gives some, but nothing has to be waited for: what a connection has reserved is ready when it ends.
    gives_receipts = False
    shortest_s = 1.0

    def __init__(self, server: Process) -> None:
        self.server = server
        self.port = server.port

    def empty(self) -> None:
        for kind in ("ready", "delayed", "buried"):
            while (found := self.server.say("use jobs", f"peek-{kind}").splitlines()[1]).startswith("FOUND"):
                self.server.say(f"delete {found.split()[1]}")

    def push(self, *bodies: bytes, ttr_s: int = 600) -> None:
        self.server.say("use jobs", *(f"put 0 0 {ttr_s} {len(one)}\r\n{one.decode()}" for one in bodies))

    def source(self, address: str) -> TubeSource:
        return TubeSource(BeanstalkdServer(address), "jobs")

    def count(self, state: str) -> int:
        lines = self.server.say("use jobs", "stats-tube jobs").splitlines()
        return next(int(one.split()[1]) for one in lines if one.startswith(f"current-jobs-{state}:"))

    def unclaimed(self) -> list[bytes]:
        return [b"?"] * self.count("ready")

    def kept(self) -> int:
        return self.count("reserved") + self.count("delayed")

    def dead(self) -> list[bytes]:
        found = self.server.say("use jobs", "peek-buried").splitlines()
        return [found[2].encode()] if found[1].startswith("FOUND") else []


@contextmanager
def tubes() -> Iterator[Tube]:
    with Process() as server:
        yield Tube(server)
