"""Memory limits of containers by control groups, version 1 or 2, where this machine lets us make some.

Each container with a limit has a group of its own below one of the node; the launcher enters it just before
it becomes the command. Where no group can be made, `pod_usage.py` watches the processes instead.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}
COUNTS = ("memory.oom_control", "memory.events")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups below `parent`."""

    parent: Path
    version: int

    def make(self, name: str, limit: int) -> Path:
        """A group with this limit in bytes. OSError where the kernel refuses it."""
        group = self.parent / name
        try:
            self._open()
            group.mkdir(exist_ok=True)
        except FileNotFoundError:  # the last group has just taken the parent with it
            self._open()
            group.mkdir(exist_ok=True)
        (group / LIMITS[self.version]).write_text(str(limit))
        # Swap is no way around the limit; that all of a container ends together is for version 2 alone.
        more = {"memory.memsw.limit_in_bytes": str(limit)}
        if self.version == 2:
            more = {"memory.swap.max": "0", "memory.oom.group": "1"}
        for file, text in more.items():
            with suppress(OSError):
                (group / file).write_text(text)
        return group

    def _open(self) -> None:
        """The parent is there while it has groups, and no longer."""
        self.parent.mkdir(exist_ok=True)
        if self.version == 2:
            with suppress(OSError):  # it may be on; else a group with processes in it gives nothing on
                (self.parent.parent / "cgroup.subtree_control").write_text("+memory")
            (self.parent / "cgroup.subtree_control").write_text("+memory")

    def clear(self, is_known: Callable[[str], bool]) -> None:
        """Removes groups that a crash left; one with processes in it stays."""
        with suppress(OSError):
            for group in list(self.parent.iterdir()):
                if group.is_dir() and not is_known(group.name):
                    release(group)


def find_groups(name: str, own: str, root: Path = ROOT) -> Groups | None:
    """`name` is for the node's own group; `own` is what /proc/self/cgroup says."""
    for base, version in _places(own, root):
        groups = Groups(base / name, version)
        try:
            groups.make("probe", 1 << 40)
            return groups
        except OSError as error:
            log.debug("no memory limits by groups there", extra={"place": str(base), "error": str(error)})
        finally:
            release(groups.parent / "probe")
    return None


def _places(own: str, root: Path) -> Iterator[tuple[Path, int]]:
    """Where our groups may be: below the one that we are in, else below the top."""
    for line in own.splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            yield root / "memory" / path.lstrip("/"), 1
            yield root / "memory", 1
        elif number == "0" and not controllers and not (root / "memory").is_dir():
            yield root / path.lstrip("/"), 2
            yield root, 2


def kills(group: Path) -> int:
    """How many processes of the group were killed for want of memory."""
    for name in COUNTS:
        with suppress(OSError, ValueError):
            for line in (group / name).read_text().splitlines():
                word, _, count = line.partition(" ")
                if word == "oom_kill":
                    return int(count)
    return 0


def release(group: Path) -> None:
    """Removes a group without processes, and with the last one their parent."""
    for place in (group, group.parent):
        with suppress(OSError):
            os.rmdir(place)
