"""Which addresses pods and Services have, and the choice of a block that the machine does not use. Pure.

A block is a /16. Its lower half is for pods, its upper half for Services:

    x.y.0.1      gateway   the router, as pods and the machine see it
    x.y.0.2      machine   the machine's end of the one link to the router (where the server runs as root)
    x.y.0.130    host      what the egress tool answers for the machine's own loopback
    x.y.0.228    egress    the router's end of the egress tool's link
    x.y.1.0 …              pods
    x.y.128.1    api       the Service `kubernetes` of namespace default
    x.y.128.10   dns       the cluster's resolver
    x.y.129.0 …            Services
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

BLOCK_PREFIX = 16
RESERVED = 256
# A route wider than this is some form of default route: it says nothing about what is in use.
WIDEST_PREFIX = 7

SHARED = IPv4Network("127.64.0.0/10")
SHARED_SERVICES = IPv4Network("127.64.0.0/11")
SHARED_PODS = IPv4Network("127.96.0.0/11")


@dataclass(frozen=True, slots=True)
class Ranges:
    """The addresses of one local cluster whose pods have networks of their own."""

    pods: IPv4Network
    services: IPv4Network
    gateway: IPv4Address
    dns: IPv4Address

    @classmethod
    def of(cls, block: IPv4Network) -> Ranges:
        pods, services = block.subnets(1)
        return cls(pods, services, pods[1], services[10])

    @property
    def block(self) -> IPv4Network:
        return self.pods.supernet(1)

    @property
    def machine(self) -> IPv4Address:
        return self.pods[2]

    @property
    def link(self) -> IPv4Network:
        """Between the router and the egress tool. slirp4netns takes no network smaller than a /25."""
        return IPv4Network((int(self.pods.network_address) + 128, 25))

    @property
    def host(self) -> IPv4Address:
        return self.link[2]

    @property
    def egress(self) -> IPv4Address:
        return self.link[100]

    @property
    def api(self) -> IPv4Address:
        return self.services[1]


def _candidates() -> tuple[IPv4Network, ...]:
    """Private ranges that home routers, clouds, container engines and clusters seldom choose, then others."""
    firsts = [f"10.{number}.0.0" for number in (203, 213, 223, 193, 183, 173, 143)]
    firsts += [f"172.{number}.0.0" for number in (29, 30, 27, 26)]
    # For measurements between networks (RFC 2544), and for providers' own use (RFC 6598).
    firsts += ["198.18.0.0", "198.19.0.0", "100.99.0.0", "100.101.0.0"]
    # Enough for many installations side by side.
    firsts += [first for number in range(130, 250) if (first := f"10.{number}.0.0") not in firsts]
    return tuple(IPv4Network((first, BLOCK_PREFIX)) for first in firsts)


CANDIDATES = _candidates()


def is_free(block: IPv4Network, taken: Iterable[IPv4Network]) -> bool:
    """Whether nothing of the machine's (addresses and routes as networks, name servers) is in the block."""
    return not any(one.prefixlen > WIDEST_PREFIX and one.overlaps(block) for one in taken)


def choose(
    taken: Iterable[IPv4Network],
    kept: IPv4Network | None = None,
    candidates: Sequence[IPv4Network] = CANDIDATES,
) -> IPv4Network | None:
    """The block that was kept if it is still free, else the first free candidate; None where none is."""
    taken = list(taken)
    before = (kept,) if kept is not None else ()
    return next((block for block in (*before, *candidates) if is_free(block, taken)), None)


@dataclass(frozen=True, slots=True)
class Way:
    """By which of its own addresses programs of the machine reach those of one range of the cluster."""

    cluster: IPv4Network
    machine: IPv4Network


SHARED_WAYS = (Way(SHARED, SHARED),)


def twins(ranges: Ranges, slot: int) -> tuple[Way, ...]:
    """Ways for an ordinary user, to whom the machine gives no route: each address has a twin on loopback.

    `slot` is the installation's: two on one machine seldom share a twin.
    """
    found = []
    for own, loopback in ((ranges.services, SHARED_SERVICES), (ranges.pods, SHARED_PODS)):
        places = 1 << (own.prefixlen - loopback.prefixlen)
        first = int(loopback.network_address) + (slot % places) * own.num_addresses
        found.append(Way(own, IPv4Network((first, own.prefixlen))))
    return tuple(found)


def by_way(address: str, ways: Iterable[Way]) -> str | None:
    """The machine's address for one of the cluster's; None when no way leads there."""
    try:
        number = IPv4Address(address)
    except ValueError:
        return None
    for way in ways:
        if number in way.cluster:
            offset = int(number) - int(way.cluster.network_address)
            return str(way.machine[offset])
    return None
