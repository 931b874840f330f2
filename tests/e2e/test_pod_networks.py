"""Each pod has a network of its own: for root and for an ordinary user, on a machine of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine_namespace import Machine, machine
from parts.servers import installed, program
from parts.up import Up, needs_kubectl, needs_redis
from tidegate.local.nodes.processes.process import ROLE_VARIABLE, marked

pytestmark = [pytest.mark.e2e, pytest.mark.real]

# Answers each line with the pod's name and the line, on all addresses.
ECHO = """
import socketserver, socket
class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(socket.gethostname().encode() + b" " + line)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("0.0.0.0", 8080), Talk).serve_forever()
"""
# One connection that is used again and again, for as long as it lives.
TALKER = """
import socket, time
talk = socket.create_connection(("echo", 8080), 5)
lines = talk.makefile("rw")
for number in range(100000):
    print(number, file=lines, flush=True)
    print("answered", lines.readline().strip(), flush=True)
    time.sleep(0.2)
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as talk:
    talk.sendall(b"hi\\n")
    print(talk.makefile().readline().strip())
"""


def echo(version: str) -> dict[str, Any]:
    container = {
        "name": "c",
        "image": "python",
        "command": ["python3", "-c", ECHO],
        "env": [{"name": "VERSION", "value": version}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
    }
    beside = {"name": "beside", "image": "busybox", "command": ["sleep", "3600"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "echo"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "echo"}},
            "template": {
                "metadata": {"labels": {"app": "echo"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container, beside]},
            },
        },
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "echo"},
    "spec": {"selector": {"app": "echo"}, "ports": [{"port": 8080}]},
}


def pod(name: str, *command: str) -> dict[str, Any]:
    container = {"name": "c", "image": "python", "command": list(command)}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(params=["root", "ordinary user"])
def host(request: pytest.FixtureRequest) -> Iterator[Machine]:
    needs_kubectl()
    with machine(request.param == "root") as made:
        yield made


@pytest.fixture
def up(host: Machine) -> Iterator[Up]:
    server = host.up("--pod-network", "own")
    server.start()
    try:
        yield server
    finally:
        server.end()


def apply(up: Up, *objects: dict[str, Any]) -> None:
    up.kubectl("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))


def pods(up: Up) -> list[dict[str, Any]]:
    found = up.get("pods", "-l", "app=echo")["items"]
    return [one for one in found if not one["metadata"].get("deletionTimestamp")]


def is_ready(up: Up, count: int) -> bool:
    states = [one["status"].get("containerStatuses") or [{}] for one in pods(up)]
    return len(states) == count and all(one.get("ready") for each in states for one in each)


def ask(up: Up, name: str, host: str, port: int = 8080, container: str = "c") -> str:
    return up.kubectl("exec", name, "-c", container, "--", "python3", "-c", ASK, host, str(port)).strip()


def router(up: Up) -> list[int]:
    node_id = (up.folder / "node" / "node-id").read_text().strip()
    return [pid for pid, marks in marked(node_id) if marks.get(ROLE_VARIABLE) == "router"]


def test_two_replicas_on_one_port_a_service_on_it_and_a_rolling_update(host: Machine, up: Up) -> None:
    apply(up, echo("1"), SERVICE)
    up.until("both are ready", lambda: is_ready(up, 2))
    node = up.get("node", "local")
    (network,) = [one for one in node["status"]["conditions"] if one["type"] == "SharedPodNetwork"]
    assert network["status"] == "False", network

    first, second = (one["metadata"]["name"] for one in pods(up))
    address = pods(up)[1]["status"]["podIP"]
    assert ask(up, first, "127.0.0.1", container="beside") == f"{first} hi"
    assert ask(up, second, "127.0.0.1") == f"{second} hi"
    assert ask(up, first, address) == f"{second} hi"
    answered = {ask(up, first, "echo.default.svc.cluster.local").split()[0] for _ in range(12)}
    assert answered == {first, second}

    # What listens on the machine's loopback is reached by its name, and not by the pod's loopback.
    program = ECHO.replace("0.0.0.0", "127.0.0.1").replace("8080", "8099")
    with subprocess.Popen([*host.inside, sys.executable, "-c", program]) as server:
        try:
            up.until("it answers", lambda: "hi" in _tried(up, first, "host.tidegate.internal", 8099))
            assert "refused" in _tried(up, first, "127.0.0.1", 8099)
        finally:
            server.kill()

    apply(up, echo("2"))
    up.kubectl("rollout", "status", "deployment/echo", "--timeout=60s")
    assert not {first, second} & {one["metadata"]["name"] for one in pods(up)}


def _tried(up: Up, name: str, host: str, port: int) -> str:
    command = ["exec", name, "-c", "c", "--", "python3", "-c", ASK, host, str(port)]
    return up.kubectl(*command, check=False)


def test_a_connection_through_a_service_survives_the_server_and_the_router(up: Up) -> None:
    apply(up, echo("1"), SERVICE)
    up.until("both are ready", lambda: is_ready(up, 2))
    apply(up, pod("talker", "python3", "-u", "-c", TALKER))

    def answered() -> int:
        return up.kubectl("logs", "talker", check=False).count("answered")

    up.until("it talks", lambda: answered() > 2)
    up.kill()
    up.start()
    before = answered()
    up.until("it talks on", lambda: answered() > before + 5)
    former = router(up)
    for pid in former:
        os.kill(pid, signal.SIGKILL)
    up.until("another router is there", lambda: bool(set(router(up)) - set(former)))
    before = answered()
    up.until("it talks on", lambda: answered() > before + 5)
    up.until("Services lead on", lambda: " hi" in _tried(up, "talker", "echo", 8080))
    found = [*pods(up), up.get("pod", "talker")]
    restarts = [one["restartCount"] for each in found for one in each["status"]["containerStatuses"]]
    assert restarts == [0] * len(restarts)


def test_pods_whose_network_is_gone_start_anew_and_it_is_no_failure(up: Up) -> None:
    apply(up, echo("1"), SERVICE)
    up.until("both are ready", lambda: is_ready(up, 2))
    up.kill()
    # With their shells nobody holds the router's network any more.
    for pid in [*up.processes(), *router(up)]:
        if pid in router(up) or Path(f"/proc/{pid}/comm").read_text() == "sh\n":
            os.kill(pid, signal.SIGKILL)
    up.start()
    first = pods(up)[0]["metadata"]["name"]
    up.until("Services lead to them", lambda: " hi" in _tried(up, first, "echo", 8080))
    up.until("both are ready", lambda: is_ready(up, 2))
    assert [one["restartCount"] for each in pods(up) for one in each["status"]["containerStatuses"]] == [
        0
    ] * 4


IMAGES = {
    "redis": ("redis:7", {}, 6379),
    "postgres": ("postgres:15", {"POSTGRES_PASSWORD": "for-the-test"}, 5432),
    "rabbitmq": ("rabbitmq:3", {}, 5672),
    "kafka": ("apache/kafka:3.9.0", {"KAFKA_HEAP_OPTS": "-Xmx256m"}, 9092),
}
OPEN = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 5).close()
print("open")
"""


