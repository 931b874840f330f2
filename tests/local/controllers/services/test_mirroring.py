"""Endpoints that somebody wrote become slices."""

from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from tidegate.local.controllers.services.mirroring import Mirroring, is_mirrored
from tidegate.local.controllers.services.services import Services
from tidegate.local.objects import Object

OF_DB = {"kubernetes.io/service-name": "db"}
SERVICE = {"metadata": {"name": "db", "namespace": "default"}, "spec": {"ports": [{"port": 5432}]}}


def team(objects, clock):
    return [Services(objects), Mirroring(objects)]


def endpoints(*subsets: Any, **metadata: Any) -> Object:
    return {"metadata": {"name": "db", "namespace": "default", **metadata}, "subsets": list(subsets)}


def subset(*addresses: str, port: int = 5432, waiting: tuple[str, ...] = ()) -> Object:
    return {
        "addresses": [{"ip": one} for one in addresses],
        "notReadyAddresses": [{"ip": one} for one in waiting],
        "ports": [{"port": port, "protocol": "TCP"}],
    }


def mirrored(world: World) -> list[tuple[str, int, list[tuple[str, bool]]]]:
    return sorted(
        (
            one["addressType"],
            one["ports"][0]["port"],
            [(found["addresses"][0], found["conditions"]["ready"]) for found in one["endpoints"]],
        )
        for one in world.objects.list(ENDPOINT_SLICES, "default", labels=OF_DB)
    )


def test_endpoints_are_mirrored_followed_and_go(live):
    async def scenario(world: World) -> None:
        await world.objects.create(ENDPOINTS, endpoints(subset("192.0.2.1", waiting=("192.0.2.2",))))
        await world.pass_s(1)
        assert mirrored(world) == [], "there is no Service yet"
        await world.objects.create(SERVICES, SERVICE)
        await world.pass_s(1)
        assert mirrored(world) == [("IPv4", 5432, [("192.0.2.1", True), ("192.0.2.2", False)])]
        two = [subset("192.0.2.1", "fd00::1"), subset("192.0.2.3", port=5433)]
        await world.objects.patch(ENDPOINTS, "default", "db", {"subsets": two})
        await world.pass_s(1)
        assert mirrored(world) == [
            ("IPv4", 5432, [("192.0.2.1", True)]),
            ("IPv4", 5433, [("192.0.2.3", True)]),
            ("IPv6", 5432, [("fd00::1", True)]),
        ]
        await world.objects.patch(ENDPOINTS, "default", "db", {"subsets": []})
        await world.pass_s(1)
        assert mirrored(world) == []
        await world.objects.patch(ENDPOINTS, "default", "db", {"subsets": two})
        await world.pass_s(1)
        await world.objects.delete(SERVICES, "default", "db")
        await world.pass_s(5)
        assert mirrored(world) == []

    live(scenario, team)


def test_a_deleted_mirror_comes_back_and_slices_of_others_are_left_alone(live):
    async def scenario(world: World) -> None:
        await world.objects.create(SERVICES, SERVICE)
        theirs = {
            "metadata": {"name": "theirs", "namespace": "default", "labels": OF_DB},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["192.0.2.9"], "conditions": {"ready": True}}],
            "ports": [{"port": 9, "protocol": "TCP", "name": ""}],
        }
        await world.objects.create(ENDPOINT_SLICES, theirs)
        await world.objects.create(ENDPOINTS, endpoints(subset("192.0.2.1")))
        await world.pass_s(1)
        for one in world.objects.list(ENDPOINT_SLICES, "default"):
            if one["metadata"]["name"] != "theirs":
                await world.objects.delete(ENDPOINT_SLICES, "default", one["metadata"]["name"])
        await world.pass_s(5)
        assert [one[1] for one in mirrored(world)] == [9, 5432]
        await world.objects.delete(ENDPOINTS, "default", "db")
        await world.pass_s(5)
        assert [one[1] for one in mirrored(world)] == [9]

    live(scenario, team)


@pytest.mark.parametrize(
    ("spec", "metadata", "expected"),
    [
        ({}, {}, True),
        ({"selector": {}}, {}, True),
        ({"selector": {"a": "b"}}, {}, False),
        ({}, {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}, False),
        ({}, {"labels": {"endpointslice.kubernetes.io/skip-mirror": "false"}}, True),
        ({}, {"annotations": {"control-plane.alpha.kubernetes.io/leader": "{}"}}, False),
    ],
)
def test_what_is_mirrored(spec: Object, metadata: Object, expected: bool) -> None:
    assert is_mirrored({"metadata": {}, "spec": spec}, {"metadata": metadata}) is expected


def test_killed_at_any_write_the_mirror_is_right_in_the_end():
    async def begin(world: World) -> None:
        await world.objects.create(SERVICES, SERVICE)
        await world.objects.create(ENDPOINTS, endpoints(subset("192.0.2.1"), subset("192.0.2.2", port=1)))

    async def check(world: World) -> None:
        await world.pass_s(10)
        assert [one[1] for one in mirrored(world)] == [1, 5432]

    assert die_everywhere(begin, check, team) >= 2
