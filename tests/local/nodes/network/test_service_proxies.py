"""Services: names in pods and listeners that reach ready pods only."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from parts.machine import Machine, until
from parts.pod_network import RANGES
from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Resource
from tidegate.local.nodes.network.listeners.tcp import Listener
from tidegate.local.nodes.network.pod_networks import SharedNetwork
from tidegate.local.nodes.network.service_proxies import doors_of

ADDRESSES = (f"127.64.{os.getpid() % 250}.{n}" for n in itertools.count(1))
# Answers each connection with the pod's name, on the pod's own address.
ANSWERS = """
import os, socket
server = socket.create_server((os.environ["IP"], 7000))
while True:
    client, _ = server.accept()
    said = client.recv(100)
    client.sendall(os.environ["HOSTNAME"].encode() + b":" + said)
    client.close()
"""
POD_IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
PROBE = {"tcpSocket": {"port": 7000}, "periodSeconds": 0.05, "timeoutSeconds": 5}


async def answer(machine: Machine, name: str, **container: Any) -> None:
    given = {"env": [POD_IP], "readinessProbe": PROBE, **container}
    await machine.apply(name, "python3", "-c", ANSWERS, container=given, labels={"app": "x"})


async def ask(address: str, port: int, said: bytes = b"hi") -> str:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(said)
        writer.write_eof()
        return (await reader.read()).decode()
    finally:
        writer.close()


async def answers(address: str, port: int, wanted: set[str]) -> None:
    """Returns once two connections in a row were answered as wanted; an empty set means refused."""
    seen: set[str] | None = None
    async with asyncio.timeout(10):
        while seen != wanted:
            seen = set()
            for _ in range(2):
                with suppress(OSError):
                    seen.add(await ask(address, port))
            await asyncio.sleep(0.01)


async def test_connections_go_to_ready_pods_in_turn_and_are_refused_without_one(machine: Machine) -> None:
    address = next(ADDRESSES)
    await machine.service("svc", address, 7001, 7000, app="x")
    await answers(address, 7001, set())
    for name in ("a", "b"):
        await answer(machine, name)
    await answers(address, 7001, {"a:hi", "b:hi"})
    await machine.objects.delete(PODS, "default", "a")
    await answers(address, 7001, {"b:hi"})
    await machine.objects.delete(PODS, "default", "b")
    await answers(address, 7001, set())


async def test_a_node_port_is_answered_on_the_machines_own_address(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        node_port = probe.getsockname()[1]
    ports = [{"port": 7001, "targetPort": 7000, "nodePort": node_port}]
    spec = {"type": "NodePort", "clusterIP": next(ADDRESSES), "selector": {"app": "x"}, "ports": ports}
    await machine.objects.create(SERVICES, {"metadata": {"name": "s", "namespace": "default"}, "spec": spec})
    await answer(machine, "a")
    await answers("127.0.0.1", node_port, {"a:hi"})
    await answers(spec["clusterIP"], 7001, {"a:hi"})
    plain = {"spec": {"ports": [{"port": 7001, "targetPort": 7000}]}}
    await machine.objects.patch(SERVICES, "default", "s", plain)
    await answers("127.0.0.1", node_port, set())
    await answers(spec["clusterIP"], 7001, {"a:hi"})


@pytest.fixture
async def echo() -> AsyncIterator[Listener]:
    """A listener in front of an echo server; its `targets` tell where that is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener = Listener(set(), SharedNetwork().connect)
    listener.targets = [server.sockets[0].getsockname()[:2]]
    yield listener
    listener.close()
    server.close()


async def test_bytes_go_both_ways_whole_and_nothing_stays_open_afterwards(echo: Listener) -> None:
    address = next(ADDRESSES)
    await echo.open((address, 7002))
    sent = os.urandom(3_000_000)
    reader, writer = await asyncio.open_connection(address, 7002)
    writer.write(sent)
    writer.write_eof()
    assert await reader.read(-1) == sent
    writer.close()
    await until(lambda: not echo._sides)


async def test_a_target_that_refuses_is_passed_over(echo: Listener) -> None:
    address = next(ADDRESSES)
    echo.targets.insert(0, ("127.64.255.254", 1))
    await echo.open((address, 7002))
    assert [await ask(address, 7002) for _ in range(3)] == ["hi"] * 3


async def test_a_client_is_reset_when_no_target_answers(echo: Listener) -> None:
    address = next(ADDRESSES)
    echo.targets = [("127.64.255.254", 1)]
    await echo.open((address, 7002))
    with pytest.raises(ConnectionError):
        await ask(address, 7002)


async def test_a_pod_finds_services_by_name_also_those_that_come_later(machine: Machine) -> None:
    looks = "until getent hosts svc.default.svc.cluster.local; do sleep 0.02; done; getent hosts svc"
    await machine.apply("a", "sh", "-c", looks)
    await machine.phase("a", "Running")
    address = next(ADDRESSES)
    await machine.service("svc", address, 7001, 7000, app="x")
    await machine.phase("a", "Succeeded")
    lines = [line.split()[0] for line in (await machine.log("a")).splitlines()]
    assert lines == [address, address]


