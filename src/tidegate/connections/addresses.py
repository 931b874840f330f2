"""Which addresses may be dialled: whoever writes a manifest is not the administrator of the autoscaler.

On a cluster the autoscaler reaches more than its users do: its own loopback, the metadata service that
hands out its machine's credentials. A name is checked by what it resolves to, at the moment it is dialled.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.connections.lookups import addresses_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Metadata services beside the link-local ones: Amazon's on IPv6, Alibaba's, Oracle's, Azure's wire server.
_METADATA = tuple(
    ipaddress.ip_network(one)
    for one in ("fd00:ec2::/32", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Refused(OSError):
    """An address that the policy does not let us dial. An OSError, so that it passes through clients."""

    def __init__(self, address: str, reason: str) -> None:
        self.address = address
        self.reason = reason
        super().__init__(f"{address} is {reason}")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`is_open`: everything may be dialled, as on one's own machine. Otherwise loopback, link-local,
    metadata and unspecified addresses may not, unless one of the `allowed` networks has them."""

    is_open: bool = False
    allowed: tuple[Network, ...] = ()

    @classmethod
    def on_a_cluster(cls, allowed: Iterable[str] = ()) -> AddressPolicy:
        """`allowed` as `--allow-address` takes them: addresses or networks. ValueError for what is none."""
        return cls(allowed=tuple(ipaddress.ip_network(one.strip(), strict=False) for one in allowed))

    def check(self, address: str) -> None:
        """`address` as it would be dialled. Refused where it may not be."""
        if self.is_open:
            return
        try:
            read = ipaddress.ip_address(address.partition("%")[0])
        except ValueError as error:
            raise Refused(address, "no address that can be checked") from error
        for one in (read, *_inside(read)):
            reason = _reason(one)
            if reason and not any(one in network or read in network for network in self.allowed):
                raise Refused(address, reason)


ANYWHERE = AddressPolicy(is_open=True)


class Dialling(Protocol):
    """What dialling needs of an adapter's surroundings."""

    @property
    def resolve(self) -> Callable[[str], str]: ...

    @property
    def policy(self) -> AddressPolicy: ...


async def dialable(surroundings: Dialling, host: str, port: int) -> tuple[str, ...]:
    """What to dial for `host`: what `resolve` makes of it, and its addresses where they must be checked.

    With a policy they are all addresses that the name has and that may be dialled, so that nobody resolves
    it again. Unreachable where it has none, Misconfigured where none may be dialled.
    """
    named = surroundings.resolve(host)
    if surroundings.policy.is_open:
        return (named,)
    try:
        addresses = await addresses_of(named)
    except OSError as error:
        raise Unreachable(
            "find the address", on=host, answer="its name does not resolve", next_step="check the host's name"
        ) from error
    return permitted(surroundings.policy, host, addresses)


def permitted(policy: AddressPolicy, host: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of `addresses` that may be dialled. Misconfigured where there is none."""
    kept, refused = [], None
    for address in addresses:
        try:
            policy.check(address)
        except Refused as error:
            refused = refused or error
        else:
            kept.append(address)
    if not kept and refused is not None:
        raise misconfigured(host, refused)
    return tuple(kept)


def misconfigured(host: str, refused: Refused) -> Misconfigured:
    """The refusal for people."""
    where = refused.address if refused.address == host else f"{host} ({refused.address})"
    return Misconfigured(
        "connect",
        on=where,
        answer=f"the address is {refused.reason}, which triggers may not ask",
        next_step="an administrator can allow it with --allow-address",
    )


def _inside(address: Address) -> Iterable[Address]:
    """IPv4 addresses that an IPv6 address stands for: where it leads in the end."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            yield address.ipv4_mapped
        if address.sixtofour is not None:
            yield address.sixtofour
        if address in _NAT64 or int(address) >> 32 == 0:
            yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _reason(address: Address) -> str:
    if address.is_loopback:
        return "the autoscaler's own loopback"
    if address.is_unspecified or (address.version == 4 and address in _THIS):
        return "unspecified"
    if address.is_link_local:
        return "link-local, as metadata services are"
    if address.is_multicast:
        return "multicast"
    if any(address in network for network in _METADATA):
        return "that of a metadata service"
    return ""


_THIS = ipaddress.ip_network("0.0.0.0/8")
