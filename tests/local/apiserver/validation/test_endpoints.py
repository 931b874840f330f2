"""What is refused of Endpoints and EndpointSlices that somebody writes."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, ApiError
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.defaulting.service_addresses import ServiceNetwork

OWN, SHARED = ServiceNetwork(IPv4Network("10.203.128.0/17"), kept=256), ServiceNetwork()
PORT = {"port": 5432}


def endpoints(*addresses: str, name: str = "db", **more: Any) -> dict[str, Any]:
    subset = {"addresses": [{"ip": one} for one in addresses], "ports": [PORT]}
    return {"metadata": {"name": name, "namespace": "default"}, "subsets": [subset], **more}


def one_slice(*addresses: str, kind: str = "IPv4", **more: Any) -> dict[str, Any]:
    listed = [{"addresses": list(addresses)}]
    return {
        "metadata": {"name": "db", "namespace": "default"},
        "addressType": kind,
        "endpoints": listed,
        "ports": [PORT],
        **more,
    }


LOOPBACK = "may not be in the loopback range (127.0.0.0/8, ::1/128)"
REFUSED = f'Invalid value: "127.0.0.1": {LOOPBACK}'
LINK_LOCAL = "may not be in the link-local range (169.254.0.0/16, fe80::/10)"


@pytest.mark.parametrize(
    ("network", "resource", "body", "why"),
    [
        (OWN, ENDPOINTS, endpoints("192.0.2.7"), ""),
        (OWN, ENDPOINTS, endpoints("10.203.0.130"), ""),
        (OWN, ENDPOINTS, endpoints("127.0.0.1"), f'subsets[0].addresses[0].ip: {REFUSED}'),
        (OWN, ENDPOINTS, endpoints("127.0.0.1"), "host.tidegate.internal"),
        (OWN, ENDPOINTS, endpoints("127.96.0.1"), LOOPBACK),
        (OWN, ENDPOINTS, endpoints("127.0.0.1", name="kubernetes"), LOOPBACK),
        (OWN, ENDPOINTS, endpoints("::1"), LOOPBACK),
        (OWN, ENDPOINTS, endpoints("169.254.169.254"), LINK_LOCAL),
        (OWN, ENDPOINTS, endpoints("fe80::1"), LINK_LOCAL),
        (OWN, ENDPOINTS, endpoints("224.0.0.1"), "link-local multicast"),
        (OWN, ENDPOINTS, endpoints("0.0.0.0"), "may not be unspecified"),
        (OWN, ENDPOINTS, endpoints("db.example.org"), "must be a valid IP address"),
        (OWN, ENDPOINTS, endpoints(), "must specify `addresses` or `notReadyAddresses`"),
        (SHARED, ENDPOINTS, endpoints("127.0.0.1"), "without a Service"),
        (SHARED, ENDPOINTS, endpoints("127.96.0.1"), ""),
        (SHARED, ENDPOINTS, endpoints("127.0.0.1", name="kubernetes"), ""),
        (OWN, ENDPOINT_SLICES, one_slice("192.0.2.7"), ""),
        (OWN, ENDPOINT_SLICES, one_slice("127.0.0.1"), f"endpoints[0].addresses[0]: {REFUSED}"),
        (OWN, ENDPOINT_SLICES, one_slice("169.254.0.9"), LINK_LOCAL),
        (OWN, ENDPOINT_SLICES, one_slice("fd00::1"), "must be an IPv4 address"),
        (OWN, ENDPOINT_SLICES, one_slice("fd00::1", kind="IPv6"), ""),
        (OWN, ENDPOINT_SLICES, one_slice("db.example.org", kind="FQDN"), ""),
        (OWN, ENDPOINT_SLICES, one_slice("192.0.2.7", kind="IP"), "addressType"),
        (OWN, ENDPOINT_SLICES, one_slice(), "must contain at least 1 address"),
        (OWN, ENDPOINT_SLICES, one_slice("192.0.2.7", ports=[{"port": 0}]), "ports[0].port"),
        (OWN, ENDPOINT_SLICES, one_slice("192.0.2.7", ports=[{"name": "x"}]), ""),
    ],
)  # fmt: skip
async def test_endpoints_that_lead_back_to_whoever_forwards_are_refused(
    tmp_path: Path, clock: Any, network: ServiceNetwork, resource: Any, body: Any, why: str
) -> None:
    plane = await open_plane(tmp_path, clock, services=network)
    try:
        if not why:
            await plane.objects.create(resource, body)
            return
        with pytest.raises(ApiError) as refused:
            await plane.objects.create(resource, body)
        assert refused.value.code == 422
        assert why in refused.value.message
    finally:
        await plane.close()