async def test_triggers_resolve_the_same_names(machine: Machine) -> None:
    address = next(ADDRESSES)
    await machine.service("svc", address, 7001, 7000, app="x")
    await until(lambda: machine.node.resolve("svc") == address)
    assert machine.node.resolve("svc.default.svc.cluster.local") == address
    assert machine.node.resolve("example.org") == "example.org"
    await machine.objects.delete(SERVICES, "default", "svc")
    await until(lambda: machine.node.resolve("svc") == "svc")


UDP_ANSWERS = """
import os, socket
server = socket.socket(type=socket.SOCK_DGRAM)
server.bind((os.environ["IP"], 7000))
while True:
    said, client = server.recvfrom(100)
    server.sendto(os.environ["HOSTNAME"].encode() + b":" + said, client)
"""


async def ask_datagram(address: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect((address, port))
        await loop.sock_sendall(client, b"hi")
        async with asyncio.timeout(1):
            return (await loop.sock_recv(client, 100)).decode()


async def answered(address: str, port: int, wanted: str) -> None:
    async with asyncio.timeout(10):
        while True:
            with suppress(OSError, TimeoutError):
                if await ask_datagram(address, port) == wanted:
                    return
            await asyncio.sleep(0.01)


async def test_datagrams_reach_pods_by_the_service_and_by_its_node_port(machine: Machine) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        node_port = probe.getsockname()[1]
    ports = [{"port": 7001, "targetPort": 7000, "nodePort": node_port, "protocol": "UDP"}]
    spec = {"type": "NodePort", "clusterIP": next(ADDRESSES), "selector": {"app": "x"}, "ports": ports}
    await machine.objects.create(SERVICES, {"metadata": {"name": "s", "namespace": "default"}, "spec": spec})
    with pytest.raises(ConnectionRefusedError):
        await ask_datagram(spec["clusterIP"], 7001)
    await machine.apply("a", "python3", "-c", UDP_ANSWERS, container={"env": [POD_IP]}, labels={"app": "x"})
    await answered(spec["clusterIP"], 7001, "a:hi")
    await answered("127.0.0.1", node_port, "a:hi")
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    await refused(spec["clusterIP"], 7001)


async def refused(address: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await ask_datagram(address, port)
            except ConnectionRefusedError:
                return
            except TimeoutError:
                continue


@pytest.mark.parametrize("resource", [ENDPOINTS, ENDPOINT_SLICES])
async def test_endpoints_that_somebody_wrote_are_forwarded_to(machine: Machine, resource: Resource) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"db:" + await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    address = next(ADDRESSES)
    spec = {"clusterIP": address, "ports": [{"port": 7001, "targetPort": number}]}
    metadata = {"name": "db", "namespace": "default", "labels": {"kubernetes.io/service-name": "db"}}
    await machine.objects.create(SERVICES, {"metadata": metadata, "spec": spec})
    ports = [{"name": "", "port": number, "protocol": "TCP"}]
    bodies = {
        ENDPOINTS: {"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": ports}]},
        ENDPOINT_SLICES: {
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
            "ports": ports,
        },
    }
    await machine.objects.create(resource, {"metadata": metadata, **bodies[resource]})
    await answers(address, 7001, {"db:hi"})
    await machine.objects.delete(resource, "default", "db")
    await answers(address, 7001, set())
    server.close()


class Twins(SharedNetwork):
    """A network into which the machine has no way: each address of a pod has another for the machine."""

    ranges = RANGES  # type: ignore[assignment]

    def from_machine(self, address: str) -> str:
        return address.replace("10.203.", "127.77.")


OFFERED = {
    "addressType": "IPv4",
    "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.203.1.1"], "conditions": {"ready": True}}],
}


@pytest.mark.parametrize(
    ("network", "spec", "doors"),
    [
        (SharedNetwork(), {"clusterIP": "127.64.0.1"}, {("TCP", "127.64.0.1", 80)}),
        (SharedNetwork(), {"clusterIP": "None"}, set()),
        (
            SharedNetwork(),
            {"clusterIP": "127.64.0.1", "nodePort": 30080},
            {("TCP", "127.64.0.1", 80), ("TCP", "127.0.0.1", 30080)},
        ),
        (SharedNetwork(), {"clusterIP": "127.64.0.1", "protocol": "SCTP"}, set()),
        (Twins(), {"clusterIP": "10.203.129.1"}, {("TCP", "127.77.129.1", 80)}),
        (Twins(), {"clusterIP": "None"}, {("TCP", "127.77.1.1", 8080)}),
    ],
)
def test_where_the_machine_listens_depends_on_the_way_it_has(
    network: SharedNetwork, spec: dict[str, Any], doors: set[Any]
) -> None:
    port = {"port": 80, **{name: spec[name] for name in ("nodePort", "protocol") if name in spec}}
    found = {"spec": {"clusterIP": spec["clusterIP"], "ports": [port]}}
    offered = {**OFFERED, "ports": [{**OFFERED["ports"][0], "protocol": spec.get("protocol", "TCP")}]}  # type: ignore[dict-item]
    assert doors_of(found, [offered], network).keys() == doors
    assert doors_of(found, [], network) == {}
