"""Sources of claimed work at real servers, as the laws of claims need them: filled, looked at, emptied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from parts.redis_servers import RedisProcess, starting
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.redis import RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource


class ClaimSource(Protocol):
    """A place that messages are claimed from, at a server of our own.

    `port` is the server's. `keeps_leases`: a lease ends by itself, and another holder may take the message;
    where it does not, what is held ends with the connection.
    """

    port: int
    keeps_leases: bool

    def empty(self) -> None:
        """Nothing is in it, and nothing beside it."""

    def push(self, *bodies: bytes) -> None: ...

    def source(self, address: str) -> Source:
        """As a trigger names it, at this address."""

    def unclaimed(self) -> list[bytes]:
        """The bodies that nobody has claimed, in order."""

    def dead(self) -> list[bytes]:
        """The bodies that were put aside."""

    def kept(self) -> int:
        """How many messages are claimed, or were released and rest, by what the server says."""


class RedisList:
    keeps_leases = True

    def __init__(self, server: RedisProcess) -> None:
        self.server = server
        self.port = server.port

    def empty(self) -> None:
        self.server.call("FLUSHALL")

    def push(self, *bodies: bytes) -> None:
        self.server.call("RPUSH", "jobs", *bodies)

    def source(self, address: str) -> Source:
        return RedisListSource(RedisServer((address,)), "jobs", dead_letter="bad")

    def unclaimed(self) -> list[bytes]:
        found: list[bytes] = self.server.call("LRANGE", "jobs", 0, -1)
        return found

    def dead(self) -> list[bytes]:
        found: list[bytes] = self.server.call("LRANGE", "bad", 0, -1)
        return found

    def kept(self) -> int:
        sizes = {"leases": "ZCARD", "waiting": "ZCARD", "bodies": "HLEN", "holders": "HLEN", "ended": "HLEN"}
        counts = {name: self.server.call(size, f"{{jobs}}:tidegate:{name}") for name, size in sizes.items()}
        assert counts["bodies"] == counts["leases"] + counts["waiting"], counts
        assert counts["leases"] == counts["holders"], counts
        assert counts["ended"] <= counts["bodies"], counts
        return int(counts["bodies"])


@contextmanager
def redis_list() -> Iterator[ClaimSource]:
    with starting() as start:
        yield RedisList(start())


SOURCES: dict[str, Callable[[], Any]] = {"redis": redis_list}
"""By the name of the trigger: how its server is started, a context."""
