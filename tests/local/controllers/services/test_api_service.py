"""The Service by which programs in pods reach the API."""

from __future__ import annotations

from parts.world import World
from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, SERVICES
from tidegate.local.controllers.services.api_service import ApiService
from tidegate.local.controllers.services.services import Services

PLACE = ("default", "kubernetes")


def team(objects, clock):
    return [ApiService(objects, "192.0.2.7", 7443), Services(objects)]


def assert_it_is_there(world: World) -> None:
    service = world.objects.get(SERVICES, *PLACE)
    endpoints = world.objects.get(ENDPOINTS, *PLACE)
    one = world.objects.get(ENDPOINT_SLICES, *PLACE)
    assert service
    assert endpoints
    assert one
    assert [(port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [
        ("https", 443, 7443)
    ]
    (subset,) = endpoints["subsets"]
    assert subset["addresses"] == [{"ip": "192.0.2.7"}]
    assert [port["port"] for port in subset["ports"]] == [7443]
    assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes"
    assert [endpoint["addresses"] for endpoint in one["endpoints"]] == [["192.0.2.7"]]


def test_it_is_made_kept_and_made_anew(live):
    async def scenario(world: World) -> None:
        await world.pass_s(1)
        assert_it_is_there(world)
        for resource in (SERVICES, ENDPOINTS, ENDPOINT_SLICES):
            await world.objects.delete(resource, *PLACE)
            await world.pass_s(3)
            assert_it_is_there(world)
        await world.objects.patch(ENDPOINTS, *PLACE, {"subsets": []})
        await world.objects.patch(SERVICES, *PLACE, {"spec": {"ports": [{"name": "x", "port": 1}]}})
        await world.pass_s(1)
        assert_it_is_there(world)

    live(scenario, team)
