"""Ports, files and commands of real pods, by kubectls of both ages of the protocol."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from parts.kubectls import VERSIONS, kubectl_path
from parts.loopback import free_port
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("streams")]

# One listens on the pod's address, one on its loopback alone.
PODS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: wide
          image: python
          command: [python3, -m, http.server, "%(wide)d"]
          readinessProbe: {periodSeconds: 1, tcpSocket: {port: %(wide)d}}
        - name: narrow
          image: python
          command: [python3, -m, http.server, "%(narrow)d", --bind, 127.0.0.1]
          readinessProbe:
            periodSeconds: 1
            exec:
              command:
                - python3
                - -c
                - import socket; socket.create_connection(("127.0.0.1", %(narrow)d))
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: %(wide)d}]}
"""


@pytest.fixture(scope="module", params=["own", "shared"])
def up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    needs_kubectl()
    up = Up(tmp_path_factory.mktemp("streams") / "data", "--pod-network", request.param)
    try:
        up.start()
        up.ports = {"wide": free_port(), "narrow": free_port()}  # type: ignore[attr-defined]
        manifest = up.folder.parent / "pods.yaml"
        manifest.write_text(PODS % up.ports)  # type: ignore[attr-defined]
        up.kubectl("apply", "-f", str(manifest))
        up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        yield up
    finally:
        up.end()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    path = kubectl_path(request.param)
    if path is None:
        pytest.skip(f"kubectl {request.param} is missing; `make tools` fetches it")
    return str(path)


def run(up: Up, version: str, *words: str, stdin: bytes = b"") -> bytes:
    environment = {**os.environ, "KUBECONFIG": str(up.kubeconfig)}
    done = subprocess.run([version, *words], input=stdin, capture_output=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@contextmanager
def forwarded(up: Up, version: str, what: str, port: int) -> Iterator[int]:
    local = free_port()
    environment = {**os.environ, "KUBECONFIG": str(up.kubeconfig)}
    command = [version, "port-forward", what, f"{local}:{port}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Forwarding")
        try:
            yield local
        finally:
            process.kill()


def page(port: int) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    ("what", "port"), [("deployment/web", "wide"), ("service/web", ""), ("deployment/web", "narrow")]
)
def test_ports_of_pods_are_forwarded(up: Up, version: str, what: str, port: str) -> None:
    number = up.ports[port] if port else 80  # type: ignore[attr-defined]
    with forwarded(up, version, what, number) as local:
        assert [page(local) for _ in range(3)] == [200, 200, 200]


def test_files_are_copied_in_and_out(up: Up, version: str, tmp_path: Path) -> None:
    content = os.urandom(2_000_000)
    (tmp_path / "in").write_bytes(content)
    [pod] = up.kubectl("get", "pods", "-l", "app=web", "-o", "name").split()
    place = f"{pod.removeprefix('pod/')}:/tmp/copied-{time.time_ns()}"
    run(up, version, "cp", "-c", "wide", str(tmp_path / "in"), place)
    run(up, version, "cp", "-c", "wide", place, str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == content


def test_commands_have_input_output_and_an_end(up: Up, version: str) -> None:
    content = os.urandom(1_000_000)
    command = ("exec", "-i", "deployment/web", "-c", "wide", "--", "cat")
    assert run(up, version, *command, stdin=content) == content


def test_a_forward_ends_with_its_pod(up: Up, version: str) -> None:
    run(up, version, "run", "short", "--image=python", "--restart=Never", "--command", "--", "sleep", "600")
    up.kubectl("wait", "--for=condition=Ready", "pod/short", "--timeout=30s")
    command = [version, "port-forward", "pod/short", f"{free_port()}:80"]
    environment = {**os.environ, "KUBECONFIG": str(up.kubeconfig)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Forwarding")
        run(up, version, "delete", "pod", "short", "--grace-period=0", "--force")
        assert process.wait(20) == 1


@contextmanager
def terminal(up: Up, version: str, *words: str) -> Iterator[Callable[[str, str], str]]:
    """kubectl in a terminal of 33 rows and 101 columns: what is typed, and what is waited for."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    environment = {**os.environ, "KUBECONFIG": str(up.kubeconfig)}
    process = subprocess.Popen([version, *words], stdin=slave, stdout=slave, stderr=slave, env=environment)
    os.close(slave)

    def exchange(typed: str, awaited: str) -> str:
        os.write(master, typed.encode())
        told, deadline = "", time.monotonic() + 30
        while awaited not in told:
            ready, _, _ = select.select([master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{awaited!r} does not come after {told!r}"
            told += os.read(master, 4096).decode(errors="replace")
        return told

    try:
        yield exchange
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_a_pod_is_run_with_an_input(up: Up, version: str) -> None:
    words = (
        "run",
        "sorter",
        "--rm",
        "-i",
        "--quiet",
        "--restart=Never",
        "--image=busybox",
        "--command",
        "--",
    )
    assert run(up, version, *words, "sort", stdin=b"b\nc\na\n").startswith(b"a\nb\nc\n")
    assert "sorter" not in up.kubectl("get", "pods", "-o", "name")


def test_a_pod_is_run_with_a_terminal(up: Up, version: str) -> None:
    words = ("run", "shell", "--rm", "-it", "--restart=Never", "--image=busybox", "--command", "--", "sh")
    with terminal(up, version, *words) as exchange:
        exchange("\n", "# " if os.geteuid() == 0 else "$ ")
        exchange("stty size; echo $((40 + 2))\n", "\n42")
        assert "33 101" in exchange("stty size; tty\n", "/dev/pts")
        exchange("exit\n", "deleted")
    assert "shell" not in up.kubectl("get", "pods", "-o", "name")


def test_an_input_outlives_the_server_and_who_typed(up: Up) -> None:
    manifest = """
    {apiVersion: v1, kind: Pod, metadata: {name: reader}, spec: {containers: [
      {name: c, image: busybox, stdin: true, command: [sh, -c, "while read word; do echo got $word; done"]}]}}
    """
    path = up.folder.parent / "reader.yaml"
    path.write_text(manifest)
    up.kubectl("apply", "-f", str(path))
    up.kubectl("wait", "--for=condition=Ready", "pod/reader", "--timeout=30s")

    def typed(word: str) -> None:
        command = ["kubectl", "--kubeconfig", str(up.kubeconfig), "attach", "-i", "reader"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{word}\n".encode())
            process.stdin.flush()
            assert process.stdout.readline().decode().endswith(f"got {word}\n")
            process.kill()

    typed("one")
    up.kill()
    up.start()
    up.until(
        "it is found again", lambda: "here" in up.kubectl("exec", "reader", "--", "echo", "here", check=False)
    )
    typed("two")
    assert up.kubectl("logs", "reader") == "got one\ngot two\n"
    up.kubectl("delete", "pod", "reader", "--grace-period=1")
