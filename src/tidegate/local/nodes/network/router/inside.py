"""The half of the router that lives in its namespace: answers the control plane, keeps links and rules."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate.local.nodes.network import resolver
from tidegate.local.nodes.network.conntrack import forget_stale
from tidegate.local.nodes.network.forwards import from_json
from tidegate.local.nodes.network.ranges import Ranges
from tidegate.local.nodes.network.router import links, messages
from tidegate.local.nodes.network.router.egress import find
from tidegate.local.nodes.network.router.lending import Outside
from tidegate.local.nodes.network.router.links import MACHINE, POD, TAP, Pods
from tidegate.local.nodes.network.router.netlink import LINKS_GROUP, Netlink
from tidegate.local.nodes.network.rules import Rules, transactions
from tidegate.local.nodes.network.upstream import Upstream

FORWARDS, NAMES = "forwards.json", "names.json"
RESOLV_CONF = Path("/etc/resolv.conf")
DNS_PORT = 53
NFT_S = 30.0
Reply = tuple[dict[str, Any], list[int]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a router stands: its folder in the data directory, its node, its addresses, its namespace."""

    folder: Path
    node_id: str
    ranges: Ranges
    is_root: bool
    network: int


def guard(ranges: Ranges) -> str:
    """Who may go where, but for Services: pods anywhere, the machine to pods, nobody else in.

    Packets for a pod can reach the machine from elsewhere, where it forwards; they end here.
    """
    return f"""add table ip tidegate_guard
delete table ip tidegate_guard
table ip tidegate_guard {{
    chain forward {{
        type filter hook forward priority 10; policy drop;
        ct state established,related accept
        iifname "{POD}*" oifname "{MACHINE}" reject with icmp type admin-prohibited
        iifname "{POD}*" accept
        iifname "{MACHINE}" ip saddr {ranges.machine} oifname "{POD}*" accept
    }}
    chain input {{
        type filter hook input priority 10; policy drop;
        ct state established,related accept
        iifname "lo" accept
        iifname "{POD}*" accept
        iifname "{MACHINE}" ip saddr {ranges.machine} accept
    }}
    chain leave {{
        type nat hook postrouting priority 110; policy accept;
        oifname "{TAP}" masquerade
    }}
}}
"""


