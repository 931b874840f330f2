"""Links, addresses and routes: the few messages of rtnetlink that a router needs.

A `Netlink` speaks to the network namespace in which it was made, wherever its thread goes afterwards.
Source: rtnetlink(7), linux/rtnetlink.h, linux/if_link.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from types import TracebackType

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, GETADDR = 20, 22
NEWROUTE, GETROUTE = 24, 26
REQUEST, ACK, DUMP = 1, 4, 0x300
CREATE, EXCLUSIVE, REPLACE = 0x400, 0x200, 0x100
ERROR, DONE = 2, 3
LINKS_GROUP = 1
IFF_UP, IFF_NOARP = 1, 1 << 7
# linux/if_link.h
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINKINFO, IFLA_AF_SPEC, IFLA_NET_NS_FD = 1, 3, 4, 18, 26, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER, IFLA_INET_CONF, IFLA_INET6_ADDR_GEN_MODE = 1, 2, 1, 1, 8
# linux/ip.h, IPV4_DEVCONF_…: settings of one link, which need no writable /proc/sys
FORWARDING, SEND_REDIRECTS, RP_FILTER = 1, 6, 8
IFA_ADDRESS, IFA_LOCAL = 1, 2
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PREFSRC = 1, 4, 5, 7
MAIN_TABLE, LOCAL_TABLE, KERNEL, STATIC, UNICAST, UNIVERSE, LINK_SCOPE = 254, 255, 2, 4, 1, 0, 253
NESTED = 0x8000
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ADDRESS = struct.Struct("=BBBBI")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(parts))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    while len(body) >= 4:
        size, kind = struct.unpack_from("=HH", body)
        if size < 4:
            return
        yield kind & 0x3FFF, body[4:size]
        body = body[(size + 3) & ~3 :]


class Netlink:
    def __init__(self, groups: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(5)
        self._socket.bind((0, groups))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def drain(self) -> None:
        """Takes what a group has told; what it was is looked up by whoever was woken."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(1 << 16):
                pass
        except OSError:
            return

    def ask(self, kind: int, flags: int, body: bytes, doing: str) -> list[tuple[int, bytes]]:
        """What the kernel answers; OSError with `doing` when it refuses."""
        self._sequence += 1
        header = _HEADER.pack(_HEADER.size + len(body), kind, REQUEST | flags, self._sequence, 0)
        self._socket.send(header + body)
        found: list[tuple[int, bytes]] = []
        while True:
            left = self._socket.recv(1 << 20)
            while len(left) >= _HEADER.size:
                size, answer, _, sequence, _ = _HEADER.unpack_from(left)
                part, left = left[_HEADER.size : size], left[(size + 3) & ~3 :]
                if sequence != self._sequence:
                    continue
                if answer == DONE:
                    return found
                if answer == ERROR:
                    (code,) = struct.unpack_from("=i", part)
                    if code == 0:
                        return found
                    raise OSError(-code, f"{doing}: {os.strerror(-code)}")
                found.append((answer, part))

    def add_link(self, kind: str, name: str, more: bytes = b"") -> None:
        """`more` is what follows the kind in IFLA_INFO_DATA."""
        parts = [text(IFLA_INFO_KIND, kind)]
        if more:
            parts.append(nested(IFLA_INFO_DATA, more))
        body = _LINK.pack(0, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + nested(IFLA_LINKINFO, *parts)
        self.ask(NEWLINK, ACK | CREATE | EXCLUSIVE, body, f"make the link {name}")

    def add_pair(self, name: str, peer: str, namespace: int, mac: bytes = b"") -> None:
        """A veth pair with `peer` in another namespace; both ends have the address `mac`, if one is given."""
        own = attribute(IFLA_ADDRESS, mac) if mac else b""
        other = _LINK.pack(0, 0, 0, 0, 0) + text(IFLA_IFNAME, peer) + number(IFLA_NET_NS_FD, namespace) + own
        info = nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, other))
        body = _LINK.pack(0, 0, 0, 0, 0) + text(IFLA_IFNAME, name) + own
        body += nested(IFLA_LINKINFO, text(IFLA_INFO_KIND, "veth"), info)
        self.ask(NEWLINK, ACK | CREATE | EXCLUSIVE, body, f"make the link {name}")

    def set_up(self, index: int, flags: int = 0, more: bytes = b"") -> None:
        if more:  # before it is up: then it has no addresses of its own making yet
            self.ask(NEWLINK, ACK, _LINK.pack(0, 0, index, 0, 0) + more, "configure a link")
        body = _LINK.pack(0, 0, index, IFF_UP | flags, IFF_UP | flags)
        self.ask(NEWLINK, ACK, body, "bring a link up")

    def configure(self, index: int, settings: dict[int, int]) -> None:
        """Settings of net.ipv4.conf.<link>."""
        inner = b"".join(number(kind, value) for kind, value in settings.items())
        spec = nested(IFLA_AF_SPEC, nested(socket.AF_INET, nested(IFLA_INET_CONF, inner)))
        self.ask(NEWLINK, ACK, _LINK.pack(0, 0, index, 0, 0) + spec, "configure a link")

    def delete_link(self, index: int) -> None:
        self.ask(DELLINK, ACK, _LINK.pack(0, 0, index, 0, 0), "delete a link")

    def links(self) -> dict[str, int]:
        """The index of each link by name."""
        found = {}
        for kind, body in self.ask(GETLINK, DUMP, _LINK.pack(0, 0, 0, 0, 0), "list links"):
            if kind == NEWLINK:
                index = _LINK.unpack_from(body)[2]
                names = [value for which, value in attributes(body[_LINK.size :]) if which == IFLA_IFNAME]
                found[names[0].rstrip(b"\0").decode()] = index
        return found

    def add_address(self, index: int, address: IPv4Address, prefix: int = 32) -> None:
        packed = address.packed
        body = _ADDRESS.pack(socket.AF_INET, prefix, 0, UNIVERSE, index)
        body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
        self.ask(NEWADDR, ACK | CREATE | REPLACE, body, f"give a link the address {address}")

    def add_route(self, to: IPv4Network, index: int, via: IPv4Address | None = None) -> None:
        scope = LINK_SCOPE if via is None else UNIVERSE
        body = _ROUTE.pack(socket.AF_INET, to.prefixlen, 0, 0, MAIN_TABLE, STATIC, scope, UNICAST, 0)
        if to.prefixlen:
            body += attribute(RTA_DST, to.network_address.packed)
        body += number(RTA_OIF, index) + (attribute(RTA_GATEWAY, via.packed) if via is not None else b"")
        self.ask(NEWROUTE, ACK | CREATE | REPLACE, body, f"add a route to {to}")

    def networks(self, but: int = 0) -> list[IPv4Network]:
        """Every network that this namespace has an address in or a route to, but for those of one link."""
        found = []
        header = _ROUTE.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
        for kind, body in self.ask(GETROUTE, DUMP, header, "list routes"):
            parts = dict(attributes(body[_ROUTE.size :]))
            (index,) = struct.unpack("=I", parts.get(RTA_OIF, bytes(4)))
            if kind == NEWROUTE and RTA_DST in parts and (not but or index != but):
                found.append(IPv4Network((parts[RTA_DST], body[1])))
        header = _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0)
        for kind, body in self.ask(GETADDR, DUMP, header, "list addresses"):
            parts = dict(attributes(body[_ADDRESS.size :]))
            _, prefix, _, _, index = _ADDRESS.unpack_from(body)
            if kind == NEWADDR and IFA_ADDRESS in parts and (not but or index != but):
                found.append(IPv4Network((parts[IFA_ADDRESS], prefix), strict=False))
        return found
