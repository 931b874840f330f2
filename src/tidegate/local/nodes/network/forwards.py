"""What a Service's ports lead to, as values: read from the Service and its EndpointSlices. Pure.

Where these values are served (by the kernel in a router of our own, by listeners on the shared network)
is not known here; both are given the same ones.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PROTOCOLS = ("TCP", "UDP", "SCTP")
HEADLESS = "None"
AFFINITY_S, LONGEST_AFFINITY_S = 10_800, 86_400
HIGHEST_PORT = 65_535
Address = tuple[str, int]
Key = tuple[str, str, int]
"""Address, protocol and port at which clients ask."""


@dataclass(frozen=True, slots=True)
class Forward:
    """One door of a Service: new connections go to one of `backends`, each as often as another.

    Without backends it is refused at once. `affinity_s` keeps a client with its backend until it has been
    silent for so many seconds; 0 does not.
    """

    address: str
    protocol: str
    port: int
    backends: tuple[Address, ...] = ()
    affinity_s: int = 0

    @property
    def key(self) -> Key:
        return self.address, self.protocol, self.port


def forwards_of(service: Mapping[str, Any], slices: Sequence[Mapping[str, Any]]) -> tuple[Forward, ...]:
    """A Service's doors at its own address; none when it has none (headless, ExternalName)."""
    spec = service["spec"]
    address = spec.get("clusterIP") or ""
    if not is_address(address) or spec.get("type") == "ExternalName":
        return ()
    affinity_s = _affinity_s(spec)
    return tuple(
        Forward(address, protocol, int(port["port"]), backends_of(port, slices), affinity_s)
        for port in spec.get("ports") or ()
        if (protocol := port.get("protocol") or "TCP") in PROTOCOLS
    )


def backends_of(port: Mapping[str, Any], slices: Iterable[Mapping[str, Any]]) -> tuple[Address, ...]:
    """Where a port of a Service leads now, sorted and each once.

    That is what is ready; where nothing is, what ends and still serves, as on a cluster.
    """
    ready: set[Address] = set()
    ending: set[Address] = set()
    wanted = (port.get("name") or "", port.get("protocol") or "TCP")
    for one in slices:
        if one.get("addressType") != "IPv4":
            continue
        for offered in one.get("ports") or ():
            if (offered.get("name") or "", offered.get("protocol") or "TCP") != wanted:
                continue
            # A port without a number means all of them: the Service's own then.
            number = int(offered.get("port") or port["port"])
            if not 0 < number <= HIGHEST_PORT:
                continue
            for endpoint in one.get("endpoints") or ():
                states = endpoint.get("conditions") or {}
                found = {(address, number) for address in addresses_of(endpoint)}
                if states.get("ready") is not False:
                    ready |= found
                elif states.get("terminating") and states.get("serving") is not False:
                    ending |= found
    return tuple(sorted(ready or ending, key=_order))


def addresses_of(endpoint: Mapping[str, Any]) -> list[str]:
    """The address of an endpoint that is one; consumers take the first of several, as on a cluster."""
    return [address for address in (endpoint.get("addresses") or ())[:1] if is_address(address)]


def is_address(text: str) -> bool:
    """Whether it is an IPv4 address, as nft and the machine write it."""
    # Asked for each of perhaps a hundred thousand: `ipaddress` takes ten times as long.
    try:
        return socket.inet_ntoa(socket.inet_pton(socket.AF_INET, text)) == text
    except (OSError, ValueError):
        return False


def _order(address: Address) -> tuple[bytes, int]:
    return socket.inet_pton(socket.AF_INET, address[0]), address[1]


def _affinity_s(spec: Mapping[str, Any]) -> int:
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    asked = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    return max(1, min(int(asked or AFFINITY_S), LONGEST_AFFINITY_S))


def to_json(forwards: Iterable[Forward]) -> bytes:
    """For the file from which the router reads them."""
    listed = [
        [one.address, one.protocol, one.port, one.affinity_s, *(f"{at}:{port}" for at, port in one.backends)]
        for one in forwards
    ]
    return json.dumps({"forwards": listed}, separators=(",", ":")).encode()


def from_json(text: bytes) -> tuple[Forward, ...]:
    """What `to_json` wrote. ValueError when it is anything else: it becomes rules of the kernel."""
    try:
        return tuple(_read(*one) for one in json.loads(text)["forwards"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"not a list of forwards: {error}") from error


def _read(address: str, protocol: str, port: int, affinity_s: int, *backends: str) -> Forward:
    pairs = [one.rpartition(":") for one in backends]
    targets = tuple((at, int(number)) for at, _, number in pairs)
    found = Forward(address, protocol, int(port), targets, int(affinity_s))
    numbers = (found.port, *(number for _, number in targets))
    if (
        protocol not in PROTOCOLS
        or not all(is_address(at) for at in (address, *(at for at, _ in targets)))
        or not all(0 < number <= HIGHEST_PORT for number in numbers)
        or not 0 <= found.affinity_s <= LONGEST_AFFINITY_S
    ):
        raise ValueError(f"not a forward: {address} {protocol} {port} to {', '.join(backends)}")
    return found