class Router:
    """`outside` opens sockets in the machine's network; `end` is called when the control plane says so."""

    def __init__(self, place: Place, outside: Outside, end: Callable[[], None]) -> None:
        self._place = place
        self._outside = outside
        self._end = end
        self._pods = Pods(place.ranges, place.network)
        self._tap = 0
        self._rules: Rules | None = None
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = Netlink(LINKS_GROUP)
        self._nft = find("nft") or "nft"
        self._tap_is_up = asyncio.Event()

    async def start(self, machine_network: int | None) -> None:
        """Everything is in place when it returns, but for the egress tool's link."""
        links.set_up_router(self._place.ranges)
        if machine_network is not None:
            links.join_machine(self._place.ranges, self._place.node_id, machine_network)
        await self._load(guard(self._place.ranges))
        await self._look()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._news, self._on_links)
        self._on_links()
        self._keep(self._resolve())
        listener = messages.listen(self._place.folder)
        listener.setblocking(False)
        loop.add_reader(listener, self._accept, listener)

    def _on_links(self) -> None:
        self._news.drain()
        try:
            index = socket.if_nametoindex(TAP)
        except OSError:
            index = 0
        if index and index != self._tap:
            try:
                links.set_up_tap(self._place.ranges)
            except OSError as error:  # gone again: the next one is told of as well
                print(f"egress: {error.strerror}", file=sys.stderr, flush=True)
                index = 0
        self._tap = index
        (self._tap_is_up.set if index else self._tap_is_up.clear)()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            made, _ = listener.accept()
            made.setblocking(True)
            made.settimeout(messages.PATIENCE_S)
            loop = asyncio.get_running_loop()
            loop.add_reader(made, self._on_request, made)

    def _on_request(self, made: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(made)
        self._keep(self._serve(made))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolve(self) -> None:
        """The cluster's names for pods, everything else as the machine's resolvers have it."""
        ranges = self._place.ranges
        at = (str(ranges.dns), DNS_PORT)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(at)
        upstream = Upstream(RESOLV_CONF, self._outside.open_socket, frozenset({at[0]}))
        names = self._place.folder / NAMES
        await resolver.serve(udp, socket.create_server(at), names, upstream, [ranges.block])

    async def _serve(self, made: socket.socket) -> None:
        given: list[int] = []
        lent: list[int] = []
        try:
            with made, suppress(OSError, ValueError):
                request, given = messages.receive(made)
                try:
                    reply, lent = await self._answer(request, given)
                except (OSError, LookupError, ValueError) as error:
                    reply = {"error": str(error), "errno": getattr(error, "errno", 0) or 0}
                messages.answer(made, reply, lent)
        finally:
            for fd in (*given, *lent):
                os.close(fd)

    async def _answer(self, request: Mapping[str, Any], given: list[int]) -> Reply:
        address = str(request.get("address", ""))
        match request["do"]:
            case "status":
                return await self._status(float(request.get("wait_s", 0))), []
            case "add":
                network = self._pods.add(address)
                return {}, [os.dup(network), os.dup(self._place.network)]
            case "adopt":
                self._pods.adopt(address, os.dup(given[0]))
                return {}, []
            case "remove":
                self._pods.remove(address)
                return {}, []
            case "keep":
                self._pods.keep(set(request["addresses"]))
                return {}, []
            case "look":
                await self._look()
                return {}, []
            case "socket":
                with socket.socket(socket.AF_INET, _kind(request)) as made:
                    return {}, [made.detach()]
            case "listen":
                with socket.create_server((address, int(request["port"])), backlog=1024) as made:
                    return {}, [made.detach()]
            case "stop":
                self._end()
                return {}, []
        raise ValueError(f"the router does not know {request['do']!r}")

    async def _status(self, wait_s: float) -> dict[str, Any]:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._tap_is_up.wait()
        return {
            "version": messages.VERSION,
            "block": str(self._place.ranges.block),
            "is_root": self._place.is_root,
            "pid": os.getppid(),
            "inode": os.fstat(self._place.network).st_ino,
            "has_egress": self._tap_is_up.is_set(),
            "pods": self._pods.living(),
        }

    async def _look(self) -> None:
        """Brings the rules to what the control plane has written last."""
        async with self._turn:
            try:
                forwards = from_json((self._place.folder / FORWARDS).read_bytes())
            except FileNotFoundError:
                forwards = ()
            ranges = self._place.ranges
            rules = Rules.of(ranges.services, ranges.gateway, (ranges.dns, ranges.api), forwards)
            before, self._rules = self._rules, None
            for text in transactions(before, rules):
                await self._load(text)
            self._rules = rules
            await asyncio.to_thread(forget_stale, rules.forwards, ranges.services)

    async def _load(self, text: str) -> None:
        command = [self._nft, "-f", "-"]

        def run() -> None:
            done = subprocess.run(
                command, input=text.encode(), capture_output=True, timeout=NFT_S, check=False
            )
            if done.returncode != 0:
                told = done.stderr.decode(errors="replace").strip().splitlines()
                raise OSError(f"nft refuses the rules: {told[0] if told else done.returncode}")

        await asyncio.to_thread(run)


def _kind(request: Mapping[str, Any]) -> socket.SocketKind:
    return socket.SOCK_DGRAM if request.get("kind") == "udp" else socket.SOCK_STREAM


async def serve(place: Place, machine_network: int | None, outside: Outside, told: int) -> None:
    """Runs until it is told to end. `told` gets a line when it serves: empty, or what went wrong."""
    ended = asyncio.Event()
    router = Router(place, outside, ended.set)
    try:
        await router.start(machine_network)
    except Exception as error:
        os.write(told, f"{getattr(error, 'strerror', None) or error}\n".encode())
        raise
    os.write(told, b"\n")
    os.close(told)
    await ended.wait()
    await asyncio.sleep(0)
