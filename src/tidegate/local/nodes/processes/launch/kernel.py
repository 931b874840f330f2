"""Calls of the kernel that Python does not have, with errors that say what was attempted."""

from __future__ import annotations

import ctypes
import os

NEWNS, NEWUTS, NEWUSER = 0x20000, 0x4000000, 0x10000000
RDONLY, REMOUNT, BIND, REC, UNBINDABLE, PRIVATE = 1, 32, 4096, 16384, 1 << 17, 1 << 18
DETACH = 2
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes = b"") -> None:
    shown = (source or kind or b"").decode(errors="replace")
    done = libc.mount(source, target, kind, ctypes.c_ulong(flags), options or None)
    check(done, f"mount {shown} at {target.decode(errors='replace')}")
