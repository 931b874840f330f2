from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import CLAIMS, NODES, PODS
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


CORDONED = "0/1 nodes are available: 1 node(s) were unschedulable."
TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}
TAINTED = "0/1 nodes are available: 1 node(s) had untolerated taint {team: a}."


async def node(world: World, **spec: Any) -> None:
    """The node as `kubectl cordon` and `kubectl taint` leave it."""
    if world.objects.get(NODES, "", "local") is None:
        await world.objects.create(NODES, {"metadata": {"name": "local"}, "spec": {}})
    await world.objects.patch(NODES, "", "local", {"spec": spec})


@pytest.mark.parametrize(
    ("spec", "why"), [({"unschedulable": True}, CORDONED), ({"taints": [TAINT]}, TAINTED)]
)
def test_a_node_that_takes_no_pods_is_told_and_waited_for(live, spec: dict[str, Any], why: str):
    async def scenario(world: World) -> None:
        await node(world, **spec)
        await world.objects.create(PODS, pod())
        await world.pass_s(60)
        assert not found(world)["spec"].get("nodeName")
        (one,) = found(world)["status"]["conditions"]
        assert (one["status"], one["reason"], one["message"]) == ("False", "Unschedulable", why)
        assert world.objects.events("FailedScheduling") == [why]
        await node(world, **dict.fromkeys(spec))
        await world.pass_s(1)
        assert found(world)["spec"]["nodeName"] == "local"
        (one,) = found(world)["status"]["conditions"]
        assert (one["status"], one.get("reason")) == ("True", None)

    live(scenario, team, lambda pod: (0, "Pending"))


@pytest.mark.parametrize(
    ("toleration", "is_bound"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "team", "operator": "Exists"}, True),
        ({"key": "team", "value": "a"}, True),
        ({"key": "team", "operator": "Equal", "value": "a", "effect": "NoSchedule"}, True),
        ({"key": "team", "value": "b"}, False),
        ({"key": "other", "operator": "Exists"}, False),
        ({"key": "team", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_keeps_out_whom_it_is_not_tolerated_by(live, toleration: dict[str, Any], is_bound: bool):
    async def scenario(world: World) -> None:
        await node(world, taints=[TAINT])
        await world.objects.create(PODS, pod(tolerations=[toleration]))
        await world.pass_s(1)
        assert bool(found(world)["spec"].get("nodeName")) is is_bound

    live(scenario, team, lambda pod: (0, "Pending"))


def test_no_pod_gets_a_claim_that_is_being_deleted(live):
    async def scenario(world: World) -> None:
        claim = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
        meta = {"name": "files", "namespace": "default", "finalizers": ["kubernetes.io/pvc-protection"]}
        await world.objects.create(CLAIMS, {"metadata": meta, **claim})
        await world.objects.delete(CLAIMS, "default", "files")
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "files"}}]
        await world.objects.create(PODS, pod(volumes=volumes))
        await world.pass_s(1)
        assert not found(world)["spec"].get("nodeName")
        why = 'persistentvolumeclaim "files" is being deleted'
        assert world.objects.events("FailedScheduling") == [why]
        await world.objects.patch(CLAIMS, "default", "files", {"metadata": {"finalizers": None}})
        await world.pass_s(1)
        absent = '0/1 nodes are available: persistentvolumeclaim "files" not found.'
        assert absent in world.objects.events("FailedScheduling")
        await world.objects.create(CLAIMS, {"metadata": {**meta, "finalizers": []}, **claim})
        await world.pass_s(6)
        unbound = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
        assert unbound in world.objects.events("FailedScheduling")
        await world.objects.patch(CLAIMS, "default", "files", {"status": {"phase": "Bound"}}, "status")
        await world.pass_s(1)
        assert found(world)["spec"]["nodeName"] == "local"

    live(scenario, team, lambda pod: (0, "Pending"))
