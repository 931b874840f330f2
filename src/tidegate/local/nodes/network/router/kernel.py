"""What the router asks of the kernel: namespaces, the ids in them, and capabilities for its children."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from contextlib import suppress

NEWNET, NEWUSER = 0x40000000, 0x10000000
NS_GET_USERNS = 0xB701
PR_SET_PDEATHSIG, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 47, 2
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 10, 12, 13
CAPABILITIES_VERSION = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def unshare(flags: int, doing: str) -> None:
    check(libc.unshare(flags), doing)


def join(fd: int, kind: int) -> None:
    check(libc.setns(fd, kind), "join a namespace")


def own_network() -> int:
    """The network namespace of the calling thread, open."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def owner_of(namespace: int) -> int:
    """The user namespace that a network namespace belongs to, open."""
    return fcntl.ioctl(namespace, NS_GET_USERNS)


def keep_own_ids(uid: int, gid: int) -> None:
    """In a fresh user namespace: the ids stay what they are outside."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def lend_capabilities() -> None:
    """Lets programs that we run (nft) do in our user namespace what we may do ourselves."""
    wanted = [CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW]
    header = struct.pack("=Ii", CAPABILITIES_VERSION, 0)
    buffer = ctypes.create_string_buffer(24)
    check(libc.capget(header, buffer), "read own capabilities")
    effective, permitted, _, *high = struct.unpack("=6I", buffer.raw)
    inheritable = sum(1 << one for one in wanted)
    words = struct.pack("=6I", effective, permitted, inheritable, *high)
    check(libc.capset(header, words), "set inheritable capabilities")
    for one in wanted:
        check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0), "raise an ambient capability")


def drop_capabilities() -> None:
    """Of the calling thread alone."""
    header = struct.pack("=Ii", CAPABILITIES_VERSION, 0)
    check(libc.capset(header, bytes(24)), "drop capabilities")


def end_with_parent(number: int) -> None:
    libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def allow_low_ports() -> None:
    """In the calling thread's network ordinary users may listen on port 80, as in a container."""
    with suppress(OSError), open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as file:
        file.write("0")
