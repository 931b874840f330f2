"""Processes of this machine: which one a number means, when it ends, and how to end it.

A pid alone names nobody: numbers are used again. With its start time it does, and a pidfd opened
and then checked holds on to exactly that process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

UID_VARIABLE = "TIDEGATE_POD_UID"
NODE_VARIABLE = "TIDEGATE_NODE_ID"
INSTANCE_VARIABLE = "TIDEGATE_INSTANCE"
# What a process of the node's own is for; pods' processes have none.
ROLE_VARIABLE = "TIDEGATE_ROLE"
# A flag of the kernel's (PF_KTHREAD), in field 9 of /proc/<pid>/stat.
KERNEL_THREAD = 0x00200000
# How long a process may take from one program to the next before it counts as one without variables.
BETWEEN_PROGRAMS_S = (0.0002, 0.001, 0.005, 0.02, 0.05, 0.1)


def started_at(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat (clock ticks after boot); None for no such process, or a dead one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@cache
def machine() -> str:
    """Changes with every boot, and with every new start of a container the server lives in."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    first = started_at(1)
    return boot if first is None else f"{boot}:{first}"


def node_identity(folder: Path) -> str:
    """Marks the processes of this node's directory among those of others on the machine."""
    file = folder / "node-id"
    with suppress(FileNotFoundError):
        if text := file.read_text().strip():
            return text
    fresh = folder / "node-id.new"
    fresh.write_text(f"{uuid.uuid4()}\n")
    os.replace(fresh, file)
    return file.read_text().strip()


class Watch:
    """Holds one process by pidfd and calls `on_exit` once on the loop when it has ended."""

    def __init__(self, pid: int, fd: int, on_exit: Callable[[], None]) -> None:
        self.pid = pid
        self._fd: int | None = fd
        self._on_exit = on_exit
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._ended)

    @classmethod
    def open(cls, pid: int, start: int, on_exit: Callable[[], None]) -> Watch | None:
        """None when the process that had this pid and start time is no more."""
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            return None
        if started_at(pid) != start:
            os.close(fd)
            return None
        return cls(pid, fd, on_exit)

    @property
    def is_alive(self) -> bool:
        return self._fd is not None

    def signal(self, number: signal.Signals) -> None:
        """Signals the group that this process leads (while it lives its id is nobody else's), or itself."""
        if self._fd is not None:
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(self.pid) == self.pid:
                    os.killpg(self.pid, number)
                else:
                    signal.pidfd_send_signal(self._fd, number)

    def _ended(self) -> None:
        self.close()
        self._on_exit()

    def close(self) -> None:
        """Stops watching; safe twice. The process is left alone, its exit status collected if it is ours."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
        with suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


def marked(node_id: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Live processes that carry this node's mark, with their marking variables. Reads all of /proc."""
    wanted = f"{NODE_VARIABLE}={node_id}".encode()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        environ = variables_of(int(entry))
        if wanted not in environ:
            continue
        pairs = [word.partition(b"=") for word in environ.split(b"\0")]
        marks = {n.decode(): v.decode("utf-8", "replace") for n, _, v in pairs if n.startswith(b"TIDEGATE_")}
        if marks.get(NODE_VARIABLE) == node_id:
            yield int(entry), marks


def variables_of(pid: int) -> bytes:
    """What a process was started with, as in /proc; nothing where nobody may know.

    Between two programs (in an exec) a process has no place for variables: it is looked at again. One that
    has a place with nothing in it was started without any.
    """
    place = Path(f"/proc/{pid}")
    for wait_s in (*BETWEEN_PROGRAMS_S, 0.0):
        try:
            if environ := (place / "environ").read_bytes():
                return environ
            if not _is_between_programs(place):
                break
        except OSError:
            break
        time.sleep(wait_s)
    return b""


def _is_between_programs(place: Path) -> bool:
    """Whether variables may appear yet.

    The kernel sets their bounds (fields 50 and 51 of /proc/<pid>/stat) and then the begin of the code (26).
    Bounds are equal while the variables are being counted, too. Where all are set and differ, the process was
    between two programs when its variables were read.
    """
    fields = (place / "stat").read_bytes().rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X") or int(fields[6]) & KERNEL_THREAD:
        return False
    code, begin, end = int(fields[23]), int(fields[47]), int(fields[48])
    return code == 0 or begin != end


def kill(pid: int, node_id: str) -> None:
    """KILL, after making sure that the number still means a process of this node."""
    with suppress(OSError):
        fd = os.pidfd_open(pid)
        try:
            if f"{NODE_VARIABLE}={node_id}".encode() in variables_of(pid):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        finally:
            os.close(fd)


def sweep(node_id: str, is_doomed: Callable[[dict[str, str]], bool], patience_s: float = 5.0) -> int:
    """Kills every marked process that `is_doomed`, again and again until none is left; how many remain.

    A process that forks while we look leaves a child that the next look finds.
    """
    deadline = time.monotonic() + patience_s
    while True:
        doomed = [pid for pid, marks in marked(node_id) if is_doomed(marks)]
        if not doomed or time.monotonic() > deadline:
            return len(doomed)
        for pid in doomed:
            kill(pid, node_id)
        time.sleep(0.01)


class Sweeper:
    """Sweeps on a thread; calls that come while one runs share the next."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._wanted: set[tuple[str, str]] = set()
        self._next: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def sweep(self, uid: str, instance: str = "") -> None:
        """Ends what is left of a pod, or of one container instance (`<container>/<number>`)."""
        self._wanted.add((uid, instance))
        if self._next is None:
            self._next = asyncio.create_task(self._run())
        await asyncio.shield(self._next)

    async def _run(self) -> None:
        async with self._turn:
            wanted, self._wanted, self._next = self._wanted, set(), None

            def is_doomed(marks: dict[str, str]) -> bool:
                uid, instance = marks.get(UID_VARIABLE, ""), marks.get(INSTANCE_VARIABLE, "")
                return (uid, "") in wanted or (uid, instance) in wanted

            await asyncio.to_thread(sweep, self._node_id, is_doomed)
