"""Addresses of Services: each its own in the range; the user's 127.0.0.1 is for node ports alone."""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.base.problems import Problem
from tidegate.local.apiserver.storage.stored_object import Place
from tidegate.local.apiserver.validation.rules import wrong
from tidegate.local.objects import Object

# Where pods share the machine's network: all of the cluster, and the part that is for Services.
ON_MACHINE = ipaddress.IPv4Network("127.64.0.0/10")
LOOPBACK = ipaddress.IPv4Network("127.64.0.0/11")
HEADLESS = "None"
API = ("default", "kubernetes")
"""The Service by which programs in pods reach the API."""


@dataclass(frozen=True, slots=True)
class ServiceNetwork:
    """Which addresses Services have; by default those of the machine's loopback that are for them.

    `api` is that of the Service `kubernetes`; None gives it one like any other, so that two clusters on
    one machine's loopback never answer for each other. `reserved` are nobody's, and the first `kept` of the
    range are given only to Services that ask for them.
    """

    range: ipaddress.IPv4Network = LOOPBACK
    api: ipaddress.IPv4Address | None = None
    reserved: frozenset[ipaddress.IPv4Address] = frozenset()
    kept: int = 0


ON_LOOPBACK = ServiceNetwork()


class Addresses:
    """Which Service has which address.

    An address is the same for the same name in the same installation, where it is free: `installation`
    keeps equal Services of two installations on one machine apart. `find` is the newest state of a
    Service, None without one: an address is held by who has it there, so that a write that was refused,
    or only tried, holds nothing.
    """

    def __init__(
        self, installation: str, network: ServiceNetwork, find: Callable[[Place], Object | None]
    ) -> None:
        self._installation = installation
        self._network = network
        self._find = find
        self._holders: dict[int, Place] = {}

    def note(self, place: Place, body: Object) -> None:
        """A stored Service keeps what it has."""
        number = self._number((body.get("spec") or {}).get("clusterIP"))
        if number is not None:
            self._holders[number] = place

    def is_foreign(self, place: Place, body: Object) -> bool:
        """Whether a stored Service has an address that it cannot have (any more)."""
        address = (body.get("spec") or {}).get("clusterIP")
        if not address or address == HEADLESS:
            return False
        api = self._network.api
        if place == API and api is not None and address != str(api):
            return True
        number = self._number(address)
        return number is None or self._is_taken(number, place)

    def assign(self, place: Place, body: Object, old: Object | None) -> list[Problem]:
        """Gives the Service its address, or keeps the one it has; problems with one asked for."""
        spec = body["spec"]
        if spec.get("type") == "ExternalName":
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
            return []
        if not spec.get("clusterIP") and old is not None:
            spec["clusterIP"] = (old.get("spec") or {}).get("clusterIP", "")
        if not spec.get("clusterIP") and (free := self._free(place)):
            spec["clusterIP"] = str(ipaddress.IPv4Address(free))
        asked = spec.get("clusterIP") or ""
        spec["clusterIPs"] = [asked]
        if asked == HEADLESS:
            return []
        number = self._number(asked)
        if number is None or self._is_taken(number, place):
            return [wrong("spec.clusterIPs", [asked], self._refusal(asked, number))]
        self._holders[number] = place
        return []

    def _refusal(self, asked: str, number: int | None) -> str:
        """In Kubernetes' words."""
        if not asked:
            return "failed to allocate a serviceIP: range is full"
        if number is not None:
            return f"failed to allocate IP {asked}: provided IP is already allocated"
        return (
            f"failed to allocate IP {asked}: the provided IP ({asked}) is not in the valid range. "
            f"The range of valid IPs is {self._network.range}"
        )

    def _is_taken(self, number: int, place: Place) -> bool:
        address = ipaddress.IPv4Address(number)
        if address == self._network.api:
            return place != API
        if address in self._network.reserved:
            return True
        holder = self._holders.get(number)
        if holder is None or holder == place:
            return False
        found = self._find(holder)
        return found is not None and self._number((found.get("spec") or {}).get("clusterIP")) == number

    def _free(self, place: Place) -> int:
        """A free address of the range as a number, 0 when there is none."""
        if place == API and self._network.api is not None:
            return int(self._network.api)
        kept = self._network.kept
        base, size = int(self._network.range[kept]), self._network.range.num_addresses - kept
        start = zlib.crc32("/".join((self._installation, *place)).encode()) % size
        for step in range(size):
            number = base + (start + step) % size
            if number & 0xFF not in (0, 0xFF) and not self._is_taken(number, place):
                return number
        return 0

    def _number(self, text: str | None) -> int | None:
        """The address as a number when it is one of the range."""
        try:
            address = ipaddress.IPv4Address(text or "")
        except ValueError:
            return None
        return int(address) if address in self._network.range else None
