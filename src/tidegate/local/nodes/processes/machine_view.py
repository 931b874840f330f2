"""How much of this machine a container may have to itself: found out once, by the launcher's own means."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.local.nodes.processes.cgroups import Groups, find_groups
from tidegate.local.nodes.processes.instance import LAUNCHER, Kind, View
from tidegate.local.nodes.processes.volumes import remove

PROBE_S = 10.0
OWN_NAMES = ("node", "tls", "history", "kubeconfig", "token", "state.db", "state.db-wal", "state.db-shm")


@dataclass(frozen=True, slots=True)
class Host:
    """What a node takes from its machine.

    `environment` is the server's, of which pods may see a part; `hidden` are folders that they may not
    see. `look` says which view of the machine they get, `find` which control groups limit their memory;
    both run on a thread. `runtime` is what runs the containers of pods that do not say it.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    hidden: tuple[Path, ...] = ()
    look: Callable[[Path, Mapping[str, str]], View] | None = None
    find: Callable[[str, str], Groups | None] = find_groups
    runtime: str = "process"

    def view(self, folder: Path) -> View:
        """`folder` is where the containers' own files will be."""
        return (self.look or look)(folder, self.environment)

    def groups(self, node_id: str) -> Groups | None:
        with suppress(OSError):
            return self.find(f"tidegate-{node_id[:13]}", Path("/proc/self/cgroup").read_text())
        return None


def own_places(data_dir: Path, others: Sequence[Path]) -> tuple[Path, ...]:
    """What pods may not see of a data directory: all of it, unless it holds what is not the server's own.

    `others` are such places: a directory above one of them (`--data-dir .`) is hidden by its known names.
    """
    whole = data_dir.resolve()
    if not any(one.resolve().is_relative_to(whole) for one in others):
        return (whole,)
    return tuple(whole / name for name in OWN_NAMES)


def look(folder: Path, environment: Mapping[str, str]) -> View:
    scratch = folder / f".probe-{secrets.token_hex(4)}"
    command = [sys.executable, "-I", "-S", str(LAUNCHER), "probe", str(scratch)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PROBE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return View("none", why=str(error))
    finally:
        remove(scratch)
    words = [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
    if not words:
        return View("none", why=os.fsdecode(done.stderr).strip() or "refused")
    return read(iter(words))


def read(words: Iterator[str]) -> View:
    kinds: dict[str, Kind] = {"shared": "shared", "places": "places", "whole": "whole"}
    kind: Kind = "none"
    why, is_in_memory, places = "", False, []
    for word in words:
        if word == "memory":
            is_in_memory = True
            continue
        value = next(words)
        if word == "view":
            kind = kinds.get(value, "none")
        elif word == "why":
            why = value
        elif word == "place":
            places.append(value)
    return View(kind, why, tuple(places), is_in_memory)


REASONS = {
    "none": "NoPrivateMounts",
    "shared": "NoCopyOnWrite",
    "places": "CopiesOfSomePlaces",
    "whole": "CopyOnWrite",
}


def condition(view: View) -> dict[str, str]:
    """The node's condition: whether the files of its containers are less than their own."""
    lacks = told(view)
    message = lacks or "each container has a copy on write of the machine's file systems"
    reason = "KeptInMemory" if lacks and view.kind == "whole" else REASONS[view.kind]
    return {
        "type": "LimitedFileSystem",
        "status": "True" if lacks else "False",
        "reason": reason,
        "message": message,
    }


def told(view: View) -> str:
    """What of "a file system of its own" a container does not have here, and what to do; "" for nothing."""
    if view.kind == "none":
        return f"no private mounts on this machine ({view.why}): containers share its files, without volumes"
    if view.kind == "shared":
        return (
            f"no copies on write on this machine ({view.why}): what a container writes outside its volumes "
            "stays on the machine; Linux from 5.12 on has them, and a data directory on a local disk"
        )
    if view.kind == "places":
        shown = ", ".join(view.places) or "nothing"
        return (
            f"no copy on write of the whole machine ({view.why}; it takes root and Linux 5.13): containers "
            f"write to copies of {shown}, and to their volumes; everything else is read-only to them"
        )
    if view.is_in_memory:
        return (
            "what containers write is kept in memory: the data directory lies where no copy on write can be"
        )
    return ""
