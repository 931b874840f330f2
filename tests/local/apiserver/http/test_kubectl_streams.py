"""Ports, attached processes and terminals by real kubectls: websockets of newer ones, SPDY of older ones."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from parts.kubectls import Kubectl, apply, good, kubectl_path
from parts.loopback import free_port
from parts.served import Served
from tidegate.kube.resource import PODS

pytestmark = pytest.mark.real

POD = """
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec: {containers: [{name: c, image: tool, command: [sleep, "1"], stdin: true, tty: true}]}
---
apiVersion: v1
kind: Service
metadata: {name: alone}
spec: {selector: {app: alone}, ports: [{port: 80, targetPort: %d}]}
"""
LARGE = os.urandom(3_000_000)


async def running(served: Served, kubectl: Kubectl, port: int = 80) -> None:
    await apply(kubectl, POD % port)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await served.plane.objects.patch(PODS, "default", "alone", {"status": status}, "status")


@asynccontextmanager
async def listening(serve: object) -> AsyncIterator[int]:
    """The port of a server of ours, which stands for the pod's."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # type: ignore[arg-type]
    yield server.sockets[0].getsockname()[1]
    server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
    writer.close()


class Forward:
    """`kubectl port-forward` while it runs."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def exchange(self, content: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(content)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(-1), 20)
        writer.close()
        return answer

    async def error(self) -> str:
        assert self.process.stderr is not None
        return (await asyncio.wait_for(self.process.stderr.readline(), 20)).decode()

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 20)


@asynccontextmanager
async def forwarding(served: Served, version: str, what: str, port: int) -> AsyncIterator[Forward]:
    local = free_port()
    process = await asyncio.create_subprocess_exec(
        str(kubectl_path(version)),
        *("port-forward", what, f"{local}:{port}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(served.server.kubeconfig), "HOME": "/nonexistent"},
    )
    assert process.stdout is not None
    assert b"Forwarding from" in await asyncio.wait_for(process.stdout.readline(), 20)
    try:
        yield Forward(process, local)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture
def version(kubectl: Kubectl) -> str:
    return str(kubectl.version)  # type: ignore[attr-defined]


async def test_connections_go_to_the_port_and_back_whole(
    served: Served, kubectl: Kubectl, version: str
) -> None:
    async with listening(echo) as port:
        await running(served, kubectl, port)
        async with forwarding(served, version, "pod/alone", port) as forward:
            assert await forward.exchange(b"hello") == b"hello"
            both = await asyncio.gather(forward.exchange(LARGE), forward.exchange(LARGE[::-1]))
            assert both == [LARGE, LARGE[::-1]]
        async with forwarding(served, version, "service/alone", 80) as forward:
            assert await forward.exchange(b"by its service") == b"by its service"


async def test_a_port_that_nobody_listens_on_is_told(served: Served, kubectl: Kubectl, version: str) -> None:
    await running(served, kubectl)
    port = free_port()
    async with forwarding(served, version, "pod/alone", port) as forward:
        # kubectl closes with or without having read what was sent.
        with suppress(ConnectionResetError):
            assert await forward.exchange(b"anybody?") == b""
        assert f"error forwarding port {port}: Connection refused" in await forward.error()


async def test_connections_end_with_the_pod(served: Served, kubectl: Kubectl, version: str) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"here")
        await reader.read(-1)
        ended.set()
        writer.close()

    async with listening(serve) as port:
        await running(served, kubectl, port)
        async with forwarding(served, version, "pod/alone", port) as forward:
            reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
            assert await asyncio.wait_for(reader.read(4), 20) == b"here"
            served.pods.gone.set()
            await asyncio.wait_for(ended.wait(), 20)
            assert await asyncio.wait_for(reader.read(-1), 20) == b""
            writer.close()
            assert await forward.ended() == 1
            assert "lost connection to pod" in await forward.error()


async def test_a_client_that_is_killed_leaves_no_connection(
    served: Served, kubectl: Kubectl, version: str
) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        ended.set()
        writer.close()

    async with listening(serve) as port:
        await running(served, kubectl, port)
        async with forwarding(served, version, "pod/alone", port) as forward:
            _, writer = await asyncio.open_connection("127.0.0.1", forward.port)
            writer.write(b"half a")
            await asyncio.sleep(0.3)
            forward.process.kill()
            await asyncio.wait_for(ended.wait(), 20)
            writer.close()


async def test_who_may_only_look_forwards_nothing(served: Served, kubectl: Kubectl) -> None:
    await running(served, kubectl)
    await good(kubectl, "create", "role", "looks", "--verb=get,list,watch", "--resource=pods")
    await good(kubectl, "create", "rolebinding", "eve", "--role=looks", "--user=eve")
    for words in (
        ("port-forward", "pod/alone", f"{free_port()}:80"),
        ("attach", "alone"),
        ("exec", "alone", "--", "echo"),
    ):
        code, _, error = await kubectl("--as=eve", *words)
        assert code == 1
        assert f'resource "pods/{words[0].replace("-", "")}"' in error


async def test_attaching_carries_the_processs_output(served: Served, kubectl: Kubectl) -> None:
    await running(served, kubectl)
    assert "attached" in await good(kubectl, "attach", "alone")


async def test_a_terminal_has_the_size_of_its_window(
    served: Served, kubectl: Kubectl, version: str, tmp_path: Path
) -> None:
    await running(served, kubectl)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    process = await asyncio.create_subprocess_exec(
        str(kubectl_path(version)),
        *("exec", "-it", "alone", "--", "sizes"),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(served.server.kubeconfig), "HOME": str(tmp_path)},
    )
    os.close(slave)
    told = b""
    try:
        async with asyncio.timeout(20):
            while b"101x33" not in told:
                told += await asyncio.to_thread(os.read, master, 4096)
    finally:
        process.kill()
        await process.wait()
        os.close(master)
