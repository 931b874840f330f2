"""The router's links: to each pod, to the egress tool and, for root, to the machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network

from tidegate.local.nodes.network.ranges import Ranges
from tidegate.local.nodes.network.router import kernel
from tidegate.local.nodes.network.router.netlink import (
    FORWARDING,
    IFF_NOARP,
    IFLA_AF_SPEC,
    IFLA_INET6_ADDR_GEN_MODE,
    IFLA_MTU,
    RP_FILTER,
    SEND_REDIRECTS,
    Netlink,
    attribute,
    nested,
    number,
)

MACHINE, TAP, POD = "machine", "tap0", "pod"
MTU = 1500
EVERYTHING = IPv4Network("0.0.0.0/0")
FORWARDS = {FORWARDING: 1, RP_FILTER: 1, SEND_REDIRECTS: 0}
# No addresses of their own making: nothing here speaks IPv6.
_NO_IPV6 = nested(IFLA_AF_SPEC, nested(socket.AF_INET6, attribute(IFLA_INET6_ADDR_GEN_MODE, b"\1")))


def machine_link(node_id: str) -> str:
    """The name of the machine's end of the link."""
    return f"tg-{node_id.replace('-', '')[:10]}"


def set_up_router(ranges: Ranges) -> None:
    """In the calling thread's namespace, which may be set up already."""
    with Netlink() as netlink:
        loopback = netlink.links()["lo"]
        netlink.set_up(loopback)
        for address in (ranges.gateway, ranges.dns, ranges.api):
            netlink.add_address(loopback, address)
        # What is for a Service needs some route before the rules send it on.
        netlink.add_route(ranges.services, loopback)


def join_machine(ranges: Ranges, node_id: str, machine_network: int) -> None:
    """One end of the link here, the other in the machine's network; both are there at once."""
    with Netlink() as netlink:
        links = netlink.links()
        if MACHINE not in links:
            mac = b"\x02" + bytes.fromhex(node_id.replace("-", "")[:10])
            netlink.add_pair(MACHINE, machine_link(node_id), machine_network, mac)
            links = netlink.links()
        index = links[MACHINE]
        netlink.configure(index, FORWARDS)
        # Both ends have one hardware address and ask for none: whatever is sent arrives at the other.
        netlink.set_up(index, IFF_NOARP, _NO_IPV6)
        netlink.add_route(IPv4Network(ranges.machine), index)


def set_up_machine_end(ranges: Ranges, node_id: str) -> None:
    """In the machine's network: the link's end, its address, and with it the one route."""
    with Netlink() as netlink:
        index = netlink.links()[machine_link(node_id)]
        netlink.set_up(index, IFF_NOARP, _NO_IPV6)
        netlink.add_address(index, ranges.machine, ranges.block.prefixlen)


def remove_machine_end(node_id: str) -> None:
    with suppress(OSError), Netlink() as netlink:
        index = netlink.links().get(machine_link(node_id))
        if index is not None:
            netlink.delete_link(index)


def set_up_tap(ranges: Ranges) -> None:
    with Netlink() as netlink:
        index = netlink.links()[TAP]
        netlink.configure(index, FORWARDS)
        netlink.set_up(index, 0, number(IFLA_MTU, MTU) + _NO_IPV6)
        netlink.add_address(index, ranges.egress, ranges.link.prefixlen)
        netlink.add_route(EVERYTHING, index, ranges.host)


class Pods:
    """The namespaces of pods by address. The calling thread leaves the router's namespace for a moment."""

    def __init__(self, ranges: Ranges, router_network: int) -> None:
        self._ranges = ranges
        self._router_network = router_network
        self.networks: dict[str, int] = {}

    def add(self, address: str) -> int:
        """The pod's namespace, made if it is not there."""
        if address not in self.networks:
            self._drop_link(address)
            with Netlink() as netlink:
                network = self._elsewhere(lambda: self._make(address, netlink))
            self.networks[address] = network
        return self.networks[address]

    def adopt(self, address: str, network: int) -> None:
        """Goes on with a namespace that somebody kept. LookupError when its link is gone."""
        with Netlink() as netlink:
            if self._link(address) not in netlink.links():
                raise LookupError(f"the network of {address} has lost its link")
        before = self.networks.pop(address, None)
        if before is not None:
            os.close(before)
        self.networks[address] = network

    def remove(self, address: str) -> None:
        network = self.networks.pop(address, None)
        if network is not None:
            os.close(network)
        self._drop_link(address)

    def keep(self, addresses: set[str]) -> None:
        """Removes all others: those of pods that ended while nobody looked."""
        with Netlink() as netlink:
            names = [name for name in netlink.links() if name.startswith(POD)]
        first = int(self._ranges.pods.network_address)
        linked = {str(IPv4Address(first + int(name.removeprefix(POD)))) for name in names}
        for address in (linked | self.networks.keys()) - addresses:
            self.remove(address)

    def living(self) -> list[str]:
        """The addresses whose namespaces are held here."""
        return sorted(self.networks)

    def _link(self, address: str) -> str:
        return f"{POD}{int(IPv4Address(address)) - int(self._ranges.pods.network_address)}"

    def _drop_link(self, address: str) -> None:
        try:
            index = socket.if_nametoindex(self._link(address))
        except OSError:
            return
        with Netlink() as netlink:
            netlink.delete_link(index)

    def _elsewhere(self, work: Callable[[], int]) -> int:
        """Does `work` in a namespace that it makes for itself, and comes back."""
        try:
            kernel.unshare(kernel.NEWNET, "make a network namespace")
            return work()
        finally:
            kernel.join(self._router_network, kernel.NEWNET)

    def _make(self, address: str, router: Netlink) -> int:
        network = kernel.own_network()
        try:
            kernel.allow_low_ports()
            name, gateway = self._link(address), self._ranges.gateway
            router.add_pair(name, "eth0", network)
            index = router.links()[name]
            router.configure(index, FORWARDS)
            router.set_up(index, 0, _NO_IPV6)
            router.add_address(index, gateway)
            with Netlink() as inside:
                links = inside.links()
                inside.set_up(links["lo"])
                inside.add_address(links["eth0"], IPv4Address(address))
                inside.set_up(links["eth0"], 0, _NO_IPV6)
                inside.add_route(IPv4Network(gateway), links["eth0"])
                inside.add_route(EVERYTHING, links["eth0"], gateway)
            router.add_route(IPv4Network(address), index)
        except BaseException:
            os.close(network)
            raise
        return network
