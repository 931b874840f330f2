"""What is mounted on the machine, as /proc/self/mountinfo tells it."""

from __future__ import annotations

# File systems that hold nothing of their own: views of the kernel. They are shown as they are.
OF_THE_KERNEL = frozenset(
    b"proc sysfs devtmpfs devpts cgroup cgroup2 mqueue hugetlbfs debugfs tracefs securityfs pstore bpf "
    b"binfmt_misc configfs efivarfs fusectl rpc_pipefs nsfs autofs selinuxfs".split()
)


class Mount:
    def __init__(self, line: bytes) -> None:
        words = line.split(b" ")
        dash = words.index(b"-", 6)
        self.number, self.parent = words[0], words[1]
        self.point = plain(words[4])
        self.kind = words[dash + 1]
        self.is_read_only = b"ro" in (*words[5].split(b","), *words[dash + 3].split(b","))


def plain(text: bytes) -> bytes:
    """Without the octal escapes of blanks and backslashes."""
    first, *others = text.split(b"\\")
    return first + b"".join(bytes((int(other[:3], 8),)) + other[3:] for other in others)


def visible(mountinfo: bytes) -> list[Mount]:
    """The mounts that a path can reach, those around before those inside."""
    mounts = [Mount(line) for line in mountinfo.split(b"\n") if line]
    inside: dict[bytes, list[Mount]] = {}
    for mount in mounts:
        inside.setdefault(mount.parent, []).append(mount)
    numbers = {mount.number for mount in mounts}
    left = [mount for mount in mounts if mount.parent not in numbers or mount.parent == mount.number]
    found = []
    while left:
        mount = left.pop(0)
        children = [child for child in inside.get(mount.number, ()) if child is not mount]
        above = [child for child in children if child.point == mount.point]
        if above:  # mounted over the whole of this one
            left.append(above[-1])
            continue
        found.append(mount)
        left += [child for child in children if not any(is_below(child.point, one.point) for one in children)]
    return sorted(found, key=lambda mount: mount.point.split(b"/"))


def is_below(path: bytes, folder: bytes) -> bool:
    return path != folder and path.startswith(folder.rstrip(b"/") + b"/")
