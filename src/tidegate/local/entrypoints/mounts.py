"""What volumes bring into a container, as its first process sees it."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


def mounts() -> str:
    return MOUNTS.read_text("utf-8", "replace")


def is_mounted(file: str, text: str) -> bool:
    """Whether a volume is mounted at the file or its folder; `text` is that of /proc/self/mountinfo.

    A folder of the machine may be bound to its own place, and a listing of ours (a tmpfs by our name) lie
    around it: neither is a volume.
    """
    places = (file, file.rpartition("/")[0])
    lines = [line for line in text.splitlines() if " - tmpfs tidegate " not in line]
    fields = [line.split(" ") for line in lines]
    return any(one[4] in places and not one[3].endswith(one[4]) for one in fields if len(one) > 4)
