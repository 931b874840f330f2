"""Namespaces: those of a new container, and how a command joins them."""

from __future__ import annotations

import fcntl
import os

from kernel import NEWNET, NEWNS, NEWUSER, NEWUTS, NS_GET_USERNS, check, libc


def unshare(has_joined_user: bool = False) -> bool:
    """A mount namespace of our own; with a user namespace (True) where that needs privileges we lack.

    `has_joined_user` says that we are in one already: that of the network.
    """
    uid, gid = os.geteuid(), os.getegid()
    # Allowed to root, and in the user namespace of a network that was joined before.
    if libc.unshare(NEWNS | NEWUTS) == 0:
        return has_joined_user
    check(libc.unshare(NEWUSER | NEWNS | NEWUTS), "unshare user and mount namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


def join_network(fd: int) -> bool:
    """Enters a network namespace; before that, if it is another (True), the user namespace it belongs to."""
    owner = fcntl.ioctl(fd, NS_GET_USERNS)
    is_other = os.fstat(owner).st_ino != os.stat("/proc/self/ns/user").st_ino
    if is_other:
        check(libc.setns(owner, NEWUSER), "join the user namespace of the network")
    os.close(owner)
    check(libc.setns(fd, NEWNET), "join the network namespace")
    return is_other


NETWORK = (("user", NEWUSER), ("net", NEWNET))
EVERY = (*NETWORK, ("mnt", NEWNS), ("uts", NEWUTS))


def join(pid: int, kinds: tuple[tuple[str, int], ...] = EVERY) -> None:
    """Enters namespaces of a container's process; they are opened before any of them is entered."""
    opened = [(kind, flag, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)) for kind, flag in kinds]
    for kind, flag, theirs in opened:
        if os.fstat(theirs).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino:
            check(libc.setns(theirs, flag), f"join the {kind} namespace of the container")
        os.close(theirs)
