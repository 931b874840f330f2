from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.services.endpoints import endpoints_of, slices_of
from tidegate.local.controllers.services.services import Services
from tidegate.local.objects import Object


def team(objects, clock):
    return [Services(objects), Scheduler(objects, clock)]


def service(port: Any = 80, **spec: Any) -> Object:
    spec = {
        "selector": {"app": "web"},
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": port}],
        **spec,
    }
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


def pod(name: str, port: int = 8080, **labels: str) -> Object:
    containers = [{"name": "c", "image": "i", "ports": [{"name": "http", "containerPort": port}]}]
    metadata = {"name": name, "namespace": "default", "labels": {"app": "web", **labels}}
    return {"metadata": metadata, "spec": {"containers": containers}}


def offered(world: World) -> list[str]:
    found = world.objects.get(ENDPOINTS, "default", "web")
    assert found
    return [one["targetRef"]["name"] for subset in found.get("subsets", []) for one in subset["addresses"]]


def test_endpoints_follow_the_ready_pods(live):
    async def scenario(world: World) -> None:
        await world.objects.create(SERVICES, service(8080))
        await world.pass_s(1)
        assert offered(world) == []
        await world.objects.create(PODS, pod("a"))
        await world.objects.create(PODS, pod("b", app="other"))
        await world.pass_s(1)
        assert offered(world) == ["a"]
        (one,) = world.objects.list(ENDPOINT_SLICES)
        assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        (endpoint,) = one["endpoints"]
        assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
        assert endpoint["addresses"] == ["127.64.9.9"]
        assert one["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
        await world.objects.patch(PODS, "default", "a", {"metadata": {"labels": {"app": "gone"}}})
        await world.objects.patch(PODS, "default", "b", {"metadata": {"labels": {"app": "web"}}})
        await world.pass_s(1)
        assert offered(world) == ["b"]
        await world.objects.delete(PODS, "default", "b")
        await world.pass_s(0.5)
        assert offered(world) == []
        await world.pass_s(5)
        (one,) = world.objects.list(ENDPOINT_SLICES)
        assert one["endpoints"] == []

    live(scenario, team)


def test_slices_go_with_the_ports_they_were_for(live):
    async def scenario(world: World) -> None:
        await world.objects.create(SERVICES, service("http"))
        await world.objects.create(PODS, pod("a", 8080))
        await world.objects.create(PODS, pod("b", 9090))
        await world.pass_s(1)
        slices = world.objects.list(ENDPOINT_SLICES)
        assert sorted(one["ports"][0]["port"] for one in slices) == [8080, 9090]
        await world.objects.delete(PODS, "default", "a")
        await world.pass_s(5)
        assert [one["ports"][0]["port"] for one in world.objects.list(ENDPOINT_SLICES)] == [9090]

    live(scenario, team)


def test_a_service_without_selector_is_left_to_its_author(live):
    async def scenario(world: World) -> None:
        await world.objects.create(SERVICES, service(selector={}))
        await world.objects.create(PODS, pod("a"))
        await world.pass_s(1)
        assert world.objects.list(ENDPOINTS) == []

    live(scenario, team)


def ready(one: Object, is_ready: bool = True) -> Object:
    status = {"podIP": "127.96.0.1", "conditions": [{"type": "Ready", "status": str(is_ready)}]}
    one["metadata"]["uid"] = f"uid-{one['metadata']['name']}"
    return {**one, "status": status}


@pytest.mark.parametrize(
    ("target", "numbers"), [(9000, [9000]), ("9000", [9000]), ("http", [8080, 9090]), ("absent", [])]
)
def test_a_named_port_is_looked_up_in_each_pod(target: Any, numbers: list[int]):
    pods = [ready(pod("a", 8080)), ready(pod("b", 9090)), ready(pod("c", 8080))]
    found = endpoints_of(service(target), pods)
    assert [port["port"] for subset in found["subsets"] for port in subset.get("ports", [])] == numbers
    web = service(target)
    web["metadata"]["uid"] = "u"
    slices = slices_of(web, pods)
    assert [port["port"] for one in slices for port in one["ports"]] == numbers
    assert len({one["metadata"]["name"] for one in slices}) == len(slices)


def test_pods_that_are_not_ready_are_listed_apart_unless_the_service_takes_them():
    pods = [ready(pod("a")), ready(pod("b"), is_ready=False)]
    (subset,) = endpoints_of(service(), pods)["subsets"]
    assert [one["targetRef"]["name"] for one in subset["addresses"]] == ["a"]
    assert [one["targetRef"]["name"] for one in subset["notReadyAddresses"]] == ["b"]
    (subset,) = endpoints_of(service(publishNotReadyAddresses=True), pods)["subsets"]
    assert [one["targetRef"]["name"] for one in subset["addresses"]] == ["a", "b"]


def test_killed_at_any_write_the_endpoints_are_right_in_the_end():
    async def begin(world: World) -> None:
        await world.objects.create(SERVICES, service())
        await world.objects.create(PODS, pod("a"))

    async def check(world: World) -> None:
        await world.pass_s(10)
        assert offered(world) == ["a"]
        assert len(world.objects.list(ENDPOINT_SLICES)) == 1

    assert die_everywhere(begin, check, team) >= 5


def test_changes_that_a_service_cannot_see_write_nothing(live):
    async def scenario(world: World) -> None:
        await world.objects.create(SERVICES, service())
        await world.objects.create(PODS, pod("a"))
        await world.pass_s(5)
        before = world.objects.writes
        await world.objects.patch(PODS, "default", "a", {"metadata": {"annotations": {"x": "y"}}})
        await world.pass_s(5)
        assert world.objects.writes == before + 1

    live(scenario, team)


def test_endpoints_carry_the_labels_of_their_service_and_the_names_of_its_pods():
    web = service(8080, clusterIP="None")
    web["metadata"] |= {"uid": "u", "labels": {"team": "blue"}}
    named, other = ready(pod("a")), ready(pod("b"))
    named["spec"] |= {"hostname": "web-0", "subdomain": "web", "nodeName": "local"}
    other["spec"] |= {"hostname": "web-1", "subdomain": "another"}
    (one,) = slices_of(web, [named, other])
    assert one["metadata"]["labels"] == {
        "team": "blue",
        "service.kubernetes.io/headless": "",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert [endpoint.get("hostname") for endpoint in one["endpoints"]] == ["web-0", None]
    assert [endpoint.get("nodeName") for endpoint in one["endpoints"]] == ["local", None]
    found = endpoints_of(web, [named, other])
    assert found["metadata"]["labels"]["team"] == "blue"
    assert [address.get("hostname") for address in found["subsets"][0]["addresses"]] == ["web-0", None]


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (100, [100]), (250, [100, 100, 50])])
def test_a_slice_holds_a_hundred_endpoints_at_most(count: int, sizes: list[int]):
    web = service(8080)
    web["metadata"]["uid"] = "u"
    slices = slices_of(web, [ready(pod(f"p{number:03}")) for number in range(count)])
    assert [len(one["endpoints"]) for one in slices] == sizes
    names = [endpoint["targetRef"]["name"] for one in slices for endpoint in one["endpoints"]]
    assert len(set(names)) == count
    assert len({one["metadata"]["name"] for one in slices}) == len(slices)
