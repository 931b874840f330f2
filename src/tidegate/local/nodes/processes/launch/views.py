"""What a container sees of the machine: one of three views, the best that the machine allows.

whole    `/` is a copy on write of the machine's `/`, and so is every file system mounted in it
places   the machine read-only, with copies on write where this user may write
shared   the machine as it is: what the container writes outside its volumes stays there
"""

from __future__ import annotations

import os
from contextlib import suppress

from kernel import BIND, REC, UNBINDABLE, make_read_only, make_tree_read_only, mount
from machine_mounts import OF_THE_KERNEL, Mount, is_below, visible
from overlays import Layers
from plan import Plan
from tree import Tree

KERNEL_PLACES = (b"/proc", b"/sys", b"/dev")
# Where container engines mount the file systems of their own containers.
ENGINES = tuple(b"/var/lib/" + name for name in (b"docker", b"containers", b"containerd", b"kubelet"))
ENGINES = (*ENGINES, b"/run/docker", b"/run/containerd", b"/run/netns")
# What of the kernel the administrator alone may change.
SETTINGS = (b"/sys", b"/proc/sys", b"/proc/sysrq-trigger", b"/proc/irq", b"/proc/bus", b"/proc/fs")
# Names of users and machines are asked for there; sockets in a copy on write lead nowhere.
NAME_SERVICES = (b"/run/nscd", b"/var/lib/sss/pipes", b"/run/systemd/resolve", b"/run/systemd/userdb")
SMALL_FILE_BYTES = 1 << 20


def build(base: bytes, layers: Layers, plan: Plan) -> Tree:
    """The tree at `base`, without the container's own mounts."""
    if plan.view == b"whole":
        tree = whole(base, layers, plan)
    elif plan.view == b"places":
        tree = guarded(base, layers, plan)
    else:
        tree = mirrored(base)
    for place in plan.hidden:
        if os.path.isdir(place):
            mount(b"tidegate", tree.point(place, True), b"tmpfs", 0, b"mode=755,size=1m")
        elif os.path.exists(place):
            mount(b"/dev/null", tree.point(place, False), None, BIND)
    return tree


def whole(base: bytes, layers: Layers, plan: Plan) -> Tree:
    tree = Tree(base)
    layers.cover(b"/", base)
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = visible(file.read())
    done = [*plan.hidden, *ENGINES]
    for one in mounts:
        if one.point == b"/" or any(one.point == place or is_below(one.point, place) for place in done):
            continue
        if one.kind in OF_THE_KERNEL or one.point in KERNEL_PLACES:
            done.append(one.point)
        with suppress(OSError):  # what we cannot show stays the empty place that it is mounted on
            show(one, tree, layers)
    own_memory(tree)
    if not plan.is_privileged:
        for place in SETTINGS:
            with suppress(OSError):
                keep_read_only(base + place, tree)
    for place in NAME_SERVICES:
        if os.path.isdir(place):
            with suppress(OSError):
                mount(place, base + place, None, BIND | REC)
    return tree


def show(one: Mount, tree: Tree, layers: Layers) -> None:
    place = tree.base + one.point
    if one.kind in OF_THE_KERNEL or one.point in KERNEL_PLACES:
        mount(one.point, place, None, BIND | REC)
        tree.is_ours[place] = False
    elif os.path.isdir(one.point) and not one.is_read_only:
        try:
            layers.cover(one.point, place)
            tree.is_ours[place] = True
        except OSError:
            show_read_only(one.point, tree, place)
    elif os.path.isfile(one.point) and os.path.getsize(one.point) <= SMALL_FILE_BYTES:
        with open(one.point, "rb") as file, open(place, "wb") as target:
            target.write(file.read())
        os.chmod(place, os.stat(one.point).st_mode & 0o7777)
    else:
        show_read_only(one.point, tree, place)


def show_read_only(point: bytes, tree: Tree, place: bytes) -> None:
    mount(point, place, None, BIND)
    tree.is_ours[place] = False
    make_read_only(place)


def keep_read_only(place: bytes, tree: Tree) -> None:
    """What is at `place` can be read from now on, and not written."""
    if place not in tree.is_ours:
        mount(place, place, None, BIND | REC)
    try:
        make_tree_read_only(place)
    except OSError:
        make_read_only(place)


def own_memory(tree: Tree) -> None:
    """Shared memory of the container's own."""
    with suppress(OSError):
        mount(b"tidegate", tree.point(b"/dev/shm", True), b"tmpfs", 0, b"mode=1777")


def mirrored(base: bytes) -> Tree:
    mount(b"tidegate", base, b"tmpfs", 0, b"mode=755")
    # Else the entry that contains `base` would carry this half-built tree along.
    mount(None, base, None, UNBINDABLE)
    tree = Tree(base)
    tree.populate(b"/", os.listdir(b"/"), base)
    return tree


def guarded(base: bytes, layers: Layers, plan: Plan) -> Tree:
    tree = mirrored(base)
    for place in list(tree.is_ours):
        if place != base and place[len(base) :] not in (b"/proc", b"/dev"):
            make_tree_read_only(place)
    own_memory(tree)
    for place in plan.places:
        copy(place, tree, layers)
    return tree


def copy(origin: bytes, tree: Tree, layers: Layers) -> None:
    """A copy on write of `origin`; of what is in it, where a mount there is closed to us."""
    place = tree.base + origin
    try:
        layers.cover(origin, place)
        tree.is_ours[place] = True
        return
    except OSError:
        if not os.path.isdir(place):
            return
    with suppress(OSError):
        inside = [name for name in os.listdir(origin) if os.access(origin + b"/" + name, os.W_OK)]
        tree.mirror(place)
        for name in inside:
            inner = origin + b"/" + name
            if os.path.isdir(inner) and not os.path.islink(inner):
                with suppress(OSError):
                    layers.cover(inner, tree.base + inner)
                    tree.is_ours[tree.base + inner] = True
