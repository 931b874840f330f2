"""What is refused of Endpoints and EndpointSlices that somebody writes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation.rules import (
    PROTOCOLS,
    Problems,
    label_name,
    one_of,
    port,
    required,
    wrong,
)
from tidegate.local.objects import Object

ENDPOINTS, SLICES = "endpoints", "endpointslices.discovery.k8s.io"
MOST_ADDRESSES = 100
_NOT_AN_ADDRESS = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
_LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
_LINK_LOCAL = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"
_MULTICAST = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
_SPECIAL = {
    ipaddress.ip_network("169.254.0.0/16"): _LINK_LOCAL,
    ipaddress.ip_network("fe80::/10"): _LINK_LOCAL,
    ipaddress.ip_network("224.0.0.0/24"): _MULTICAST,
    ipaddress.ip_network("ff02::/16"): _MULTICAST,
}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def special_addresses(
    key: str, body: Object, is_allowed: Callable[[Address], bool], hint: str
) -> Iterator[Problem]:
    """Endpoints that would lead to whoever forwards, as Kubernetes refuses them.

    `is_allowed` says which are pods of this cluster all the same, `hint` what leads to this machine.
    """
    for where, text in _addresses(key, body):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        if is_allowed(address):
            continue
        if address.is_unspecified:
            yield wrong(
                where,
                text,
                "may not be unspecified (0.0.0.0)" if address.version == 4 else "may not be unspecified (::)",
            )
        if address.is_loopback:
            yield wrong(where, text, f"{_LOOPBACK}{hint}")
        for network, why in _SPECIAL.items():
            if address in network:
                yield wrong(where, text, why)


def _addresses(key: str, body: Object) -> Iterator[tuple[str, str]]:
    if key == ENDPOINTS:
        for number, subset in enumerate(body.get("subsets") or ()):
            for field in ("addresses", "notReadyAddresses"):
                for index, address in enumerate(subset.get(field) or ()):
                    yield f"subsets[{number}].{field}[{index}].ip", str(address.get("ip", ""))
    elif body.get("addressType") != "FQDN":
        for number, endpoint in enumerate(body.get("endpoints") or ()):
            for index, address in enumerate(endpoint.get("addresses") or ()):
                yield f"endpoints[{number}].addresses[{index}]", str(address)


def endpoints_problems(body: Object) -> Problems:
    for number, subset in enumerate(body.get("subsets") or ()):
        where = f"subsets[{number}]"
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            yield required(where, "must specify `addresses` or `notReadyAddresses`")
        yield from _ports(f"{where}.ports", subset.get("ports") or (), needs_number=True)
    for where, text in _addresses(ENDPOINTS, body):
        if _family(text) is None:
            yield wrong(where, text, _NOT_AN_ADDRESS)


def slice_problems(body: Object) -> Problems:
    kind = body.get("addressType")
    if not kind:
        yield required("addressType", "")
    yield from one_of("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    for number, endpoint in enumerate(body.get("endpoints") or ()):
        listed = endpoint.get("addresses") or ()
        if not listed:
            yield required(f"endpoints[{number}].addresses", "must contain at least 1 address")
        if len(listed) > MOST_ADDRESSES:
            yield wrong(
                f"endpoints[{number}].addresses", len(listed), f"must have at most {MOST_ADDRESSES} items"
            )
    if kind in ("IPv4", "IPv6"):
        for where, text in _addresses(SLICES, body):
            family = _family(text)
            if family != kind:
                yield wrong(where, text, f"must be an {kind} address" if family else _NOT_AN_ADDRESS)
    yield from _ports("ports", body.get("ports") or (), needs_number=False)


def _ports(where: str, listed: Any, *, needs_number: bool) -> Problems:
    for index, one in enumerate(listed):
        if needs_number or one.get("port") is not None:
            yield from port(f"{where}[{index}].port", one.get("port"))
        yield from one_of(f"{where}[{index}].protocol", one.get("protocol"), PROTOCOLS)
        if (len(listed) > 1 and needs_number) or one.get("name"):
            yield from label_name(f"{where}[{index}].name", one.get("name"))


def _family(text: str) -> str | None:
    try:
        return f"IPv{ipaddress.ip_address(text).version}"
    except ValueError:
        return None
