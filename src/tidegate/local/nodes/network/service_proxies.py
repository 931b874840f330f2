"""Services: which names and addresses they have, and the listeners that forward to their ready pods.

A listener exists only while a pod is ready: without one, connections are refused by the machine itself.
That order also lets the first pod bind its port on all addresses before a listener needs it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.local.nodes.network.forwards import Forward
from tidegate.local.nodes.network.names import Member, Named
from tidegate.local.nodes.network.pod_networks import PodNetwork
from tidegate.local.nodes.network.tcp_forwarding import Address, Listener, Side

log = logging.getLogger(__name__)

RETRY_S = 5.0
HEADLESS = "None"
SETTLE_S = 0.02
NODE_ADDRESS = "127.0.0.1"
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Backend:
    """What a Service needs to know of a pod."""

    labels: Mapping[str, str]
    address: str
    is_ready: bool
    hostname: str
    ports: Mapping[str, int]

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> Backend:
        status, spec = pod.get("status") or {}, pod["spec"]
        conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
        is_ready = conditions.get("Ready") == "True" and not pod["metadata"].get("deletionTimestamp")
        ports = {
            port["name"]: int(port["containerPort"])
            for container in spec.get("containers") or []
            for port in container.get("ports") or []
            if port.get("name")
        }
        labels = pod["metadata"].get("labels") or {}
        hostname = spec.get("hostname") or pod["metadata"]["name"]
        return cls(labels, status.get("podIP") or "", is_ready, hostname, ports)


def chosen(service: Mapping[str, Any], pods: Sequence[Backend]) -> list[Backend]:
    """The pods that a Service sends to now."""
    selector = service["spec"].get("selector") or {}
    also_unready = bool(service["spec"].get("publishNotReadyAddresses"))
    return [
        pod
        for pod in pods
        if selector
        and pod.address
        and (pod.is_ready or also_unready)
        and all(pod.labels.get(key) == value for key, value in selector.items())
    ]


def targets(port: Mapping[str, Any], pods: Sequence[Backend]) -> list[Address]:
    """Where connections to a Service's port go; a named port is looked up in each pod."""
    wanted = port.get("targetPort") or port["port"]
    found = [(pod.address, pod.ports.get(str(wanted), wanted)) for pod in pods]
    return [(address, int(number)) for address, number in found if str(number).isdigit()]


def _doors(
    service: Mapping[str, Any], port: Mapping[str, Any], to: Sequence[Address], network: PodNetwork
) -> dict[Address, list[Address]]:
    """Where the machine listens for a Service's port, and where each of these doors leads.

    At its node port, and at the addresses that programs of the machine use instead of the cluster's.
    """
    address, node_port = service["spec"].get("clusterIP"), port.get("nodePort")
    doors: dict[Address, list[Address]] = {}
    if address == HEADLESS:
        # Nothing stands between a headless Service and its pods, but where the machine has no way to them.
        for pod, number in to:
            if (own := network.from_machine(pod)) != pod:
                doors[own, number] = [(pod, number)]
    elif address:
        own = network.from_machine(address)
        if network.ranges is None or own != address:
            doors[own, int(port["port"])] = list(to)
    if node_port:
        doors[NODE_ADDRESS, int(node_port)] = list(to)
    return doors


def _forwards(service: Mapping[str, Any], pods: Sequence[Backend]) -> tuple[Forward, ...]:
    """What the router has to know of a Service; nothing of one without an address of its own."""
    address = service["spec"].get("clusterIP")
    if not address or address == HEADLESS:
        return ()
    return tuple(
        Forward(address, port.get("protocol") or "TCP", int(port["port"]), tuple(targets(port, pods)))
        for port in service["spec"].get("ports") or []
    )


def named(service: Mapping[str, Any], pods: Sequence[Backend]) -> Named:
    metadata, spec = service["metadata"], service["spec"]
    address = spec.get("clusterIP") or ""
    members = tuple(Member(pod.address, pod.hostname) for pod in pods) if address == "None" else ()
    return Named(
        metadata["namespace"],
        metadata["name"],
        "" if address == "None" else address,
        spec.get("externalName") or "",
        members=members,
    )


class Proxies:
    """Follows Services and pods; `tell` reports what keeps a Service from being served."""

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
        self._pods: dict[str, dict[str, Backend]] = {}
        self._listeners: dict[tuple[Key, Address], Listener] = {}
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

    def on_pod(self, pod: Mapping[str, Any], is_gone: bool) -> None:
        namespace, uid = pod["metadata"]["namespace"], pod["metadata"]["uid"]
        pods = self._pods.setdefault(namespace, {})
        before = pods.get(uid)
        after = None if is_gone else Backend.of(pod)
        if before == after:
            return
        if after is None:
            del pods[uid]
        else:
            pods[uid] = after
        for key, service in self._services.items():
            if key[0] == namespace:
                selector = (service["spec"].get("selector") or {}).items()
                if any(one and all(one.labels.get(k) == v for k, v in selector) for one in (before, after)):
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
            one = named(service, chosen(service, self._backends(key)))
            if self._names.get(key) != one:
                self._names[key] = one
                has_changed = True
        if has_changed:
            self._on_names()

    def _backends(self, key: Key) -> list[Backend]:
        return list(self._pods.get(key[0], {}).values())

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
            found = () if service is None else _forwards(service, chosen(service, self._backends(key)))
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
        wanted: dict[Address, list[Address]] = {}
        if service is not None:
            pods = chosen(service, self._backends(key))
            for port in service["spec"].get("ports") or []:
                if (port.get("protocol") or "TCP") == "TCP" and (to := targets(port, pods)):
                    wanted |= _doors(service, port, to, self._network)
        for owner, at in [one for one in self._listeners if one[0] == key and one[1] not in wanted]:
            self._listeners.pop((owner, at)).close()
        for at, to in wanted.items():
            listener = self._listeners.get((key, at)) or Listener(self._open_sides, self._network.connect)
            listener.targets = to
            if (key, at) not in self._listeners and service is not None:
                await self._open(key, at, listener, service)

    async def _open(self, key: Key, at: Address, listener: Listener, service: Mapping[str, Any]) -> None:
        try:
            await listener.open(at)
        except PermissionError:
            await self._report(
                key,
                service,
                f"cannot listen on {at[0]}:{at[1]}: ports below 1024 are refused to ordinary users; "
                "use a higher port, or allow them with sysctl net.ipv4.ip_unprivileged_port_start=0",
            )
        except OSError as error:
            # A pod that listens on all addresses answers here by itself; look again when it ends.
            await self._report(key, service, f"cannot listen on {at[0]}:{at[1]}: {error.strerror or error}")
            asyncio.get_running_loop().call_later(RETRY_S, self._mark, key)
        else:
            self._listeners[(key, at)] = listener

    async def _report(self, key: Key, service: Mapping[str, Any], message: str) -> None:
        if (key, message) not in self._told:
            self._told.add((key, message))
            await self._tell(service, message)
