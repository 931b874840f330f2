"""Addresses of pods: one of 127.96.0.0/11 each, which Linux answers on the loopback device.

The other half of 127.64.0.0/10, 127.64.0.0/11, is for Services.
"""

from __future__ import annotations

import ipaddress
import zlib

LOCAL_RANGE = ipaddress.ip_network("127.64.0.0/10")
POD_RANGE = ipaddress.ip_network("127.96.0.0/11")


def is_local(text: str) -> bool:
    """Whether the address is one of a local cluster's pods or Services."""
    try:
        return ipaddress.ip_address(text) in LOCAL_RANGE
    except ValueError:
        return False


class Addresses:
    """Who holds which address. The pods' status is the lasting copy."""

    def __init__(self) -> None:
        self._holder: dict[str, str] = {}
        self._address: dict[str, str] = {}

    def keep(self, uid: str, address: str) -> bool:
        """Notes an address that a pod already has; False if a living pod holds it."""
        if not address or self._holder.setdefault(address, uid) != uid:
            return False
        self._address[uid] = address
        return True

    def take(self, uid: str) -> str:
        """A free address; the same one for the same uid while nobody else took it."""
        size = POD_RANGE.num_addresses - 2
        start = zlib.crc32(uid.encode()) % size
        for step in range(size):
            address = str(POD_RANGE[1 + (start + step) % size])
            if self.keep(uid, address):
                return address
        raise OverflowError("every pod address is taken")

    def release(self, uid: str) -> None:
        """Frees the address of a pod that ended; safe twice."""
        address = self._address.pop(uid, "")
        if self._holder.get(address) == uid:
            del self._holder[address]
