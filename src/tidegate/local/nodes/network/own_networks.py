"""Networks of their own for pods, as the control plane sees them: a router process, started or found again.

    <data>/node/router/
        ask            the socket on which the router is asked
        network        which block of addresses, and which namespace: what a router that was killed leaves
        forwards.json  where Services lead, written by the control plane
        names.json     what names mean, written by the control plane
        tool           the egress tool's process
        log            what the router and the tool say

The namespaces live as long as a process is in them or holds them. Each pod's waiting shell holds the
router's, so that a router that was killed is replaced without cutting a connection between pods.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib.util
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import tidegate
from tidegate.local.nodes.network import names
from tidegate.local.nodes.network import ranges as blocks
from tidegate.local.nodes.network.forwards import Forward, to_json
from tidegate.local.nodes.network.names import Named
from tidegate.local.nodes.network.pod_networks import Joined, connected
from tidegate.local.nodes.network.ranges import SHARED, Ranges, Way
from tidegate.local.nodes.network.router import messages
from tidegate.local.nodes.network.router.egress import find, tools
from tidegate.local.nodes.network.router.kept import Found, find_namespaces
from tidegate.local.nodes.network.router.links import machine_link
from tidegate.local.nodes.network.router.netlink import Netlink
from tidegate.local.nodes.processes.process import (
    NODE_VARIABLE,
    ROLE_VARIABLE,
    Watch,
    node_identity,
    started_at,
    sweep,
)

log = logging.getLogger(__name__)

ROLE = "router"
MODULE = "tidegate.local.nodes.network.router"
START_S = 20.0
EGRESS_S = 5.0
END_S = 5.0
RESOLV_CONF = Path("/etc/resolv.conf")


class Unavailable(OSError):
    """This machine allows no networks of their own; the message says why, and what would help."""


class OwnNetworks:
    """Opened with `open_networks`."""

    why = ""

    def __init__(self, folder: Path, node_id: str) -> None:
        self._folder = folder
        self._node_id = node_id
        self._is_root = os.geteuid() == 0
        self._ranges: Ranges | None = None
        self._pid = self._inode = 0
        self._watch: Watch | None = None
        self._found = Found()
        self._is_closed = False
        # Set when the router's namespace is another than before; then there is a new one to wait for.
        self.changed = asyncio.Event()

    @property
    def ranges(self) -> Ranges:
        assert self._ranges is not None
        return self._ranges

    @property
    def pods(self) -> IPv4Network:
        return self.ranges.pods

    @property
    def services(self) -> IPv4Network:
        return self.ranges.services

    @property
    def host(self) -> str:
        return str(self.ranges.host)

    @property
    def ways(self) -> tuple[Way, ...]:
        """For an ordinary user the machine has no way in: there each address has a twin on loopback."""
        if self._is_root:
            return (Way(self.ranges.block, self.ranges.block),)
        return blocks.twins(self.ranges, int(self._node_id.replace("-", "")[:8], 16))

    def open(self) -> None:
        """Finds the router or starts one; blocks. `Unavailable`, or OSError where the machine refuses."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = self._ask_state()
        if state is None:
            state = self._start()
        self._ranges = Ranges.of(IPv4Network(state["block"]))
        self._pid, self._inode = int(state["pid"]), int(state["inode"])
        if not state["has_egress"]:
            log.warning("pods do not reach what is outside", extra={"answer": self._last_words()})

    def _ask_state(self) -> dict[str, Any] | None:
        """The state of a router that lives and is one of ours; None where there is none to go on with."""
        try:
            state, _ = messages.ask(self._folder, {"do": "status"})
        except (OSError, ValueError):
            return None
        fits = state.get("version") == messages.VERSION and state.get("is_root") == self._is_root
        return state if fits else None

    def _start(self) -> dict[str, Any]:
        sweep(self._node_id, lambda marks: marks.get(ROLE_VARIABLE) == ROLE)
        kept, inode = self._kept()
        self._found = find_namespaces(self._node_id, inode)
        # Two that choose at the same time would choose the same.
        with alone():
            if self._ranges is not None:
                block = self._ranges.block  # Services have their addresses already
            elif self._found.router >= 0 and kept is not None:
                block = kept
            else:
                block = self._choose(kept)
            self._spawn(block)
        state, _ = messages.ask(self._folder, {"do": "status", "wait_s": EGRESS_S})
        left = {"block": str(block), "inode": state["inode"]}
        self._write("network", json.dumps(left).encode())
        return state

    def _choose(self, kept: IPv4Network | None) -> IPv4Network:
        own = 0
        with suppress(OSError):
            own = socket.if_nametoindex(machine_link(self._node_id))
        with Netlink() as netlink:
            taken = netlink.networks(but=own)
        block = blocks.choose([*taken, *_name_servers()], kept)
        if block is None:
            raise Unavailable("the machine uses every range of addresses that pods could have")
        return block

    def _kept(self) -> tuple[IPv4Network | None, int]:
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads((self._folder / "network").read_bytes())
            return IPv4Network(state["block"]), int(state["inode"])
        return None, 0

    def _write(self, name: str, content: bytes) -> None:
        fresh = self._folder / f"{name}.new"
        fresh.write_bytes(content)
        os.replace(fresh, self._folder / name)

    def _spawn(self, block: IPv4Network) -> None:
        """Starts the router; returns when it serves. OSError with what it said otherwise."""
        kind = "root" if self._is_root else "user"
        adopted = self._found.router
        words = [str(self._folder), self._node_id, str(block), kind, "4" if adopted >= 0 else "-1"]
        home = str(Path(tidegate.__file__).parents[1])
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join([home, *(one for one in sys.path if one)]),
            NODE_VARIABLE: self._node_id,
            ROLE_VARIABLE: ROLE,
        }
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        said = os.open(self._folder / "log", flags, 0o600)
        os.ftruncate(said, 0)
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        hearing, telling = os.pipe2(os.O_CLOEXEC)
        given = [(null, 0), (said, 1), (said, 2), (telling, 3), *([(adopted, 4)] if adopted >= 0 else [])]
        try:
            # Copies above all targets first: a descriptor of ours may have the number of a target.
            copies = [(_copy(fd), to) for fd, to in given]
            try:
                pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-P", "-S", "-m", MODULE, *words],
                    env,
                    file_actions=[(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in copies],
                    setsid=True,
                    setsigmask=[],
                )
            finally:
                for fd, _ in copies:
                    os.close(fd)
        finally:
            for fd in (null, said, telling):
                os.close(fd)
        with open(hearing) as heard:
            line = heard.readline()
        if line != "\n":
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
            raise OSError(line.strip() or self._last_words() or "the router ended at once")

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self._folder / "log").read_text("utf-8", "replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""

    async def adopt(self, addresses: Mapping[str, str], on_lost: Callable[[], None]) -> set[str]:
        if self._watch is None and self._pid and not self._hold(on_lost):
            before = self._inode
            await asyncio.to_thread(self.open)
            self._hold(on_lost)
            if self._inode != before:
                changed, self.changed = self.changed, asyncio.Event()
                changed.set()
        return await asyncio.to_thread(self._adopt, dict(addresses))

    def _hold(self, on_lost: Callable[[], None]) -> bool:
        start = started_at(self._pid)

        def lost() -> None:
            self._watch = None
            if not self._is_closed:
                on_lost()

        self._watch = None if start is None else Watch.open(self._pid, start, lost)
        return self._watch is not None

    def _adopt(self, addresses: dict[str, str]) -> set[str]:
        found, self._found = self._found, Found()
        try:
            for uid, fd in found.pods.items():
                address = addresses.get(uid)
                if address is not None and IPv4Address(address) in self.pods:
                    with suppress(OSError):
                        messages.ask(self._folder, {"do": "adopt", "address": address}, [fd])
        finally:
            found.close()
        state, _ = messages.ask(self._folder, {"do": "status"})
        held = set(state["pods"])
        messages.ask(self._folder, {"do": "keep", "addresses": sorted(held & set(addresses.values()))})
        return {uid for uid, address in addresses.items() if address in held}

    async def join(self, address: str) -> Joined:
        _, files = await asyncio.to_thread(messages.ask, self._folder, {"do": "add", "address": address})
        return Joined(files)

    async def leave(self, address: str) -> None:
        with suppress(OSError):
            await asyncio.to_thread(messages.ask, self._folder, {"do": "remove", "address": address})

    async def publish(self, forwards: Sequence[Forward], services: Sequence[Named]) -> None:
        if self._is_closed:
            return
        try:
            await asyncio.to_thread(self._publish, list(forwards), tuple(services))
        except OSError:
            # A router that was let go of meanwhile needs no rules.
            if not self._is_closed:
                raise

    def _publish(self, forwards: list[Forward], services: tuple[Named, ...]) -> None:
        known = names.Names(services, self.host, str(self.ranges.block))
        self._write("names.json", names.to_json(known))
        self._write("forwards.json", to_json(forwards))
        messages.ask(self._folder, {"do": "look"})

    def from_machine(self, address: str) -> str:
        return blocks.by_way(address, self.ways) or address

    async def connect(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        if self._is_root:
            return await connected(socket.socket(socket.AF_INET, kind), host, port)
        request = {"do": "socket", "kind": "udp" if kind == socket.SOCK_DGRAM else "tcp"}
        _, files = await asyncio.to_thread(messages.ask, self._folder, request)
        return await connected(socket.socket(fileno=files[0]), host, port)

    async def listen(self, address: str, port: int) -> socket.socket:
        """A listening socket in the router's namespace."""
        request = {"do": "listen", "address": address, "port": port}
        _, files = await asyncio.to_thread(messages.ask, self._folder, request)
        return socket.socket(fileno=files[0])

    async def close(self, *, ends_pods: bool) -> None:
        """Lets go of the router, which lives on while it holds the network of a pod; safe twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        await asyncio.to_thread(self._leave, ends_pods)

    def _leave(self, ends_pods: bool) -> None:
        is_needed = bool(self._found.pods)
        self._found.close()
        with suppress(OSError, ValueError):
            if ends_pods or not (is_needed or messages.ask(self._folder, {"do": "status"})[0]["pods"]):
                end_router(self._folder)


def _copy(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64)


@contextmanager
def alone() -> Iterator[None]:
    """One at a time on this machine's network, however the others end; whoever waits too long goes on."""
    deadline = time.monotonic() + START_S
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as made:
        while True:
            try:
                made.bind("\0tidegate/choose-a-block")
                break
            except OSError:
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
        yield


def _name_servers() -> list[IPv4Network]:
    """The machine's resolvers: pods must not take their addresses, whatever route leads there."""
    found = []
    with suppress(OSError):
        for line in RESOLV_CONF.read_text("utf-8", "replace").splitlines():
            words = line.split()
            if words[:1] == ["nameserver"] and len(words) > 1:
                with suppress(ValueError):
                    found.append(IPv4Network(words[1]))
    return [one for one in found if not one.overlaps(SHARED)]


def end_router(folder: Path) -> None:
    """Asks the router to end, and waits until it has; whoever is still behind it is cut off."""
    try:
        pid = int(messages.ask(folder, {"do": "status"})[0]["pid"])
    except (OSError, ValueError, KeyError):
        return
    with suppress(OSError, ValueError):  # it may be faster than its answer
        messages.ask(folder, {"do": "stop"})
    deadline = time.monotonic() + END_S
    while started_at(pid) is not None and time.monotonic() < deadline:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)


def end_networks(folder: Path) -> None:
    """Ends what an earlier server left of the networks of pods, which get no such networks any more."""
    if (folder / "router").exists():
        end_router(folder / "router")
        sweep(node_identity(folder), lambda marks: marks.get(ROLE_VARIABLE) == ROLE)


def missing() -> str:
    """What this machine lacks for networks of their own; "" when nothing that can be seen beforehand."""
    if find("nft") is None:
        return "nft is not installed (package nftables)"
    if not tools():
        return "neither pasta (package passt) nor slirp4netns is installed"
    if importlib.util.find_spec("dns") is None:
        return "dnspython is not installed (pip install 'tidegate[local]')"
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "/dev/net/tun may not be opened"
    return ""


def open_networks(folder: Path) -> OwnNetworks:
    """The networks of the node in `folder`; blocks. `Unavailable` where the machine does not allow them."""
    if why := missing():
        raise Unavailable(why)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = OwnNetworks(folder / "router", node_identity(folder))
    try:
        made.open()
    except (OSError, ValueError) as error:
        raise Unavailable(getattr(error, "strerror", None) or str(error)) from error
    return made
