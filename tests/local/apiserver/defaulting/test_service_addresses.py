"""Addresses of Services: from a range that may change between two starts, each one Service's."""

from __future__ import annotations

import logging
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tidegate.kube.resource import NAMESPACES, SERVICES, ApiError
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.defaulting.service_addresses import ServiceNetwork

RANGE = IPv4Network("10.203.128.0/17")
OWN = ServiceNetwork(RANGE, IPv4Address("10.203.128.1"), frozenset([IPv4Address("10.203.128.10")]), 256)
NOT_VALID = "is not in the valid range. The range of valid IPs is 10.203.128.0/17"


def service(name: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "spec": {"ports": [{"port": 80}], **spec}}


async def made(plane: Plane, name: str, **spec: Any) -> str:
    return str((await plane.objects.create(SERVICES, service(name, **spec)))["spec"].get("clusterIP", ""))


@pytest.fixture
async def own(tmp_path: Path, clock: Any) -> Any:
    plane = await open_plane(tmp_path, clock, services=OWN)
    yield plane
    await plane.close()


async def test_services_get_addresses_of_the_range_that_are_kept_for_nobody(own: Plane) -> None:
    found = [await made(own, f"s{number}") for number in range(100)]
    assert len(set(found)) == 100
    assert all(IPv4Address(one) >= RANGE[256] and IPv4Address(one) in RANGE for one in found)
    assert await made(own, "kubernetes") == "10.203.128.1"


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("10.203.128.7", ""),
        ("10.203.200.7", ""),
        ("None", ""),
        ("10.203.128.10", "failed to allocate IP 10.203.128.10: provided IP is already allocated"),
        ("10.203.128.1", "failed to allocate IP 10.203.128.1: provided IP is already allocated"),
        ("10.203.127.255", f"the provided IP (10.203.127.255) {NOT_VALID}"),
        ("127.64.0.1", f"the provided IP (127.64.0.1) {NOT_VALID}"),
    ],
)
async def test_an_address_asked_for_is_given_when_it_is_there_to_give(
    own: Plane, asked: str, why: str
) -> None:
    if not why:
        assert await made(own, "s", clusterIP=asked) == asked
        return
    with pytest.raises(ApiError) as refused:
        await made(own, "s", clusterIP=asked)
    assert refused.value.code == 422
    assert why in refused.value.message
    assert [cause["field"] for cause in refused.value.details["causes"]] == ["spec.clusterIPs"]


async def test_a_write_that_was_refused_holds_no_address(own: Plane) -> None:
    with pytest.raises(ApiError):
        await made(own, "bad", clusterIP="10.203.129.9", sessionAffinity="Sometimes")
    assert await made(own, "s", clusterIP="10.203.129.9") == "10.203.129.9"
    with pytest.raises(ApiError, match="already allocated"):
        await made(own, "t", clusterIP="10.203.129.9")
    await own.objects.delete(SERVICES, "default", "s")
    assert await made(own, "t", clusterIP="10.203.129.9") == "10.203.129.9"


async def test_a_full_range_is_told(tmp_path: Path, clock: Any) -> None:
    plane = await open_plane(tmp_path, clock, services=ServiceNetwork(IPv4Network("10.203.128.0/30")))
    assert {await made(plane, name) for name in "abc"} == {f"10.203.128.{n}" for n in (1, 2, 3)}
    with pytest.raises(ApiError, match="range is full"):
        await made(plane, "d")
    await plane.close()


async def test_another_network_gives_every_service_a_new_address_before_anybody_reads_it(
    tmp_path: Path, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    plane = await open_plane(tmp_path, clock)
    await plane.objects.create(NAMESPACES, {"metadata": {"name": "shop"}})
    await plane.objects.create(SERVICES, service("a", "shop"))
    for name, spec in (
        ("a", {}),
        ("kubernetes", {}),
        ("headless", {"clusterIP": "None"}),
        ("outside", {"type": "ExternalName", "externalName": "example.org"}),
    ):
        await made(plane, name, **spec)
    await plane.close()
    with caplog.at_level(logging.INFO):
        plane = await open_plane(tmp_path, clock, services=OWN)
    found = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["spec"]
        for one in plane.objects.list(SERVICES)
    }
    moved = [found["default", "a"], found["shop", "a"], found["default", "kubernetes"]]
    assert all(IPv4Address(one["clusterIP"]) in RANGE for one in moved)
    assert all(one["clusterIPs"] == [one["clusterIP"]] for one in moved)
    assert moved[2]["clusterIP"] == "10.203.128.1"
    assert found["default", "headless"]["clusterIP"] == "None"
    assert "clusterIP" not in found["default", "outside"]
    told = [record for record in caplog.records if "new addresses" in record.message]
    assert [record.count for record in told] == [3]  # type: ignore[attr-defined]
    await plane.close()
    # The same network again changes nothing, and says nothing.
    caplog.clear()
    plane = await open_plane(tmp_path, clock, services=OWN)
    assert {one["spec"].get("clusterIP") for one in plane.objects.list(SERVICES)} == {
        one.get("clusterIP") for one in found.values()
    }
    assert not caplog.records
    await plane.close()
