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
from tidegate.kube.resource import PODS, SERVICES
from tidegate.local.nodes.network.pod_networks import SharedNetwork
from tidegate.local.nodes.network.service_proxies import Backend, chosen, named, targets
from tidegate.local.nodes.network.tcp_forwarding import Listener

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


def backend(address: str, *, ready: bool = True, **labels: str) -> Backend:
    return Backend(labels, address, ready, f"host-{address[-1]}", {"http": 8080})


def service(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "default", "name": "svc"}, "spec": spec}


PODS_SEEN = [
    backend("127.96.0.1", app="x"),
    backend("127.96.0.2", ready=False, app="x"),
    backend("127.96.0.3", app="y"),
]


@pytest.mark.parametrize(
    ("spec", "addresses"),
    [
        ({"selector": {"app": "x"}}, ["127.96.0.1"]),
        ({"selector": {"app": "x"}, "publishNotReadyAddresses": True}, ["127.96.0.1", "127.96.0.2"]),
        ({"selector": {}}, []),
        ({}, []),
        ({"selector": {"app": "x", "tier": "z"}}, []),
    ],
)
def test_a_service_sends_to_the_ready_pods_of_its_selector(
    spec: dict[str, Any], addresses: list[str]
) -> None:
    assert [pod.address for pod in chosen(service(**spec), PODS_SEEN)] == addresses


@pytest.mark.parametrize(
    ("port", "expected"),
    [({"port": 80}, 80), ({"port": 80, "targetPort": 81}, 81), ({"port": 80, "targetPort": "http"}, 8080),
     ({"port": 80, "targetPort": "none"}, None)],
)  # fmt: skip
def test_a_port_leads_to_a_number_or_a_named_port_of_the_pod(
    port: dict[str, Any], expected: int | None
) -> None:
    assert targets(port, PODS_SEEN[:1]) == ([("127.96.0.1", expected)] if expected else [])


def test_a_headless_service_is_known_by_the_addresses_of_its_pods() -> None:
    found = named(service(clusterIP="None"), PODS_SEEN[:1])
    assert (found.addresses, found.hosts) == (("127.96.0.1",), {"host-1": "127.96.0.1"})
    assert named(service(clusterIP="127.64.0.1"), PODS_SEEN[:1]).addresses == ("127.64.0.1",)
