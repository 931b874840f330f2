"""UDP by way of a listener: flows, their ends, and what comes between."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parts.machine import until
from tidegate.local.nodes.network.listeners import udp
from tidegate.local.nodes.network.listeners.udp import UdpListener

ADDRESSES = (f"127.65.{os.getpid() % 250}.{n}" for n in itertools.count(1))


class Backend(asyncio.DatagramProtocol):
    """Answers each datagram with its name and what was said."""

    def __init__(self, name: str, is_silent: bool = False) -> None:
        self.name = name
        self.is_silent = is_silent
        self.seen: list[tuple[bytes, Any]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.seen.append((data, addr))
        if not self.is_silent:
            self.transport.sendto(self.name.encode() + b":" + data, addr)

    @property
    def at(self) -> tuple[str, int]:
        name: tuple[str, int] = self.transport.get_extra_info("sockname")
        return name


async def backend(name: str, is_silent: bool = False) -> Backend:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_datagram_endpoint(
        lambda: Backend(name, is_silent), local_addr=("127.0.0.1", 0)
    )
    return made


class Client:
    def __init__(self, at: tuple[str, int]) -> None:
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(at)

    async def ask(self, said: bytes = b"hi") -> str:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(10):
            await loop.sock_sendall(self._socket, said)
            return (await loop.sock_recv(self._socket, 100_000)).decode()

    def close(self) -> None:
        self._socket.close()


class Door:
    def __init__(self) -> None:
        self.at = (next(ADDRESSES), 7003)
        self.listener = UdpListener()
        self.clients: list[Client] = []
        self.backends: list[Backend] = []

    def client(self) -> Client:
        self.clients.append(Client(self.at))
        return self.clients[-1]

    async def backend(self, name: str, is_silent: bool = False) -> Backend:
        self.backends.append(await backend(name, is_silent))
        return self.backends[-1]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    await made.listener.open(made.at)
    yield made
    made.listener.close()
    for client in made.clients:
        client.close()
    for one in made.backends:
        one.transport.close()


async def test_clients_are_sent_to_the_targets_in_turn_and_each_stays_with_its_own(door: Door) -> None:
    a, b = await door.backend("a"), await door.backend("b")
    door.listener.targets = [a.at, b.at]
    first, second = door.client(), door.client()
    assert [await first.ask(), await second.ask()] == ["a:hi", "b:hi"]
    assert [await first.ask() for _ in range(3)] == ["a:hi"] * 3
    assert len({address for _, address in a.seen}) == 1


async def test_what_comes_before_the_way_is_open_is_kept_in_order(door: Door) -> None:
    a = await door.backend("a")
    door.listener.targets = [a.at]
    client = door.client()
    for number in range(5):
        client._socket.send(str(number).encode())
    await until(lambda: len(a.seen) == 5)
    assert [said for said, _ in a.seen] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_flow_moves_on_when_its_target_is_one_no_longer(door: Door) -> None:
    a, b = await door.backend("a"), await door.backend("b")
    door.listener.targets = [a.at]
    client = door.client()
    assert await client.ask() == "a:hi"
    door.listener.targets = [b.at]
    assert await client.ask() == "b:hi"
    door.listener.targets = [b.at, a.at]
    assert await client.ask() == "b:hi"


async def test_a_target_that_refuses_is_left(door: Door) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = closed.getsockname()
    b = await door.backend("b")
    door.listener.targets = [nobody, b.at]
    client = door.client()
    await asyncio.get_running_loop().sock_sendall(client._socket, b"lost")
    await until(lambda: door.listener._next == 1 and not door.listener._flows)
    assert await client.ask() == "b:hi"


async def test_without_targets_nothing_is_kept_and_a_closed_listener_refuses(door: Door) -> None:
    client = door.client()
    client._socket.send(b"lost")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.get_running_loop().sock_recv(client._socket, 10)
    assert not door.listener._flows
    door.listener.close()
    with pytest.raises(ConnectionRefusedError):
        await client.ask()


@pytest.mark.parametrize(("is_silent", "idle_s"), [(True, 30.0), (False, 120.0)])
async def test_a_flow_is_forgotten_when_nothing_comes_for_a_while(
    door: Door, is_silent: bool, idle_s: float
) -> None:
    a = await door.backend("a", is_silent)
    door.listener.targets = [a.at]
    client = door.client()
    client._socket.send(b"hi")
    await until(lambda: len(a.seen) == 1)
    if not is_silent:
        await asyncio.get_running_loop().sock_recv(client._socket, 10)
    (flow,) = door.listener._flows.values()
    assert not flow.is_over(flow.used_at + idle_s - 1)
    assert flow.is_over(flow.used_at + idle_s + 1)


async def test_more_clients_than_are_kept_push_out_the_one_that_was_silent_longest(door: Door) -> None:
    a = await door.backend("a")
    door.listener.targets = [a.at]
    before, client = udp.FLOWS, door.client()
    assert await client.ask() == "a:hi"
    (oldest,) = door.listener._flows.values()
    door.listener._flows |= {("127.0.0.1", number): oldest for number in range(1, before)}
    assert await door.client().ask() == "a:hi"
    assert ("127.0.0.1", client._socket.getsockname()[1]) not in door.listener._flows
    door.listener._flows = {k: v for k, v in door.listener._flows.items() if v is not oldest}


async def test_large_datagrams_pass_whole(door: Door) -> None:
    a = await door.backend("a")
    door.listener.targets = [a.at]
    said = b"x" * 60_000
    assert await door.client().ask(said) == "a:" + said.decode()
