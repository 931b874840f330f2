"""The half of the router that stays in the machine's network: keeps the egress tool, sees the end of it all.

    python -m tidegate.local.nodes.network.router <folder> <node id> <block> root|user <namespace or -1>

It makes the other half, which lives in the router's namespace (`inside.py`), and ends with it. Descriptor 3
is told one line: empty when the router serves, else why it does not. Both halves outlive the control plane;
they end when it says so, and when the data directory is gone, because nobody can come back then.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from types import FrameType

from tidegate.local.nodes.network.ranges import Ranges
from tidegate.local.nodes.network.router import egress, kernel, links
from tidegate.local.nodes.network.router.inside import Place, serve
from tidegate.local.nodes.network.router.lending import Outside, lend, pair
from tidegate.local.nodes.processes.process import UID_VARIABLE, started_at, sweep

TOLD = 3
LOOK_S = 1.0
SHORT_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
TOOL = "tool"


class Tool:
    """The egress tool, started anew when it ends; after a short life the machine's other one is tried."""

    def __init__(self, folder: Path, commands: Sequence[Sequence[str]]) -> None:
        self._folder = folder
        self._commands = list(commands)
        self._process = egress.start(self._commands[0], 2)
        self._began = self._due = time.monotonic()
        self._pause_s = FIRST_PAUSE_S
        self._note()

    def look(self) -> None:
        now = time.monotonic()
        if self._process.poll() is None:
            return
        if self._due <= self._began:
            is_short = now - self._began < SHORT_S
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s) if is_short else FIRST_PAUSE_S
            if is_short:
                self._commands.append(self._commands.pop(0))
            self._due = now + self._pause_s
        if now >= self._due:
            self._process = egress.start(self._commands[0], 2)
            self._began = self._due = time.monotonic()
            self._note()

    @property
    def next_s(self) -> float:
        """Seconds until the next look."""
        return max(0.0, min(LOOK_S, self._due - time.monotonic())) if self._due > self._began else LOOK_S

    @property
    def pid(self) -> int:
        return self._process.pid

    def _note(self) -> None:
        fresh = self._folder / f"{TOOL}.new"
        fresh.write_text(f"{self.pid} {started_at(self.pid)}\n")
        os.replace(fresh, self._folder / TOOL)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def end_former_tool(folder: Path) -> None:
    """One whose router was killed under it: it holds the link that the next needs."""
    with suppress(OSError, ValueError):
        pid, start = map(int, (folder / TOOL).read_text().split())
        held = os.pidfd_open(pid)
        try:
            if started_at(pid) == start:
                signal.pidfd_send_signal(held, signal.SIGKILL)
                select.select([held], [], [], SHORT_S)
        finally:
            os.close(held)


def enter_network(is_root: bool, adopted: int) -> int:
    """A network namespace of our own, or the one that pods have kept from an earlier router."""
    if adopted >= 0:
        if not is_root:
            kernel.join(kernel.owner_of(adopted), kernel.NEWUSER)
        kernel.join(adopted, kernel.NEWNET)
    elif is_root:
        kernel.unshare(kernel.NEWNET, "make a network namespace")
    else:
        uid, gid = os.geteuid(), os.getegid()
        kernel.unshare(kernel.NEWUSER | kernel.NEWNET, "make a user and a network namespace")
        kernel.keep_own_ids(uid, gid)
    if not is_root:
        kernel.lend_capabilities()
    return kernel.own_network()


def live_inside(arguments: Sequence[str], outside: Outside, told: int) -> int:
    folder, node_id, block, kind, adopted = arguments
    is_root = kind == "root"
    machine = kernel.own_network() if is_root else None
    try:
        network = enter_network(is_root, int(adopted))
    except OSError as error:
        os.write(told, f"this machine refuses to {error.strerror}\n".encode())
        return 1
    kernel.end_with_parent(signal.SIGKILL)
    place = Place(Path(folder), node_id, Ranges.of(IPv4Network(block)), is_root, network)
    asyncio.run(serve(place, machine, outside, told))
    return 0


def main(arguments: Sequence[str]) -> int:
    folder, node_id, block, kind, adopted = arguments
    os.umask(0o77)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    end_former_tool(Path(folder))
    if kind == "root" and int(adopted) < 0:
        links.remove_machine_end(node_id)
    hearing, telling = os.pipe()
    asking, lending = pair()
    inside = os.fork()
    if inside == 0:
        os.close(hearing)
        os.close(TOLD)
        lending.close()
        os._exit(live_inside(arguments, Outside(asking), telling))
    os.close(telling)
    asking.close()
    with open(hearing) as heard:
        line = heard.readline()
    if line != "\n":
        os.write(TOLD, (line or "the router ended at once\n").encode())
        return 1
    ranges = Ranges.of(IPv4Network(block))
    if kind == "root":
        links.set_up_machine_end(ranges, node_id)
    is_over = Watcher(Path(folder), node_id, inside, lending).run(ranges, kind == "root")
    if is_over and kind == "root":
        links.remove_machine_end(node_id)
    return 0


class Watcher:
    """Keeps the tool while the inner half lives and the data directory is there."""

    def __init__(self, folder: Path, node_id: str, inside: int, lending: socket.socket) -> None:
        self._lending = lending
        self._folder = folder
        self._node_id = node_id
        self._inside = inside
        self._is_told = False
        signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._is_told = True

    def run(self, ranges: Ranges, is_root: bool) -> bool:
        """True when all of it is over; False when the inner half was killed and may be replaced."""
        held = os.pidfd_open(self._inside)
        own = f"/proc/{self._inside}/ns"
        user = "" if is_root else f"{own}/user"
        network = f"{own}/net"
        if is_root:
            network = egress.Door(os.open(network, os.O_RDONLY | os.O_CLOEXEC)).path
        commands = [egress.command(tool, ranges, network, user) for tool in egress.tools()]
        tool = Tool(self._folder, commands)
        os.write(TOLD, b"\n")
        os.close(TOLD)
        try:
            while not self._is_told:
                ready, _, _ = select.select([held, self._lending.fileno()], [], [], tool.next_s)
                if held in ready:
                    _, status = os.waitpid(self._inside, 0)
                    return os.waitstatus_to_exitcode(status) == 0
                if self._lending.fileno() in ready:
                    lend(self._lending)
                    continue
                tool.look()
                if not self._is_home():
                    sweep(self._node_id, lambda marks: UID_VARIABLE in marks)
                    break
            return True
        finally:
            tool.end()
            with suppress(OSError):
                signal.pidfd_send_signal(held, signal.SIGKILL)

    def _is_home(self) -> bool:
        try:
            return (self._folder.parent / "node-id").read_text().strip() == self._node_id
        except OSError:
            return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
