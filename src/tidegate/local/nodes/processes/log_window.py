"""How long a container's log may grow: the window of it that is kept.

The process writes to its log itself, with or without a server, and goes on at the end of the file; nobody
can take the file away from it without losing a line. So the file stays, and what is too old is given
back to the disk as a hole at its beginning: all that is left stands where it stood. `<instance>/first`
says where the window begins. It is written before the hole is made, and only moves forward.

The sizes are a kubelet's: five parts of 10 MiB.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

PART_BYTES, PARTS = 10 * 1024 * 1024, 5
KEEP_SIZE, PUNCH_HOLE = 1, 2
SCAN_BYTES = 65_536

libc = ctypes.CDLL(None, use_errno=True)


def first_kept(instance: Path) -> int:
    """Where the log begins by now; a number that cannot be read is the beginning of the file."""
    with suppress(OSError, ValueError):
        return int((instance / "first").read_text())
    return 0


def shrink(instance: Path, part: int = PART_BYTES, parts: int = PARTS) -> int:
    """Gives back the oldest parts of a log that has grown beyond all its parts; where it begins now.

    Cuts between two lines, unless one is longer than a part. Raises OSError where the file system
    cannot make holes: the log is whole then, and `first` stays.
    """
    first = first_kept(instance)
    with (instance / "log").open("rb+", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        wanted = first
        while size - wanted > part * parts:
            wanted = _line_start(file.fileno(), wanted + part, part)
        if wanted == first:
            return first
        fresh = instance / "first.new"
        with fresh.open("w") as beginning:
            beginning.write(f"{wanted}\n")
            # Tried beyond the end of a file that nobody reads, before anything is announced.
            _punch(beginning.fileno(), part, 1)
        os.replace(fresh, instance / "first")
        _punch(file.fileno(), 0, wanted)
    return wanted


def _line_start(fd: int, offset: int, most: int) -> int:
    """The first line that begins at or after `offset`; `offset` when none does within `most` bytes."""
    place = offset - 1
    while place < offset + most:
        chunk = os.pread(fd, SCAN_BYTES, place)
        at = chunk.find(b"\n")
        if at >= 0:
            return place + at + 1
        if not chunk:
            break
        place += len(chunk)
    return offset


def _punch(fd: int, offset: int, length: int) -> None:
    done = libc.fallocate(
        fd, KEEP_SIZE | PUNCH_HOLE, ctypes.c_longlong(offset), ctypes.c_longlong(length)
    )  # fmt: skip
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
