"""Addresses of Services: each has its own in 127.64.0.0/11; the user's 127.0.0.1 is for node ports alone."""

from __future__ import annotations

import ipaddress
import zlib

from tidegate.base.problems import Problem
from tidegate.local.apiserver.storage.stored_object import Place
from tidegate.local.objects import Object

NETWORK = ipaddress.IPv4Network("127.64.0.0/11")
HEADLESS = "None"


class Addresses:
    """Which Service has which address.

    An address is the same for the same name in the same installation, where it is free. `installation`
    keeps equal Services of two installations on one machine apart: they share its loopback addresses.
    """

    def __init__(self, installation: str) -> None:
        self._installation = installation
        self._holders: dict[int, Place] = {}

    def note(self, place: Place, body: Object) -> None:
        """A stored Service keeps what it has."""
        number = _number((body.get("spec") or {}).get("clusterIP"))
        if number is not None:
            self._holders[number] = place

    def forget(self, place: Place, body: Object) -> None:
        number = _number((body.get("spec") or {}).get("clusterIP"))
        if number is not None and self._holders.get(number) == place:
            del self._holders[number]

    def assign(self, place: Place, body: Object, old: Object | None) -> list[Problem]:
        """Gives the Service its address, or keeps the one it has; problems with one asked for."""
        spec = body["spec"]
        if spec.get("type") == "ExternalName":
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
            return []
        if not spec.get("clusterIP") and old is not None:
            spec["clusterIP"] = (old.get("spec") or {}).get("clusterIP", "")
        asked = spec.get("clusterIP")
        if not asked:
            asked = spec["clusterIP"] = str(ipaddress.IPv4Address(self._free(place)))
        spec["clusterIPs"] = [asked]
        if asked == HEADLESS:
            return []
        number = _number(asked)
        if number is None:
            why = f"the provided IP is not in the range of Services, {NETWORK}; leave it out to be given one"
            return [Problem("spec.clusterIP", f'Invalid value: "{asked}": {why}')]
        holder = self._holders.setdefault(number, place)
        if holder != place:
            why = f"the provided IP is already allocated to {'/'.join(holder)}"
            return [Problem("spec.clusterIP", f'Invalid value: "{asked}": {why}')]
        return []

    def _free(self, place: Place) -> int:
        base, size = int(NETWORK.network_address), NETWORK.num_addresses
        offset = zlib.crc32("/".join((self._installation, *place)).encode()) % size
        while offset & 0xFF in (0, 0xFF) or self._holders.get(base + offset, place) != place:
            offset = (offset + 1) % size
        return base + offset


def _number(text: str | None) -> int | None:
    """The address as a number when it is one of ours."""
    if not text or text == HEADLESS:
        return None
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    return int(address) if address in NETWORK else None
