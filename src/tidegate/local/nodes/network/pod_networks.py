"""How pods are connected: with networks of their own, or all with the machine's where it allows no other."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType
from typing import Protocol

from tidegate.local.nodes.network.forwards import Forward
from tidegate.local.nodes.network.names import Named
from tidegate.local.nodes.network.ranges import SHARED_PODS, SHARED_SERVICES, SHARED_WAYS, Ranges, Way

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Joined:
    """The open files by which a container's first process enters the pod's network; closed with the block."""

    files: Sequence[int] = ()

    def __enter__(self) -> Sequence[int]:
        return self.files

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in self.files:
            os.close(fd)


class PodNetwork(Protocol):
    """`ranges` is None where pods share the machine's network; `why` then says why, for users.

    `host` is the machine's loopback as pods know it.
    """

    @property
    def ranges(self) -> Ranges | None: ...
    @property
    def pods(self) -> IPv4Network: ...
    @property
    def services(self) -> IPv4Network: ...
    @property
    def host(self) -> str: ...
    @property
    def ways(self) -> tuple[Way, ...]: ...
    @property
    def why(self) -> str: ...

    async def adopt(self, addresses: Mapping[str, str], on_lost: Callable[[], None]) -> set[str]:
        """Goes on with the networks of pods (address by uid); the uids of those whose network is there.

        `on_lost` is called once when all networks may be gone: then it is time to adopt again.
        """
        ...

    async def join(self, address: str) -> Joined:
        """The network of the pod with this address, made if need be. OSError where that fails."""
        ...

    async def leave(self, address: str) -> None:
        """No process of the pod is left; safe twice."""
        ...

    async def publish(self, forwards: Sequence[Forward], services: Sequence[Named]) -> None:
        """Where all Services lead now, and what names mean. OSError where the router does not take it."""
        ...

    def from_machine(self, address: str) -> str:
        """The address by which programs of the machine reach a pod or a Service."""
        ...

    async def connect(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A connection to a pod (or to any other host), not blocking; `kind` may be SOCK_DGRAM."""
        ...

    async def close(self, *, ends_pods: bool) -> None:
        """The control plane ends; with `ends_pods` no process of a pod is left. Safe twice."""
        ...


class SharedNetwork:
    """Each pod has an address on the machine's loopback; a port on all addresses is the machine's."""

    ranges = None
    pods = SHARED_PODS
    services = SHARED_SERVICES
    host = LOOPBACK
    ways = SHARED_WAYS

    def __init__(self, why: str = "") -> None:
        self.why = why

    async def adopt(self, addresses: Mapping[str, str], on_lost: Callable[[], None]) -> set[str]:
        return {uid for uid, address in addresses.items() if IPv4Address(address) in SHARED_PODS}

    async def join(self, address: str) -> Joined:
        return Joined()

    async def leave(self, address: str) -> None:
        return

    async def publish(self, forwards: Sequence[Forward], services: Sequence[Named]) -> None:
        return

    def from_machine(self, address: str) -> str:
        return address

    async def connect(self, host: str, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        return await connected(socket.socket(socket.AF_INET, kind), host, port)

    async def close(self, *, ends_pods: bool) -> None:
        return


async def connected(made: socket.socket, host: str, port: int) -> socket.socket:
    """The socket, connected; closed when that fails."""
    loop = asyncio.get_running_loop()
    try:
        made.setblocking(False)
        await loop.sock_connect(made, (host, port))
    except OSError as error:
        made.close()
        # Loops put the address into the text, which others add as they like.
        raise OSError(error.errno, os.strerror(error.errno)) if error.errno else error from error
    except BaseException:
        made.close()
        raise
    return made


async def dial(network: PodNetwork, host: str, port: int, tls: ssl.SSLContext | None) -> Streams:
    """A conversation with a pod's port, for probes and hooks."""
    try:
        address = IPv4Address(host)
    except ValueError:
        return await asyncio.open_connection(host, port, ssl=tls)
    if address not in network.pods:
        return await asyncio.open_connection(host, port, ssl=tls)
    made = await network.connect(host, port)
    try:
        return await asyncio.open_connection(sock=made, ssl=tls, server_hostname=host if tls else None)
    except BaseException:
        made.close()
        raise
