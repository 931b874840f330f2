"""Ports that a container wants and another program has, where pods share the machine's network."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidegate.local.nodes.network.pod_networks import PodNetwork

_LOWEST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def told(network: PodNetwork, container: Mapping[str, Any], address: str) -> str:
    """What to tell of the container's ports that are taken; "" when none is, or it has its own network."""
    if network.ranges is not None:
        return ""
    wanted = [port for port in container.get("ports") or [] if (port.get("protocol") or "TCP") == "TCP"]
    taken = [str(one["containerPort"]) for one in wanted if is_taken(address, int(one["containerPort"]))]
    if not taken:
        return ""
    why = f" ({network.why})" if network.why else ""
    return (
        f"port {', '.join(taken)} is in use on this machine, whose network all pods share{why}: a program "
        "that listens there on all addresses will not start"
    )


def closed_below(me: int) -> int:
    """Ports of the machine below this one are closed to the user `me`."""
    try:
        return int(_LOWEST_PORT.read_text()) if me else 0
    except (OSError, ValueError):
        return 1024


def is_taken(address: str, port: int) -> bool:
    """Whether a program listens on the port at this address, which one on all addresses does as well."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
