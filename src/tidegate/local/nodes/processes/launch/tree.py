"""A container's root while it is built: places are made in it, and nothing in a directory of the machine."""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterable

from kernel import BIND, DETACH, REC, check, libc, make_read_only, mount

MIRROR_ENTRIES = 10_000
LINKS = 40


class Tree:
    """`is_ours` says of mounts in it whether writing there is private to the container."""

    def __init__(self, base: bytes) -> None:
        self.base = base
        self.is_ours: dict[bytes, bool] = {base: True}

    def populate(self, source: bytes, names: Iterable[bytes], target: bytes) -> None:
        for name in names:
            origin, place = source + b"/" + name, target + b"/" + name
            if os.path.islink(origin):
                os.symlink(os.readlink(origin), place)
                continue
            is_directory = os.path.isdir(origin)
            create(place, is_directory)
            try:
                mount(origin, place, None, BIND | REC)
            except OSError:
                continue  # what we may not bind we could not have used either; the empty entry stays
            self.is_ours[place] = False

    def mirror(self, place: bytes) -> None:
        """Puts a writable copy of the directory's listing over it, its entries bound one by one."""
        mode = os.stat(place).st_mode & 0o7777
        held = os.open(place, os.O_PATH | os.O_DIRECTORY)
        try:
            names = os.listdir(place)
        except PermissionError:
            names = []
        if len(names) > MIRROR_ENTRIES:
            raise OSError(errno.E2BIG, f"{len(names)} entries beside the mount point")
        mount(b"tidegate", place, b"tmpfs", 0, b"mode=%o" % mode)
        self.is_ours[place] = True
        self.populate(b"/proc/self/fd/%d" % held, names, place)
        os.close(held)

    def may_create(self, place: bytes) -> bool:
        while place not in self.is_ours:
            place = os.path.dirname(place)
        return self.is_ours[place]

    def point(self, path: bytes, is_directory: bool) -> bytes:
        """Where `path` is in the new tree, created if it is missing; symlinks stay inside the tree."""
        place, links = self.base, 0
        left = path.split(b"/")[::-1]
        while left:
            name = left.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                place = place if place == self.base else os.path.dirname(place)
                continue
            inner = place + b"/" + name
            try:
                target = os.readlink(inner) if os.path.islink(inner) else b""
                os.lstat(inner)
            except (FileNotFoundError, PermissionError):
                self.create(place, inner, is_directory or bool(left))
                target = b""
            if target:
                links += 1
                if links > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                place = self.base if target.startswith(b"/") else place
                left += target.split(b"/")[::-1]
            else:
                place = inner
        return place

    def create(self, parent: bytes, place: bytes, is_directory: bool) -> None:
        if self.may_create(parent):
            try:
                create(place, is_directory)
                return
            except OSError as error:
                if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                    raise
        self.mirror(parent)
        create(place, is_directory)

    def bind(self, source: bytes, target: bytes) -> bytes:
        is_directory = os.path.isdir(source)
        place = self.point(target, is_directory)
        mount(source, place, None, BIND | REC)
        self.is_ours[place] = True
        return place

    def close(self, but: Container[bytes]) -> None:
        """Nothing is written any more to what is the container's own, but to its volumes."""
        for place, is_ours in self.is_ours.items():
            if is_ours and place not in but:
                make_read_only(place)

    def enter(self) -> None:
        os.chdir(self.base)
        check(libc.pivot_root(b".", b"."), "pivot_root")
        check(libc.umount2(b".", DETACH), "umount the old root")
        os.chdir(b"/")


def create(place: bytes, is_directory: bool) -> None:
    if is_directory:
        os.mkdir(place, 0o755)
    else:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
