"""Services: which names and addresses they have, and the listeners that forward to what their slices offer.

A listener exists only while an endpoint is ready: without one, connections are refused by the machine itself.
That order also lets the first pod bind its port on all addresses before a listener needs it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tidegate.local.nodes.network.forwards import HEADLESS, Forward, backends_of, forwards_of
from tidegate.local.nodes.network.listeners.tcp import Address, Listener, Side
from tidegate.local.nodes.network.listeners.udp import UdpListener
from tidegate.local.nodes.network.names import Named, named
from tidegate.local.nodes.network.pod_networks import PodNetwork

log = logging.getLogger(__name__)

RETRY_S = 5.0
SETTLE_S = 0.02
NODE_ADDRESS = "127.0.0.1"
OF_SERVICE = "kubernetes.io/service-name"
NO_SCTP = "SCTP is not forwarded where pods share this machine's network"
API = ("default", "kubernetes")
Key = tuple[str, str]
Door = tuple[str, str, int]
"""Protocol, address and port at which the machine listens."""


def doors_of(
    service: Mapping[str, Any], slices: Sequence[Mapping[str, Any]], network: PodNetwork
) -> dict[Door, list[Address]]:
    """Where the machine listens for a Service, and where each of these doors leads.

    At node ports, and at the addresses that programs of the machine use instead of the cluster's.
    """
    doors: dict[Door, list[Address]] = {}
    for port in service["spec"].get("ports") or ():
        protocol, to = port.get("protocol") or "TCP", list(backends_of(port, slices))
        if protocol in ("TCP", "UDP") and to:
            doors |= {(protocol, *at): found for at, found in _doors(service, port, to, network)}
    return doors


def _doors(
    service: Mapping[str, Any], port: Mapping[str, Any], to: list[Address], network: PodNetwork
) -> Iterator[tuple[Address, list[Address]]]:
    address, node_port = service["spec"].get("clusterIP"), port.get("nodePort")
    if address == HEADLESS:
        # Nothing stands between a headless Service and its pods, but where the machine has no way to them.
        for pod, number in to:
            if (own := network.from_machine(pod)) != pod:
                yield (own, number), [(pod, number)]
    elif address:
        own = network.from_machine(address)
        if network.ranges is None or own != address:
            yield (own, int(port["port"])), to
    if node_port:
        yield (NODE_ADDRESS, int(node_port)), to


class Proxies:
    """Follows Services and their slices; `tell` reports what keeps a Service from being served."""

    def __init__(
        self,
        names: dict[Key, Named],
        on_names: Callable[[], None],
        tell: Callable[[Mapping[str, Any], str], Awaitable[None]],
        network: PodNetwork,
    ) -> None:
        self._names = names
        self._on_names = on_names
        self._tell = tell
        self._network = network
        self._forwards: dict[Key, tuple[Forward, ...]] = {}
        self._has_published = False
        self._published: list[Named] = []
        self._services: dict[Key, Mapping[str, Any]] = {}
        self._slices: dict[Key, dict[str, Mapping[str, Any]]] = {}
        self._slice_of: dict[Key, Key] = {}
        self._listeners: dict[tuple[Key, Door], Listener | UdpListener] = {}
        self._open_sides: set[Side] = set()
        self._dirty: set[Key] = set()
        self._wake = asyncio.Event()
        self._told: set[tuple[Key, str]] = set()

    def on_service(self, service: Mapping[str, Any], is_gone: bool) -> None:
        key = (service["metadata"]["namespace"], service["metadata"]["name"])
        if is_gone:
            self._services.pop(key, None)
            self._told = {told for told in self._told if told[0] != key}
        else:
            self._services[key] = service
        self._mark(key)

    def on_slice(self, one: Mapping[str, Any], is_gone: bool) -> None:
        metadata = one["metadata"]
        own = (metadata["namespace"], metadata["name"])
        name = "" if is_gone else (metadata.get("labels") or {}).get(OF_SERVICE, "")
        before = self._slice_of.pop(own, None)
        if before is not None:
            self._slices[before].pop(own[1])
            self._mark(before)
        if name:
            key = self._slice_of[own] = (own[0], name)
            self._slices.setdefault(key, {})[own[1]] = one
            self._mark(key)

    def _mark(self, key: Key) -> None:
        self._dirty.add(key)
        self._wake.set()

    def reconcile(self) -> None:
        """Brings the names up to date now; the listeners follow in `run`."""
        has_changed = False
        for key in self._dirty:
            service = self._services.get(key)
            if service is None:
                has_changed |= self._names.pop(key, None) is not None
                continue
            one = named(service, self._offered(key))
            if self._names.get(key) != one:
                self._names[key] = one
                has_changed = True
        if has_changed:
            self._on_names()

    def _offered(self, key: Key) -> list[Mapping[str, Any]]:
        return list(self._slices.get(key, {}).values())

    async def run(self) -> None:
        """Serves until cancelled; all listeners are closed then."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(SETTLE_S)
                self._wake.clear()
                self.reconcile()
                dirty, self._dirty = self._dirty, set()
                for key in dirty:
                    await self._serve(key)
                await self._publish(dirty)
        finally:
            for listener in self._listeners.values():
                listener.close()
            for side in list(self._open_sides):
                side.abort()

    def publish_again(self) -> None:
        """A router that is new knows of no Service."""
        self._has_published = False
        self._wake.set()

    async def _publish(self, dirty: Iterable[Key]) -> None:
        """Tells the router where Services lead, if there is one and anything has changed."""
        before = dict(self._forwards), self._published
        for key in dirty:
            service = self._services.get(key)
            found = () if service is None else forwards_of(service, self._offered(key))
            self._forwards.pop(key, None)
            if found:
                self._forwards[key] = found
        names = list(self._names.values())
        if self._network.ranges is None or (self._has_published and before == (self._forwards, names)):
            return
        try:
            await self._network.publish([one for found in self._forwards.values() for one in found], names)
            self._has_published, self._published = True, names
        except OSError as error:
            log.error("Services do not lead where they should", extra={"error": str(error)})
            self._has_published = False
            asyncio.get_running_loop().call_later(RETRY_S, self._wake.set)

    async def _serve(self, key: Key) -> None:
        service = self._services.get(key)
        wanted = {} if service is None else doors_of(service, self._offered(key), self._network)
        for owner, door in [one for one in self._listeners if one[0] == key and one[1] not in wanted]:
            self._listeners.pop((owner, door)).close()
        if service is None:
            return
        for door, to in wanted.items():
            listener = self._listeners.get((key, door)) or self._listener(door)
            listener.targets = to
            if (key, door) not in self._listeners:
                await self._open(key, door, listener, service)
        ports = service["spec"].get("ports") or ()
        if self._network.ranges is None and any(port.get("protocol") == "SCTP" for port in ports):
            await self._report(key, service, NO_SCTP)

    def _listener(self, door: Door) -> Listener | UdpListener:
        if door[0] == "UDP":
            return UdpListener(partial(self._network.connect, kind=socket.SOCK_DGRAM))
        return Listener(self._open_sides, self._network.connect)

    async def _open(
        self, key: Key, door: Door, listener: Listener | UdpListener, service: Mapping[str, Any]
    ) -> None:
        where = f"{door[1]}:{door[2]}" + ("/UDP" if door[0] == "UDP" else "")
        try:
            await listener.open(door[1:])
        except PermissionError:
            if key == API:
                return  # pods are told where the API itself listens
            await self._report(
                key,
                service,
                f"cannot listen on {where}: ports below 1024 are refused to ordinary users; "
                "use a higher port, or allow them with sysctl net.ipv4.ip_unprivileged_port_start=0",
            )
        except OSError as error:
            # A pod that listens on all addresses answers here by itself; look again when it ends.
            await self._report(key, service, f"cannot listen on {where}: {error.strerror or error}")
            asyncio.get_running_loop().call_later(RETRY_S, self._mark, key)
        else:
            self._listeners[(key, door)] = listener

    async def _report(self, key: Key, service: Mapping[str, Any], message: str) -> None:
        if (key, message) not in self._told:
            self._told.add((key, message))
            await self._tell(service, message)
