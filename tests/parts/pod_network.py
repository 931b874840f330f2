"""Namespaces that a test makes for itself: a router and pods behind it, joined by links, gone afterwards.

Works as root and, where the kernel lets ordinary users make namespaces, without.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Network

from parts.loopback import missing
from tidegate.local.nodes.network.ranges import Ranges

RANGES = Ranges.of(IPv4Network("10.203.0.0/16"))
_WAIT = "echo ready; exec sleep 600"
# Answers what it is told by TCP and UDP with its name and the address it sees.
ANSWERS = """
import selectors, socket, sys
name, port = sys.argv[1], int(sys.argv[2])
tcp = socket.create_server(("0.0.0.0", port))
udp = socket.socket(type=socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", port))
chosen = selectors.DefaultSelector()
chosen.register(tcp, selectors.EVENT_READ)
chosen.register(udp, selectors.EVENT_READ)
print("ready", flush=True)
while True:
    for key, _ in chosen.select():
        if key.fileobj is tcp:
            client, seen = tcp.accept()
            client.sendall(f"{name} {seen[0]}".encode())
            client.close()
        else:
            _, seen = udp.recvfrom(100)
            udp.sendto(f"{name} {seen[0]}".encode(), seen)
"""
# Asks again and again from one process.
ASKS = """
import collections, json, socket, sys
kind, address, port, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seen = collections.Counter()
for _ in range(times):
    try:
        if kind == "tcp":
            with socket.create_connection((address, port), 5) as client:
                answer = client.recv(100).decode()
        else:
            with socket.socket(type=socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.connect((address, port))
                client.send(b"?")
                answer = client.recv(100).decode()
    except OSError as error:
        answer = type(error).__name__
    seen[answer] += 1
print(json.dumps(seen))
"""


class PodNetwork:
    """`router` and pods by name; `run` runs a program inside one of them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._inside: dict[str, list[str]] = {}
        is_root = os.geteuid() == 0
        make = ["unshare", "-n"] if is_root else ["unshare", "-rn"]
        pid = self._hold([*make, "sh", "-c", _WAIT])
        self._enter = ["nsenter", "-t", str(pid), *([] if is_root else ["-U", "--preserve-credentials"])]
        self._inside["router"] = [*self._enter, "-n"]
        self.run("router", "ip", "link", "set", "lo", "up")
        self.run("router", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.run("router", "ip", "address", "add", f"{RANGES.dns}/32", "dev", "lo")
        # What the router itself sends needs a route before it is translated.
        self.run("router", "ip", "route", "add", str(RANGES.services), "dev", "lo")

    def add_pod(self, name: str, address: str, listens: int = 0) -> None:
        """A pod that answers on a port, or on none."""
        inside = [*self._inside["router"], "unshare", "-n"]
        pid = self._hold([*inside, "sh", "-c", _WAIT])
        self._inside[name] = ["nsenter", "-t", str(pid), *self._enter[3:], "-n"]
        link, gateway = f"to-{name}", str(RANGES.gateway)
        make = ("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        self.run("router", *make)
        self.run("router", "ip", "address", "add", f"{gateway}/32", "dev", link)
        self.run("router", "ip", "link", "set", link, "up")
        self.run("router", "ip", "route", "add", address, "dev", link)
        self.run(name, "ip", "link", "set", "lo", "up")
        self.run(name, "ip", "address", "add", f"{address}/32", "dev", "eth0")
        self.run(name, "ip", "link", "set", "eth0", "up")
        self.run(name, "ip", "route", "add", gateway, "dev", "eth0")
        self.run(name, "ip", "route", "add", "default", "via", gateway)
        if listens:
            self.start(name, sys.executable, "-I", "-S", "-c", ANSWERS, name, str(listens))

    def run(self, where: str, *argv: str, given: str = "") -> str:
        command = [*self._inside[where], *argv]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, where: str, *argv: str) -> int:
        """Starts a program that says `ready` in its first line; it ends with the test."""
        return self._hold([*self._inside[where], *argv])

    @contextmanager
    def opened(self, where: str, *argv: str) -> Iterator[Callable[[], str]]:
        """A program that answers each line with a line; what is yielded says one and returns the other."""
        command = [*self._inside[where], *argv]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            given, told = process.stdin, process.stdout

            def say() -> str:
                print(file=given, flush=True)
                return told.readline().rstrip("\n")

            try:
                yield say
            finally:
                process.kill()

    def _hold(self, argv: list[str]) -> int:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._stack.callback(_end, process)
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != "ready\n":
            missing(f"no network namespaces on this machine: {process.stderr.read()}")
        return process.pid


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:
        process.wait()


@contextmanager
def pod_network() -> Iterator[PodNetwork]:
    with ExitStack() as stack:
        try:
            yield PodNetwork(stack)
        except FileNotFoundError as error:
            missing(f"needs unshare, nsenter, ip and nft: {error}")