def server(name: str) -> list[dict[str, Any]]:
    image, env, port = IMAGES[name]
    made = pod(name)
    made["metadata"]["labels"] = {"app": name}
    variables = [{"name": key, "value": value} for key, value in env.items()]
    made["spec"]["containers"] = [{"name": "c", "image": image, "env": variables}]
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return [made, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}]


def test_servers_of_images_answer_on_the_pods_loopback_and_at_their_service(up: Up) -> None:
    needs_redis()
    program("postgresql", "postgres")
    program("rabbitmq", "rabbitmq-server")
    topics = installed("kafka") / "bin" / "kafka-topics.sh"
    apply(up, pod("client", "sleep", "3600"))
    for name, (_, _, port) in IMAGES.items():
        apply(up, *server(name))

        def reaches(client: str, host: str, port: int = port) -> bool:
            asked = ["exec", client, "--", "python3", "-c", OPEN, host, str(port)]
            return "open" in up.kubectl(*asked, check=False)

        up.until(f"{name} on its loopback", lambda name=name: reaches(name, "127.0.0.1"), 150)
        up.until(f"{name} by its Service", lambda name=name: reaches("client", name))
        if name == "redis":
            assert up.kubectl("exec", "redis", "--", "redis-cli", "ping") == "PONG\n"
            assert up.kubectl("exec", "client", "--", "redis-cli", "-h", "redis", "ping") == "PONG\n"
        if name == "kafka":
            # A client goes on to the address that the broker tells.
            topic = ["--create", "--topic", "orders", "--bootstrap-server", "kafka:9092"]
            told = up.kubectl("exec", "client", "--", str(topics), *topic)
            assert "Created topic orders" in told
        else:
            up.kubectl("delete", "pod", name)


def test_after_a_stop_nothing_is_left_and_a_block_that_is_in_use_is_not_taken(host: Machine) -> None:
    host.run("ip", "address", "add", "10.203.7.1/24", "dev", "lo")
    before = host.traces()
    up = host.up("--pod-network", "own")
    up.start()
    try:
        apply(up, echo("1"))
        up.until("both are ready", lambda: is_ready(up, 2))
        assert all(not one["status"]["podIP"].startswith("10.203.") for one in pods(up))
        # The machine has one link more, where the server runs as root, and nothing for an ordinary user.
        more = set(host.traces()["links"].splitlines()) - set(before["links"].splitlines())
        assert len(more) == host.is_root
        assert up.stop() == 0
    finally:
        up.end()
    shutil.rmtree(up.folder)
    assert host.traces() == before
