"""UDP flows whose backend is gone, forgotten by the kernel, so that their next packet is sent anew.

The kernel translates by what it decided at a flow's first packet. A TCP connection ends with its pod; a
UDP client that goes on sending from one port keeps its flow alive, and with it a backend that is no more.
The few messages that this takes (nfnetlink_conntrack.h) are written here: `conntrack` is seldom installed.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from tidegate.local.nodes.network.forwards import Address, Forward, Key

_NETFILTER = 12
_DELETE, _GET = 0x0102, 0x0101
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_ERROR, _DONE = 2, 3
_ORIGINAL, _REPLY, _ID = 1, 2, 12
_IP, _PROTOCOL = 1, 2
_NESTED, _TYPE = 0x8000, 0x3FFF
_GONE = 2  # ENOENT: it ended by itself
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.pack("=BBH", socket.AF_INET, 0, 0)
_UDP = 17
_RECEIVE = 1 << 20


@dataclass(frozen=True, slots=True)
class Flow:
    """A UDP flow: where the client sent to, where it went, and the attributes that name it."""

    asked: Address
    sent: Address
    identity: bytes


def forget_stale(forwards: Mapping[Key, Forward], services: IPv4Network) -> int:
    """Forgets the flows to Services that go where they no longer lead; how many.

    Looks at the network namespace of the calling thread. OSError when the kernel refuses.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as netlink:
        netlink.settimeout(5)
        netlink.bind((0, 0))
        gone = [flow for flow in _flows(netlink) if is_stale(flow, forwards, services)]
        for flow in gone:
            _delete(netlink, flow)
    return len(gone)


def is_stale(flow: Flow, forwards: Mapping[Key, Forward], services: IPv4Network) -> bool:
    """Whether the flow was sent to what its Service does not lead to (any more)."""
    forward = forwards.get((flow.asked[0], "UDP", flow.asked[1]))
    if forward is not None:
        return flow.sent not in forward.backends
    return flow.sent != flow.asked and IPv4Address(flow.asked[0]) in services


def _flows(netlink: socket.socket) -> list[Flow]:
    """All UDP flows. A table that changed under the dump may miss some: those are new ones."""
    netlink.send(_HEADER.pack(_HEADER.size + len(_GENERIC), _GET, _REQUEST | _DUMP, 1, 0) + _GENERIC)
    found: list[Flow] = []
    while True:
        for kind, body in _messages(netlink.recv(_RECEIVE)):
            if kind == _DONE:
                return found
            if kind == _ERROR:
                _check(body)
            elif (flow := read_flow(body[len(_GENERIC) :])) is not None:
                found.append(flow)


def _delete(netlink: socket.socket, flow: Flow) -> None:
    body = _GENERIC + flow.identity
    netlink.send(_HEADER.pack(_HEADER.size + len(body), _DELETE, _REQUEST | _ACK, 2, 0) + body)
    for kind, answer in _messages(netlink.recv(_RECEIVE)):
        if kind == _ERROR:
            _check(answer)


def _check(body: bytes) -> None:
    (code,) = struct.unpack_from("=i", body)
    if code and -code != _GONE:
        raise OSError(-code, "the kernel refused to list or forget a flow")


def _messages(text: bytes) -> Iterator[tuple[int, bytes]]:
    while len(text) >= _HEADER.size:
        size, kind, *_ = _HEADER.unpack_from(text)
        if size < _HEADER.size:
            return
        yield kind, text[_HEADER.size : size]
        text = text[(size + 3) & ~3 :]


def read_flow(text: bytes) -> Flow | None:
    """The flow that a message tells of; None when it is not UDP over IPv4."""
    top = _attributes(text)
    ends = [_tuple(top[which]) for which in (_ORIGINAL, _REPLY) if which in top]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return None
    (_, asked), (sent, _) = ends[0], ends[1]
    identity = _attribute(_ORIGINAL | _NESTED, top[_ORIGINAL])
    if _ID in top:
        identity += _attribute(_ID, top[_ID])
    return Flow(asked, sent, identity)


def _tuple(text: bytes) -> tuple[Address, Address] | None:
    """Source and destination."""
    parts = _attributes(text)
    addresses, ports = _attributes(parts.get(_IP, b"")), _attributes(parts.get(_PROTOCOL, b""))
    if ports.get(1) != bytes([_UDP]) or not {1, 2} <= addresses.keys() or not {2, 3} <= ports.keys():
        return None
    found = [
        (str(IPv4Address(addresses[which])), int.from_bytes(ports[which + 1][:2], "big")) for which in (1, 2)
    ]
    return found[0], found[1]


def _attributes(text: bytes) -> dict[int, bytes]:
    found = {}
    while len(text) >= 4:
        size, kind = struct.unpack_from("=HH", text)
        if size < 4:
            break
        found[kind & _TYPE] = text[4:size]
        text = text[(size + 3) & ~3 :]
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)
