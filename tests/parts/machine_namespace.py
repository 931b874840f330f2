"""A machine for a test alone: a network with nothing but loopback, in which a server and its clients run.

Nothing is touched on the machine that the test runs on. Needs root; the server may be an ordinary user's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from parts.loopback import missing
from parts.up import Up

NOBODY = 65534
PROGRAMS = ("nft", "ip", "nsenter", "unshare", "setpriv", "slirp4netns")
# In mounts of its own: what leads to our interpreter may be passed by everybody, /dev/net/tun opened by them,
# as both are on users' machines.
SET_UP = """
set -e
ip link set lo up
scratch=$1
shift
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mknod -m 666 "$scratch/tun" c 10 200
mount --bind "$scratch/tun" /dev/net/tun
for home; do
    mkdir "$scratch/home" && mount -t tmpfs -o mode=755 tmpfs "$scratch/home"
    for one in "$home"/* "$home"/.[a-z]*; do
        [ -d "$one" ] || continue
        mkdir "$scratch/home/${one##*/}" && mount --bind "$one" "$scratch/home/${one##*/}"
    done
    mount --move "$scratch/home" "$home"
    rmdir "$scratch/home"
done
echo ready
exec sleep 3600
"""


class Machine:
    """`inside` is put before a command that is to run there, as root or as nobody."""

    def __init__(self, pid: int, folder: Path, is_root: bool) -> None:
        self.pid = pid
        self.folder = folder
        self.is_root = is_root
        enter = ("nsenter", "-t", str(pid), "-n", "-m")
        ordinary = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        self.inside: tuple[str, ...] = enter if is_root else (*enter, *ordinary)

    def run(self, *argv: str) -> str:
        """What a command says that runs there as root."""
        command = ["nsenter", "-t", str(self.pid), "-n", "-m", *argv]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    def traces(self) -> dict[str, str]:
        """All that a server might leave there, as text to compare."""
        return {
            "links": self.run("ip", "-o", "link"),
            "addresses": self.run("ip", "-o", "address"),
            "routes": self.run("ip", "route", "show", "table", "all"),
            "policies": self.run("ip", "rule"),
            "rules": self.run("nft", "list", "ruleset"),
            "mounts": Path(f"/proc/{self.pid}/mounts").read_text(),
            "forwarding": self.run("cat", "/proc/sys/net/ipv4/ip_forward"),
        }

    def up(self, *flags: str) -> Up:
        return Up(self.folder / "state", "--hpa-interval", "2", *flags, inside=self.inside)


@contextmanager
def machine(is_root: bool) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("a machine of its own for a test can only be made by root")
    if lacking := [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]:
        missing(f"needs {', '.join(lacking)}")
    folder = Path(tempfile.mkdtemp(prefix="tidegate-machine-", dir="/tmp"))
    scratch = Path(tempfile.mkdtemp(prefix="tidegate-mounts-", dir="/tmp"))
    if not is_root:
        os.chown(folder, NOBODY, NOBODY)
    command = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", SET_UP, "sh", str(scratch)]
    process = subprocess.Popen(
        [*command, *(() if is_root else _closed_folders())], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        if process.stdout.readline() != b"ready\n":
            missing(f"no network of its own for a test: {process.stderr.read().decode()}")
        yield Machine(process.pid, folder, is_root)
    finally:
        process.kill()
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)
        scratch.rmdir()


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def _closed_folders() -> list[str]:
    """The folders on the way to our interpreter that others may not pass, the highest of each way."""
    places = [place for place in _way(Path(sys.executable)) if place.is_dir()]
    closed = sorted({place for place in places if not place.stat().st_mode & 1})
    return [str(one) for one in closed if not any(other in one.parents for other in closed)]


def _way(file: Path) -> Sequence[Path]:
    return [*reversed(file.resolve().parents), *reversed(file.parents)]
