"""What pods keep of a router that was killed: its namespace and their own, held by their shells."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tidegate.local.nodes.processes.process import UID_VARIABLE, marked

# Descriptors of the shell: the pod's namespace, and the router's.
POD_FD, ROUTER_FD = 4, 5


@dataclass(slots=True)
class Found:
    """What an earlier router left: its namespace, and those of pods by uid. Open files, ours to close."""

    router: int = -1
    pods: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        for fd in (self.router, *self.pods.values()):
            if fd >= 0:
                os.close(fd)
        self.router, self.pods = -1, {}


def find_namespaces(node_id: str, inode: int) -> Found:
    """What pods of this node hold of a router's namespace with that inode, and their own by uid."""
    found = Found()
    if not inode:
        return found
    own = os.stat("/proc/self/ns/net").st_ino
    for pid, marks in marked(node_id):
        uid = marks.get(UID_VARIABLE)
        if uid is None:
            continue
        if found.router < 0:
            found.router = _namespace(f"/proc/{pid}/fd/{ROUTER_FD}", lambda seen: seen == inode)
        if uid not in found.pods:
            fd = _namespace(f"/proc/{pid}/fd/{POD_FD}", lambda seen: seen != own)
            if fd < 0:
                fd = _namespace(f"/proc/{pid}/ns/net", lambda seen: seen not in (own, inode))
            if fd >= 0:
                found.pods[uid] = fd
    if found.router < 0:
        found.close()
    return found


def _namespace(path: str, is_wanted: Callable[[int], bool]) -> int:
    """The network namespace, open; -1 where the path leads to none, or to another than the wanted."""
    with suppress(OSError):
        if not os.readlink(path).startswith("net:["):
            return -1
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if is_wanted(os.fstat(fd).st_ino):
            return fd
        os.close(fd)
    return -1
