"""Copies on write: directories of the machine that a container may write and that stay as they are."""

from __future__ import annotations

import os

from kernel import mount


class Layers:
    """Where that is kept which a container writes: in `folder`, one pair of directories for each overlay.

    Paths are relative to `folder`, which becomes the working directory: options of a mount take no path
    with a comma. `volatile` because nobody mounts a layer twice: without it, each container that ends
    would have the whole file system written to its disk.
    """

    def __init__(self, folder: bytes, is_in_memory: bool, has_user_namespace: bool) -> None:
        self.count = 0
        self.options = b",userxattr" if has_user_namespace else b""
        os.makedirs(folder, 0o700, exist_ok=True)
        if is_in_memory:
            mount(b"tidegate", folder, b"tmpfs", 0, b"mode=700")
        os.chdir(folder)

    def cover(self, origin: bytes, place: bytes) -> None:
        """`place` shows the directory `origin` from now on, and keeps what is written there to itself."""
        pair = b"%d" % self.count
        self.count += 1
        held = os.open(origin, os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(pair, 0o700)
            os.mkdir(pair + b"/work", 0o700)
            os.mkdir(pair + b"/upper", 0o700)
            shape(held, pair + b"/upper")
            lower = b"/" if origin == b"/" else b"/proc/self/fd/%d" % held
            options = b"lowerdir=%s,upperdir=%s/upper,workdir=%s/work" % (lower, pair, pair)
            try:
                mount(b"tidegate", place, b"overlay", 0, options + self.options + b",volatile")
            except OSError:  # Linux before 5.10 knows no `volatile`
                mount(b"tidegate", place, b"overlay", 0, options + self.options)
        finally:
            os.close(held)

    def copy(self, file: bytes) -> bytes:
        """A copy of a file; where it is."""
        place = os.getcwdb() + b"/%d" % self.count
        self.count += 1
        with open(file, "rb") as source, open(place, "wb") as target:
            while part := source.read(1 << 20):
                target.write(part)
        os.chmod(place, os.stat(file).st_mode & 0o7777)
        return place


def shape(held: int, upper: bytes) -> None:
    """Gives the upper directory owner and mode of the lower one: it is what is seen of it.

    Who cannot give it away owns it and may do there what he may in the lower one.
    """
    seen = os.stat(held)
    mode = seen.st_mode & 0o7777
    if (seen.st_uid, seen.st_gid) != (os.geteuid(), os.getegid()):
        try:
            os.chown(upper, seen.st_uid, seen.st_gid)
        except OSError:
            may_write = os.access(b"/proc/self/fd/%d" % held, os.W_OK)
            mode = mode & 0o7555 | (0o700 if may_write else 0o500)
    os.chmod(upper, mode)
