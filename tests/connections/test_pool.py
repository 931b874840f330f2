"""Connections are found by server value, made late, and forgotten when they are closed."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections, systems
from tidegate.kit.systems.kubernetes import KubernetesServer, PodCount
from tidegate.kit.systems.redis import Login, RedisServer


def server(password: str = "") -> RedisServer:
    return RedisServer(("127.0.0.1:1",), login=Login("", password))


def test_every_system_can_be_connected() -> None:
    modules = {name: importlib.import_module(f"tidegate.connections.{name}") for name in systems()}
    assert len(modules) > 30
    assert [name for name, module in modules.items() if not hasattr(module, "connect")] == []


async def test_equal_servers_share_one_adapter_and_a_new_password_makes_another() -> None:
    connections = Connections(Surroundings())
    assert connections.adapter(server()) is connections.adapter(server())
    assert connections.adapter(server()) is not connections.adapter(server("new"))
    assert len(connections) == 2
    await connections.close()


async def test_what_is_closed_is_forgotten_and_made_again() -> None:
    connections = Connections(Surroundings())
    first = connections.adapter(server())
    await first.close()
    await first.close()
    assert len(connections) == 0
    assert connections.adapter(server()) is not first
    await connections.close()
    await connections.close()
    assert len(connections) == 0


async def test_closing_an_old_adapter_leaves_its_successor() -> None:
    connections = Connections(Surroundings())
    old = connections.adapter(server())
    await old.close()
    new = connections.adapter(server())
    await old.close()
    assert connections.adapter(server()) is new
    await connections.close()


async def test_questions_reach_the_adapter_of_the_system() -> None:
    async def objects(question: PodCount) -> int:
        return 4

    connections = Connections(Surroundings(objects=objects))
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
        Connections(Surroundings()).adapter(Elsewhere())


def test_no_client_library_is_imported_before_its_first_server() -> None:
    code = (
        "import sys; from tidegate.connections import pool, adapter, kubernetes, redis, tls;"
        "print(*[m for m in sys.modules if m == 'redis' or m.startswith(('hiredis', 'aiohttp'))])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == []
