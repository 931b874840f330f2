"""Services as programs in pods meet them: names, forwarding, refusals; on both networks that there are."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from parts.loopback import missing
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real]

SERVER = """
import os, selectors, socket
at = os.environ["IP"], 8080
tcp = socket.create_server(at)
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(at)
chosen = selectors.DefaultSelector()
chosen.register(tcp, selectors.EVENT_READ)
chosen.register(udp, selectors.EVENT_READ)
name = os.environ["HOSTNAME"].encode()
while True:
    for key, _ in chosen.select():
        if key.fileobj is tcp:
            client, _ = tcp.accept()
            client.sendall(name)
            client.close()
        else:
            _, client = udp.recvfrom(100)
            udp.sendto(name, client)
"""
ASK = """
import json, os, socket, sys
def names(host):
    try:
        return sorted({one[4][0] for one in socket.getaddrinfo(host, 1, socket.AF_INET, socket.SOCK_STREAM)})
    except socket.gaierror:
        return []
def tcp(host, port):
    try:
        with socket.create_connection((host, port), 5) as made:
            return made.recv(100).decode()
    except OSError as error:
        return type(error).__name__
def udp(host, port):
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        try:
            made.connect((host, port))
            made.send(b"?")
            return made.recv(100).decode()
        except OSError as error:
            return type(error).__name__
env = os.environ
print(json.dumps([eval(one) for one in sys.argv[1:]]))
"""
IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def server_pod(name: str, command: list[str], **labels: str) -> dict[str, Any]:
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    ports = [{"name": "web", "containerPort": 8080}]
    container = {"name": "c", "image": "python", "command": command, "env": [IP], "ports": ports}
    if labels:
        container["readinessProbe"] = probe
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def objects(outside: tuple[str, int]) -> str:
    web, both = {"app": "web"}, [
        {"name": "t", "port": 80, "targetPort": "web"},
        {"name": "u", "port": 80, "targetPort": 8080, "protocol": "UDP"},
    ]  # fmt: skip
    address, port = outside
    subsets = [{"addresses": [{"ip": address}], "ports": [{"port": port}]}]
    listed = [
        service("web", selector=web, ports=both, type="NodePort"),
        service("heads", selector=web, ports=both, clusterIP="None"),
        service("empty", selector={"app": "none"}, ports=both),
        service("db", ports=[{"port": 5432, "targetPort": port}]),
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db"}, "subsets": subsets},
        *(server_pod(name, [sys.executable, "-c", SERVER], app="web") for name in ("one", "two")),
        server_pod("client", ["sleep", "600"]),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": listed})


@pytest.fixture
def outside() -> Iterator[tuple[str, int]]:
    """A database beside the cluster: on an address of the machine's that is not loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            missing("this machine has no address but loopback")
        address = probe.getsockname()[0]

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.sendall(b"outside")
            client.close()

    with closing(socket.create_server((address, 0))) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(params=["own", "shared"])
def up(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Up]:
    needs_kubectl()
    server = Up(tmp_path / "state", "--pod-network", request.param)
    try:
        server.start()
    except AssertionError as error:
        if request.param == "own" and "cannot give pods networks of their own" in str(error):
            missing(str(error))
        raise
    try:
        yield server
    finally:
        server.end()


def ask(up: Up, *questions: str) -> list[Any]:
    found: list[Any] = json.loads(up.kubectl("exec", "client", "--", sys.executable, "-c", ASK, *questions))
    return found


def test_a_program_in_a_pod_reaches_what_a_cluster_would_let_it_reach(
    up: Up, outside: tuple[str, int]
) -> None:
    up.kubectl("apply", "-f", "-", stdin=objects(outside))
    up.kubectl("wait", "--for=condition=Ready", "pod", "one", "two", "client", "--timeout=60s")
    pods = {name: up.get("pod", name)["status"]["podIP"] for name in ("one", "two")}
    web = up.get("service", "web")["spec"]
    both = {"one", "two"}

    up.until("both are found", lambda: ask(up, "names('heads')") == [sorted(pods.values())])
    for name in ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local"):
        assert ask(up, f"names('{name}')") == [[web["clusterIP"]]]
    assert ask(up, "names('one.heads')", "names('nothing.default')") == [[pods["one"]], []]

    twenty = "[{}('web', 80) for _ in range(20)]"
    for found in ask(up, twenty.format("tcp"), twenty.format("udp")):
        assert set(found) == both
    assert ask(up, "tcp('db', 5432)", "tcp('web', 81)", "tcp('empty', 80)", "udp('empty', 80)") == [
        "outside",
        *["ConnectionRefusedError"] * 3,
    ]
    node_ports = {port["name"]: port["nodePort"] for port in web["ports"]}
    with socket.create_connection(("127.0.0.1", node_ports["t"]), 5) as made:
        assert made.recv(100).decode() in both
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.settimeout(5)
        made.connect(("127.0.0.1", node_ports["u"]))
        made.send(b"?")
        assert made.recv(100).decode() in both

    told = json.loads(up.kubectl("get", "--raw", "/names"))
    at = {name: address for _, name, address, *_ in told["services"]}
    for _ in range(4):
        with socket.create_connection((at["web"], 80), 5) as made:
            assert made.recv(100).decode() in both

    api = up.get("service", "kubernetes")["spec"]["clusterIP"]
    assert ask(up, "names('kubernetes.default.svc')") == [[api]]
    assert ask(up, "env['KUBERNETES_SERVICE_PORT_HTTPS'] == env['KUBERNETES_SERVICE_PORT']") == [True]
    slices = up.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    found = [endpoint for one in slices for endpoint in one["endpoints"]]
    assert {endpoint["targetRef"]["name"] for endpoint in found} == both

    up.kubectl("delete", "pod", "one", "two")
    up.until("nobody is left", lambda: ask(up, "tcp('web', 80)") == ["ConnectionRefusedError"])
    assert ask(up, "udp('web', 80)", "names('heads')") == ["ConnectionRefusedError", []]
