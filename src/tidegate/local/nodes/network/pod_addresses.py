"""Addresses of pods: one of the network's range each, and who holds which."""

from __future__ import annotations

import zlib
from ipaddress import IPv4Address, IPv4Network

from tidegate.local.nodes.network.ranges import RESERVED, SHARED_PODS


class Addresses:
    """Who holds which address of `pods`, whose first few are kept for the network itself.

    The pods' status is the lasting copy.
    """

    def __init__(self, pods: IPv4Network = SHARED_PODS) -> None:
        self._pods = pods
        self._holder: dict[str, str] = {}
        self._address: dict[str, str] = {}

    def keep(self, uid: str, address: str) -> bool:
        """Notes an address that a pod already has; False if another has it, or it is none of ours."""
        if not address or IPv4Address(address) not in self._pods:
            return False
        if self._holder.setdefault(address, uid) != uid:
            return False
        self._address[uid] = address
        return True

    def take(self, uid: str) -> str:
        """A free address; the same one for the same uid while nobody else took it."""
        size = self._pods.num_addresses - RESERVED - 1
        start = zlib.crc32(uid.encode()) % size
        for step in range(size):
            address = self._pods[RESERVED + (start + step) % size]
            # Some programs take these two for a network and its broadcast.
            if int(address) & 0xFF not in (0, 0xFF) and self.keep(uid, str(address)):
                return str(address)
        raise OverflowError("every pod address is taken")

    def held(self) -> dict[str, str]:
        """Address by uid."""
        return dict(self._address)

    def release(self, uid: str) -> None:
        """Frees the address of a pod that ended; safe twice."""
        address = self._address.pop(uid, "")
        if self._holder.get(address) == uid:
            del self._holder[address]
