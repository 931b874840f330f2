"""Namespaces: those of a new container, and how a command joins them."""

from __future__ import annotations

import os

from kernel import NEWNS, NEWUSER, NEWUTS, check, libc


def unshare() -> bool:
    """A mount namespace of our own; with a user namespace (True) where that needs privileges we lack."""
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and libc.unshare(NEWNS | NEWUTS) == 0:
        return False
    check(libc.unshare(NEWUSER | NEWNS | NEWUTS), "unshare user and mount namespace")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


def join(pid: int) -> None:
    for kind, flag in (("user", NEWUSER), ("mnt", NEWNS), ("uts", NEWUTS)):
        theirs = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
        if os.fstat(theirs).st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino:
            check(libc.setns(theirs, flag), f"join the {kind} namespace of the container")
        os.close(theirs)
