"""A container's mounts: its view of the machine, and its volumes in it."""

from __future__ import annotations

import os

from kernel import PRIVATE, REC, libc, make_read_only, mount
from namespaces import unshare
from overlays import Layers
from plan import CannotStart, Plan
from tree import Tree
from views import build


def make_private(instance: bytes, plan: Plan, has_joined_user: bool = False) -> None:
    try:
        has_user_namespace = unshare(has_joined_user)
        mount(None, b"/", None, REC | PRIVATE)
        base = instance + b"/root"
        os.makedirs(base, exist_ok=True)
        layers = Layers(instance + b"/fs", plan.is_in_memory, has_user_namespace)
        tree = build(base, layers, plan)
    except OSError as error:
        # What was attempted names this machine's folders: that is for the administrator, who asks the Node.
        raise CannotStart("FailedMount", f"no private mounts on this machine: {error.strerror}") from error
    if plan.hostname:
        libc.sethostname(plan.hostname, len(plan.hostname))
    places: list[tuple[bytes, bytes]] = []
    for mode, source, target in sorted(plan.binds, key=lambda bind: bind[2].split(b"/")):
        try:
            place = (
                tree.bind(source, target) if mode != b"copy" else copied(source, target, tree, layers, plan)
            )
            places.append((mode, place))
        except OSError as error:
            told = f"cannot mount at {target.decode(errors='replace')}: {error.strerror}"
            raise CannotStart("FailedMount", told) from error
    for mode, place in places:
        if mode == b"ro":
            make_read_only(place)
    try:
        tree.point(plan.cwd or b"/", True)
        if plan.is_read_only and plan.view != b"shared":
            tree.close(but={place for _, place in places})
        tree.enter()
    except OSError as error:
        raise CannotStart("FailedMount", f"cannot enter the new root: {error.strerror}") from error


def copied(source: bytes, target: bytes, tree: Tree, layers: Layers, plan: Plan) -> bytes:
    """A copy on write of a folder, or a copy of a file, where the view of the machine is one; else itself."""
    if plan.view == b"shared":
        return tree.bind(source, target)
    if not os.path.isdir(source):
        source = layers.copy(source)
        return tree.bind(source, target)
    place = tree.point(target, True)
    layers.cover(source, place)
    tree.is_ours[place] = True
    return place
