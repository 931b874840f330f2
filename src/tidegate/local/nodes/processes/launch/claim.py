"""Who runs an instance: one process, named so that it is known for good."""

from __future__ import annotations

import os
import time


def started_at(pid: int | str) -> bytes:
    """Field 22 of /proc/<pid>/stat: clock ticks after boot; with the pid it names a process for good."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[19]


def machine() -> bytes:
    """Changes with every boot, and with every new start of a container we may live in."""
    with open("/proc/sys/kernel/random/boot_id", "rb") as file:
        boot = file.read().strip()
    try:
        return boot + b":" + started_at(1)
    except OSError:
        return boot


def claim(instance: bytes) -> bool:
    """Whether this process is the one that runs the instance: the first link wins, for good."""
    session = os.getsid(0)
    words = (os.getpid(), started_at("self"), session, started_at(session), machine(), time.time())
    line = b" ".join(w if isinstance(w, bytes) else str(w).encode() for w in words) + b"\n"
    mine = instance + b"/claim.%d" % os.getpid()
    with open(mine, "wb") as file:
        file.write(line)
    try:
        os.link(mine, instance + b"/claim")
    except FileExistsError:
        return False
    finally:
        os.unlink(mine)
    return True
