"""Calls of the kernel that Python does not have, with errors that say what was attempted."""

from __future__ import annotations

import ctypes
import os

NEWNS, NEWUTS, NEWUSER, NEWNET = 0x20000, 0x4000000, 0x10000000, 0x40000000
NS_GET_USERNS = 0xB701
RDONLY, REMOUNT, BIND, REC, UNBINDABLE, PRIVATE = 1, 32, 4096, 16384, 1 << 17, 1 << 18
DETACH = 2
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
# The same number on all processors; the C library knows it since 2.36.
MOUNT_SETATTR = 442
AT_RECURSIVE = 0x8000
# Flags of a mount that an unprivileged remount has to repeat: statvfs bit -> mount bit.
KEPT_FLAGS = {1: 1, 2: 2, 4: 4, 8: 8, 1024: 1024, 2048: 2048, 4096: 1 << 21}

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes = b"") -> None:
    shown = (source or kind or b"").decode(errors="replace")
    done = libc.mount(source, target, kind, ctypes.c_ulong(flags), options or None)
    check(done, f"mount {shown} at {target.decode(errors='replace')}")


def make_read_only(place: bytes) -> None:
    """The mount at `place`; what is mounted inside stays as it is."""
    flags = os.statvfs(place).f_flag
    kept = sum(bit for seen, bit in KEPT_FLAGS.items() if flags & seen)
    mount(None, place, None, REMOUNT | BIND | RDONLY | kept)


def make_tree_read_only(place: bytes) -> None:
    """The mount at `place` and all inside. Linux before 5.12 cannot: OSError (ENOSYS)."""
    wanted = (ctypes.c_uint64 * 4)(RDONLY, 0, 0, 0)
    flags = ctypes.c_uint(AT_RECURSIVE)
    done = libc.syscall(
        ctypes.c_long(MOUNT_SETATTR), ctypes.c_int(-100), place, flags, wanted, ctypes.c_size_t(32)
    )
    check(done, f"make {place.decode(errors='replace')} read-only")
