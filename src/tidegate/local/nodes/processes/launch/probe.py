"""`probe`: which view of the machine a container can have here, as words of a plan."""

from __future__ import annotations

import os
from collections.abc import Iterator

from kernel import PRIVATE, REC, make_tree_read_only, mount
from machine_mounts import is_below, visible
from namespaces import unshare
from overlays import Layers
from views import KERNEL_PLACES

DEPTH = 3
CROWDED = 2_000
OWN_PLACES = ("HOME", "TMPDIR", "XDG_RUNTIME_DIR")


def probe(scratch: bytes) -> int:
    """Writes `view`, `memory`, `place` and `why` (why it is no better view); 1 without private mounts."""
    places = writable_places()
    try:
        has_user_namespace = unshare()
        mount(None, b"/", None, REC | PRIVATE)
        mount(b"tidegate", b"/tmp", b"tmpfs", 0, b"mode=755")
        os.makedirs(scratch)
    except OSError as error:
        tell(b"view", b"none", b"why", (error.strerror or "refused").encode())
        return 1
    why = b""
    for is_in_memory in (False, True):
        more = (b"memory",) if is_in_memory else ()
        try:
            layers = Layers(scratch + b"/%d" % is_in_memory, is_in_memory, has_user_namespace)
            os.makedirs(b"root", exist_ok=True)
            root = os.getcwdb() + b"/root"
        except OSError as error:
            why = why or said(error)
            continue
        try:
            layers.cover(b"/", root)
            os.mkdir(root + b"/tidegate-%d" % os.getpid())
            tell(b"view", b"whole", *more)
            return 0
        except OSError as error:
            why = why or said(error)
        try:
            layers.cover(b"/etc", root)
            make_tree_read_only(root)
            tell(
                b"view", b"places", *more, b"why", why, *(word for one in places for word in (b"place", one))
            )
            return 0
        except OSError as error:
            why = said(error)
    tell(b"view", b"shared", b"why", why)
    return 0


def said(error: OSError) -> bytes:
    return os.strerror(error.errno or 0).encode()


def tell(*words: bytes) -> None:
    os.write(1, b"".join(word + b"\0" for word in words))


def writable_places() -> list[bytes]:
    """Directories in which this user may make files, outer ones first."""
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = visible(file.read())
    closed = {mount.point for mount in mounts if mount.kind == b"autofs"} | set(KERNEL_PLACES)
    found = list(inside(b"/", 1, closed))
    for name in OWN_PLACES:
        place = os.path.realpath(os.fsencode(os.environ.get(name) or "/"))
        is_open = os.path.isdir(place) and os.access(place, os.W_OK) and place != b"/"
        if is_open and not any(place == one or is_below(place, one) for one in closed):
            found += [place] * needs_its_own(place, found)
    return sorted(found)


def needs_its_own(place: bytes, found: list[bytes]) -> bool:
    """Directories of others are not copied: in a copy of what is above one, all in it stays as it is."""
    while place not in found:
        place = os.path.dirname(place)
        if place not in found and (place == b"/" or os.stat(place).st_uid != os.geteuid()):
            return True
    return False


def inside(folder: bytes, depth: int, closed: set[bytes]) -> Iterator[bytes]:
    try:
        with os.scandir(folder) as entries:
            folders = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    if len(folders) > CROWDED:
        return
    for place in sorted(folders):
        if place in closed:
            continue
        if os.access(place, os.W_OK | os.X_OK):
            yield place
        elif depth < DEPTH:
            yield from inside(place, depth + 1, closed)
