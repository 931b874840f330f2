"""Probes of all kinds: what each answer means, what is told, and what becomes of the container."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from aiohttp import web

from parts.doomed import Doomed
from parts.http_server import answering
from parts.machine import Machine, pod, until
from tidegate.kube.resource import EVENTS, PODS
from tidegate.local.nodes.pods.container_access import Access
from tidegate.local.nodes.pods.probe_actions import ask
from tidegate.local.nodes.processes.instance_life import Life

HERE = "127.0.0.1"


def events(machine: Machine, reason: str) -> list[str]:
    return [one["message"] for one in machine.objects.list(EVENTS) if one["reason"] == reason]


def access(address: str = HERE, **ports: int) -> Access:
    async def run(command: list[str], timeout_s: float | None) -> tuple[int, str]:
        if command[0] == "slow":
            raise TimeoutError
        return int(command[0]), "  it said this\n"

    return Access(address, ports, run)


def saying(status: int, headers: dict[str, str] | None = None) -> Any:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": "http://example.com/secret"})
        if request.path == "/round":
            return web.Response(status=302, headers={"Location": "/round"})
        if request.path == "/on":
            return web.Response(status=302, headers={"Location": "/there"})
        return web.Response(status=status, headers=headers)

    return answer


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HERE, 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize(
    ("status", "path", "kind", "said"),
    [
        (200, "/", "good", ""),
        (399, "/", "good", ""),
        (400, "/", "bad", "HTTP probe failed with statuscode: 400"),
        (500, "/", "bad", "HTTP probe failed with statuscode: 500"),
        (204, "/on", "good", ""),
        (200, "/away", "warned", "Probe terminated redirects, to example.com"),
        (200, "/round", "bad", "stopped after 10 redirects"),
    ],
)
async def test_the_status_decides_and_redirects_are_followed_at_the_host(
    status: int, path: str, kind: str, said: str
) -> None:
    async with answering(saying(status)) as server:
        verdict = await ask({"httpGet": {"port": "web", "path": path}}, access(web=server.port))
    assert (verdict.kind, verdict.said[-len(said) :] if said else "") == (kind, said)


async def test_headers_are_sent_and_take_the_place_of_ours() -> None:
    headers = [
        {"name": "Host", "value": "site.example"}, {"name": "X-A", "value": "1"},
        {"name": "X-A", "value": "2"}, {"name": "user-agent", "value": ""},
    ]  # fmt: skip
    async with answering(saying(200)) as server:
        await ask({"httpGet": {"port": server.port, "httpHeaders": headers}}, access())
    sent = server.requests[0].headers
    assert (sent["Host"], sent.getall("X-A"), "User-Agent" in sent) == ("site.example", ["1", "2"], False)


async def test_a_certificate_that_nobody_knows_will_do() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("elsewhere.example").configure_cert(tls)
    async with answering(saying(200), tls=tls) as server:
        verdict = await ask({"httpGet": {"port": server.port, "scheme": "HTTPS"}}, access())
        without = await ask({"httpGet": {"port": server.port}}, access())
    assert verdict.kind == "good"
    assert without.kind == "bad"


async def test_asked_in_tls_a_server_without_is_not_well() -> None:
    async with answering(saying(200)) as server:
        verdict = await ask({"httpGet": {"port": server.port, "scheme": "HTTPS"}}, access())
    assert verdict.said.endswith("http: server gave HTTP response to HTTPS client")


@pytest.mark.parametrize(
    ("probe", "kind", "said"),
    [
        ({"exec": {"command": ["0"]}}, "good", ""),
        ({"exec": {"command": ["1"]}}, "bad", "it said this"),
        ({"exec": {"command": ["slow", "one"]}}, "bad", 'command "slow one" timed out'),
        ({"httpGet": {"port": "nosuch"}}, "errored", "port nosuch not found"),
        ({"tcpSocket": {"port": "70000"}}, "errored", "invalid port number: 70000"),
        ({"tcpSocket": {"port": "shut"}}, "bad", "connect: connection refused"),
        ({"httpGet": {"port": "shut"}}, "bad", "connect: connection refused"),
        ({"grpc": {"port": "shut"}}, "bad", "within 1s: connection refused"),
        ({}, "errored", "missing probe handler"),
    ],
)
async def test_what_is_told_of_each_answer(probe: dict[str, Any], kind: str, said: str) -> None:
    verdict = await ask(probe, access(shut=free_port()))
    assert verdict.kind == kind
    assert verdict.said.endswith(said)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("httpGet", "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
        ("grpc", "timeout: health rpc did not complete within 0.2s"),
    ],
)
async def test_a_server_that_never_answers(kind: str, said: str) -> None:
    left: list[str] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.append("gone")

    server = await asyncio.start_server(keep, HERE, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await ask({"tcpSocket": {"port": port}}, access())).kind == "good"
        verdict = await ask({kind: {"port": port}, "timeoutSeconds": 0.2}, access())
        await until(lambda: len(left) == 2)
    assert verdict.said.endswith(said)


@asynccontextmanager
async def health(address: str, answer: Callable[[bytes], bytes], port: int = 0) -> AsyncIterator[int]:
    """A gRPC server with a health service, or with `answer` of another one."""

    async def check(request: bytes, context: Any) -> bytes:
        return answer(request)

    server = grpc.aio.server()
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),)
    )
    port = server.add_insecure_port(f"{address}:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (b"\x08\x01", "good", ""),
        (b"\x08\x02", "bad", 'service unhealthy (responded with "NOT_SERVING")'),
        (b"", "bad", 'service unhealthy (responded with "UNKNOWN")'),
        (b"\x12\x00", "bad", "error: health rpc probe failed: not a HealthCheckResponse"),
    ],
)
async def test_a_grpc_service_is_asked_for_its_health(reply: bytes, kind: str, said: str) -> None:
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return reply

    async with health(HERE, answer) as port:
        verdict = await ask({"grpc": {"port": port, "service": "s" * 200}, "timeoutSeconds": 5}, access())
    assert (verdict.kind, verdict.said) == (kind, said)
    assert asked == [b"\x0a\xc8\x01" + b"s" * 200]


async def test_a_grpc_server_without_a_health_service_says_so() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port(f"{HERE}:0")
    await server.start()
    try:
        verdict = await ask({"grpc": {"port": port}, "timeoutSeconds": 5}, access())
    finally:
        await server.stop(0)
    assert verdict.said.startswith("error: this server does not implement the grpc health protocol")


async def test_a_pod_is_asked_over_grpc_at_its_address(machine: Machine) -> None:
    port = free_port()
    probe = {"grpc": {"port": port}, "periodSeconds": 0.1, "timeoutSeconds": 5}
    await machine.apply("a", "sleep", "60", container={"readinessProbe": probe})
    await machine.phase("a", "Running")
    await until(lambda: events(machine, "Unhealthy"))
    assert machine.container("a")["ready"] is False
    async with health(machine.pod("a")["status"]["podIP"], lambda _: b"\x08\x01", port):
        await until(lambda: machine.container("a")["ready"])


def failing(**more: Any) -> dict[str, Any]:
    return {
        "exec": {"command": ["false"]},
        "periodSeconds": 0.05,
        "failureThreshold": 1,
        "timeoutSeconds": 5,
    } | more


@pytest.mark.parametrize(
    ("kind", "policy", "told"),
    [
        ("livenessProbe", "Always", "Container c failed liveness probe, will be restarted"),
        ("startupProbe", "OnFailure", "Container c failed startup probe, will be restarted"),
        ("livenessProbe", "Never", "Container c failed liveness probe"),
    ],
)
async def test_the_probe_that_failed_is_named(machine: Machine, kind: str, policy: str, told: str) -> None:
    await machine.apply("a", "sleep", "60", container={kind: failing()}, restartPolicy=policy)
    await until(lambda: events(machine, "Killing"))
    assert events(machine, "Killing")[0] == told
    if policy == "Never":
        await machine.phase("a", "Failed")


@pytest.mark.parametrize(("own_s", "seconds"), [(200, 200), (None, 100)])
async def test_a_probe_may_have_a_grace_of_its_own(machine: Machine, own_s: int | None, seconds: int) -> None:
    probe = failing() if own_s is None else failing(terminationGracePeriodSeconds=own_s)
    stubborn = "trap '' TERM; while :; do sleep 0.1; done"
    uid = await machine.apply(
        "a", "sh", "-c", stubborn, container={"livenessProbe": probe}, terminationGracePeriodSeconds=100
    )  # fmt: skip
    life = await until(lambda: _signalled(machine.folder / "pods" / uid / "c" / "0"))
    assert round((life.until - life.signalled_at) / 100) * 100 == seconds


def _signalled(instance: Path) -> Life | None:
    life = Life.read(instance)
    return life if life.signalled_at else None


async def test_other_probes_begin_when_the_container_has_started(machine: Machine) -> None:
    container = {
        "startupProbe": failing(exec={"command": ["test", "-e", "/up"]}, failureThreshold=1000),
        "readinessProbe": failing(exec={"command": ["sh", "-c", "echo asked; false"]}),
    }
    await machine.apply("a", "sleep", "60", container=container)
    await until(lambda: any("Startup probe failed" in one for one in events(machine, "Unhealthy")))
    found = machine.container("a")
    assert (found["started"], found["ready"]) == (False, False)
    assert not any("asked" in one for one in events(machine, "Unhealthy"))
    assert (await machine.exec("a", "touch", "/up"))[0] == 0
    await until(lambda: "Readiness probe failed: asked" in events(machine, "Unhealthy"))
    assert machine.container("a")["started"] is True


async def test_a_container_that_could_not_be_asked_is_left_alone(machine: Machine) -> None:
    probe = {"httpGet": {"port": "nosuch"}, "periodSeconds": 0.05, "failureThreshold": 1}
    await machine.apply("a", "sleep", "60", container={"livenessProbe": probe}, restartPolicy="Always")
    count: Callable[[], int] = lambda: sum(  # noqa: E731
        int(one.get("count") or 1) for one in machine.objects.list(EVENTS) if one["reason"] == "Unhealthy"
    )
    await until(lambda: count() >= 3)
    assert events(machine, "Unhealthy") == ["Liveness probe errored: port nosuch not found"]
    assert events(machine, "Killing") == []


async def test_while_it_ends_only_readiness_is_asked_for(machine: Machine, tmp_path: Path) -> None:
    gate, bad = tmp_path / "gate", tmp_path / "gate.bad"
    stays = (
        f"trap 'until [ -e {gate} ]; do sleep 0.02; done; exit 0' TERM; echo up; while :; do sleep 0.02; done"
    )
    probes = {
        "livenessProbe": failing(exec={"command": ["sh", "-c", f"echo live; [ ! -e {gate}.bad ]"]}),
        "readinessProbe": failing(exec={"command": ["sh", "-c", f"[ ! -e {gate}.bad ]"]}),
    }
    await machine.apply("a", "sh", "-c", stays, container=probes, terminationGracePeriodSeconds=60)
    await until(lambda: machine.container("a").get("ready"))
    await until(lambda: _log(machine, "a"))
    await machine.objects.delete(PODS, "default", "a")
    await until(lambda: events(machine, "Killing"))
    bad.touch()
    await until(lambda: machine.container("a")["ready"] is False)
    assert not any("live" in one for one in events(machine, "Unhealthy"))
    gate.touch()
    await machine.gone("a")


def _log(machine: Machine, name: str) -> bytes:
    uid = machine.pod(name)["metadata"]["uid"]
    return (machine.folder / "pods" / uid / "c" / "0" / "log").read_bytes()


async def test_the_next_server_knows_that_a_container_has_started(doomed: Doomed, tmp_path: Path) -> None:
    up = tmp_path / "up"
    up.touch()
    probe = failing(exec={"command": ["test", "-e", str(up)]}, failureThreshold=1000)
    await doomed.create(pod("a", "sleep", "60", container={"startupProbe": probe}))
    doomed.serve()
    await until(
        lambda: doomed.is_running("a") and doomed.look("a")["status"]["containerStatuses"][0]["started"]
    )
    await doomed.kill()
    up.unlink()
    machine = doomed.again()
    (uid,) = [one["metadata"]["uid"] for one in machine.objects.list(PODS)]
    await until(lambda: uid in machine.node._pods and machine.node._pods[uid].containers)
    assert machine.container("a")["started"] is True
    assert events(machine, "Unhealthy") == []
