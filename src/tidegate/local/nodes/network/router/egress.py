"""The egress tool: a program kept beside the router that carries its connections to the machine's network.

pasta or slirp4netns, as the machine has it. It makes the link `tap0` in the router's namespace; the router
sets that up when it appears. What is sent to the tool's own address reaches the machine's loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from tidegate.local.nodes.network.ranges import Ranges
from tidegate.local.nodes.network.router import kernel
from tidegate.local.nodes.network.router.links import MTU, TAP

PASTA, SLIRP = "pasta", "slirp4netns"
# An ordinary user's PATH often lacks the folders where these programs are.
FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
QUIET = ("--no-dhcp", "--no-ndp", "--no-ra", "--no-dhcpv6", "-t", "none", "-u", "none", "-T", "none")


def find(program: str, path: str | None = None) -> str | None:
    folders = [path if path is not None else os.environ.get("PATH", os.defpath), *FOLDERS]
    return shutil.which(program, path=os.pathsep.join(folders))


def tools() -> list[str]:
    """What this machine has, the better first."""
    return [found for name in (PASTA, SLIRP) if (found := find(name))]


def command(tool: str, ranges: Ranges, network: str, user: str) -> list[str]:
    """The tool's command line; `network` and `user` are paths of namespaces, `user` is "" for root's own."""
    if Path(tool).name == SLIRP:
        owner = [f"--userns-path={user}"] if user else []
        return [
            *(tool, f"--mtu={MTU}", f"--cidr={ranges.link}", "--disable-dns", "--netns-type=path"),
            *(*owner, network, TAP),
        ]
    addresses = ("-a", str(ranges.egress), "-n", str(ranges.link.prefixlen), "-g", str(ranges.host))
    # As root it would become `nobody`, who may not enter the namespace.
    owner = ["--userns", user] if user else ["--runas", "0:0"]
    return [tool, "-f", "-q", "-4", "-I", TAP, *addresses, *QUIET, "-U", "none", *owner, "--netns", network]


def start(argv: Sequence[str], log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, close_fds=True, preexec_fn=_prepare
    )


def _prepare() -> None:
    kernel.end_with_parent(15)


class Door:
    """A thread that stands in the router's namespace without any right: a path by which pasta may enter.

    Run by root, pasta gives up most rights before it opens the namespace, and may then look only at who
    has no more than it has left.
    """

    def __init__(self, network: int) -> None:
        self._network = network
        self._known = threading.Event()
        self._never = threading.Event()
        self._thread = 0
        threading.Thread(target=self._stand, daemon=True).start()
        self._known.wait()

    @property
    def path(self) -> str:
        return f"/proc/{os.getpid()}/task/{self._thread}/ns/net"

    def _stand(self) -> None:
        kernel.join(self._network, kernel.NEWNET)
        kernel.drop_capabilities()
        self._thread = threading.get_native_id()
        self._known.set()
        self._never.wait()
