"""Connections are found by server value, made late, and forgotten when they are closed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.kit.systems.kubernetes import KubernetesServer, PodCount
from tidegate.kit.systems.redis import Login, RedisServer


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.is_late = asyncio.Event()

    def monotonic(self) -> float:
        return self.moment

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.moment, UTC)

    async def sleep(self, seconds: float) -> None:
        self.moment += seconds
        if self.moment >= 100:
            self.is_late.set()
        await asyncio.sleep(0)


def server(password: str = "") -> RedisServer:
    return RedisServer(("127.0.0.1:1",), login=Login("", password))


async def test_equal_servers_share_one_adapter_and_a_new_password_makes_another() -> None:
    connections = Connections(Surroundings(), Clock())
    assert connections.adapter(server()) is connections.adapter(server())
    assert connections.adapter(server()) is not connections.adapter(server("new"))
    assert len(connections) == 2
    await connections.close()


async def test_what_is_closed_is_forgotten_and_made_again() -> None:
    connections = Connections(Surroundings(), Clock())
    first = connections.adapter(server())
    await first.close()
    await first.close()
    assert len(connections) == 0
    assert connections.adapter(server()) is not first
    await connections.close()
    await connections.close()
    assert len(connections) == 0


async def test_closing_an_old_adapter_leaves_its_successor() -> None:
    connections = Connections(Surroundings(), Clock())
    old = connections.adapter(server())
    await old.close()
    new = connections.adapter(server())
    await old.close()
    assert connections.adapter(server()) is new
    await connections.close()


async def test_an_idle_connection_is_closed_and_a_used_one_is_not() -> None:
    async def objects(question: PodCount) -> int:
        return 4

    clock = Clock()
    connections = Connections(Surroundings(objects=objects), clock, idle_s=10)
    connections.adapter(server())
    used = connections.adapter(KubernetesServer())
    clock.moment = 9
    await used.answer([PodCount("shop", "app=web")])
    clock.moment = 10
    await connections.close_idle()
    assert len(connections) == 1
    assert connections.adapter(KubernetesServer()) is used
    clock.moment = 19
    await connections.close_idle()
    assert len(connections) == 0


async def test_a_connection_is_not_idle_while_it_answers() -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def objects(question: PodCount) -> int:
        asked.set()
        await release.wait()
        return 4

    clock = Clock()
    connections = Connections(Surroundings(objects=objects), clock, idle_s=10)
    answering = asyncio.ensure_future(
        connections.adapter(KubernetesServer()).answer([PodCount("shop", "app=web")])
    )
    await asked.wait()
    clock.moment = 100
    await connections.close_idle()
    assert len(connections) == 1
    release.set()
    assert await answering == [4]


async def test_idle_connections_are_looked_for_again_and_again() -> None:
    clock = Clock()
    connections = Connections(Surroundings(), clock, idle_s=10)
    connections.adapter(server())
    running = asyncio.ensure_future(connections.run())
    await clock.is_late.wait()
    assert len(connections) == 0
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_questions_reach_the_adapter_of_the_system() -> None:
    async def objects(question: PodCount) -> int:
        return 4

    connections = Connections(Surroundings(objects=objects), Clock())
    adapter = connections.adapter(KubernetesServer())
    assert await adapter.answer([PodCount("shop", "app=web")]) == [4]
    assert (adapter.batch, adapter.wake_gap_s) == (adapter.adapter.batch, adapter.adapter.wake_gap_s)


@pytest.mark.parametrize("name", ["carrier-pigeon", "pool", "adapter", "tls", "", "redis.single"])
def test_a_system_without_a_connection_is_refused(name: str) -> None:
    @dataclass(frozen=True)
    class Elsewhere:
        system: ClassVar[str] = name

        def label(self) -> str:
            return "somewhere"

    with pytest.raises(Unsupported, match="somewhere"):
        Connections(Surroundings(), Clock()).adapter(Elsewhere())


def test_no_client_library_is_imported_before_its_first_server() -> None:
    code = (
        "import sys; from tidegate.connections import pool, adapter, kubernetes, redis, tls;"
        "print(*[m for m in sys.modules if m == 'redis' or m.startswith(('hiredis', 'aiohttp'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []
