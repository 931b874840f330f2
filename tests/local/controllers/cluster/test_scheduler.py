from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import PODS
from tidegate.local.controllers import conditions
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.objects import Object


def team(objects, clock):
    return [Scheduler(objects, clock)]


def pod(**spec: Any) -> Object:
    containers = [{"name": "c", "image": "i"}]
    return {"metadata": {"name": "p", "namespace": "default"}, "spec": {"containers": containers, **spec}}


def found(world: World) -> Object:
    one = world.objects.get(PODS, "default", "p")
    assert one
    return one


def test_a_new_pod_gets_the_node_and_says_so(live):
    async def scenario(world: World) -> None:
        await world.objects.create(PODS, pod(nodeSelector={"kubernetes.io/os": "linux"}))
        await world.pass_s(1)
        assert found(world)["spec"]["nodeName"] == "local"
        assert world.node.started == ["p"]
        assert world.objects.events("Scheduled") == ["Successfully assigned default/p to local"]

    live(scenario, team, lambda pod: (0, "Pending"))


def test_the_condition_stands_beside_those_of_others(live):
    async def scenario(world: World) -> None:
        await world.objects.create(PODS, pod())
        await world.pass_s(1)
        assert conditions.is_true(found(world)["status"]["conditions"], "PodScheduled")

    live(scenario, team, lambda pod: (0, "Pending"))


@pytest.mark.parametrize(
    "spec", [{"schedulingGates": [{"name": "later"}]}, {"schedulerName": "mine"}, {"nodeName": "elsewhere"}]
)
def test_a_pod_that_waits_for_somebody_else_is_left_alone(live, spec: dict[str, Any]):
    async def scenario(world: World) -> None:
        await world.objects.create(PODS, pod(**spec))
        await world.pass_s(10)
        assert found(world)["spec"].get("nodeName") == spec.get("nodeName")
        assert world.node.started == []

    live(scenario, team)


def test_a_pod_whose_gates_open_is_scheduled(live):
    async def scenario(world: World) -> None:
        await world.objects.create(PODS, pod(schedulingGates=[{"name": "later"}]))
        await world.pass_s(1)
        await world.objects.patch(PODS, "default", "p", {"spec": {"schedulingGates": None}})
        await world.pass_s(1)
        assert world.node.started == ["p"]

    live(scenario, team)


def test_killed_at_any_write_a_pod_is_started_once():
    async def begin(world: World) -> None:
        await world.objects.create(PODS, pod())

    async def check(world: World) -> None:
        await world.pass_s(10)
        assert world.node.started == ["p"]

    assert die_everywhere(begin, check, team) == 3
