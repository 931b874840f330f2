from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.workloads.daemonsets import DaemonSets
from tidegate.local.objects import Object

LINUX = {"kubernetes.io/os": "linux"}
SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def team(objects, clock):
    garbage = Garbage(objects, clock, lambda: (DAEMON_SETS, CONTROLLER_REVISIONS, PODS))
    return [DaemonSets(objects, clock), Scheduler(objects, clock), garbage]


async def node(world: World, **spec: Any) -> None:
    body = {"metadata": {"name": "local", "labels": LINUX}, "spec": spec}
    if world.objects.get(NODES, "", "local") is None:
        await world.objects.create(NODES, body)
    else:
        await world.objects.patch(NODES, "", "local", {"spec": spec})


def template(image: str = "i", **spec: Any) -> Object:
    pod = {"containers": [{"name": "c", "image": image}], **spec}
    return {"metadata": {"labels": {"app": "agent"}}, "spec": pod}


def daemon_set(strategy: Object | None = None, pod: Object | None = None, **spec: Any) -> Object:
    # The world in memory fills nothing in.
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}
    wanted = {"selector": {"matchLabels": {"app": "agent"}}, "template": pod or template(), **spec}
    wanted["updateStrategy"] = strategy or rolling
    return {"metadata": {"name": "agent", "namespace": "default"}, "spec": wanted}


async def change(world: World, **spec: Any) -> None:
    await world.objects.patch(DAEMON_SETS, "default", "agent", {"spec": spec})


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(DAEMON_SETS, "default", "agent")
    assert found
    return found["status"]


def images(world: World) -> list[str]:
    return sorted(one["spec"]["containers"][0]["image"] for one in world.objects.list(PODS))


def test_the_node_gets_one_pod_and_another_when_that_is_deleted(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set())
        await world.pass_s(5)
        [pod] = world.objects.list(PODS)
        assert pod["spec"]["nodeName"] == "local"
        assert status(world) == {
            "currentNumberScheduled": 1, "desiredNumberScheduled": 1, "numberMisscheduled": 0,
            "numberReady": 1, "numberAvailable": 1, "updatedNumberScheduled": 1, "observedGeneration": 1,
        }  # fmt: skip
        await world.objects.delete(PODS, "default", pod["metadata"]["name"])
        await world.pass_s(5)
        [second] = world.objects.list(PODS)
        assert second["metadata"]["uid"] != pod["metadata"]["uid"]
        assert len(world.objects.events("SuccessfulCreate")) == 2

    live(scenario, team)


def test_an_update_takes_the_old_pod_before_it_makes_the_new_one(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set())
        await world.pass_s(5)
        await change(world, template=template("new"))
        await world.pass_s(10)
        assert images(world) == ["new"]
        assert status(world)["updatedNumberScheduled"] == 1
        await change(world, template=template())
        await world.pass_s(10)
        assert images(world) == ["i"]
        assert sorted(one["revision"] for one in world.objects.list(CONTROLLER_REVISIONS)) == [2, 3]

    live(scenario, team)


def test_a_surge_keeps_the_old_pod_until_the_new_one_is_available(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set(SURGE, minReadySeconds=20))
        await world.pass_s(30)
        await change(world, template=template("new"))
        await world.pass_s(10)
        assert images(world) == ["i", "new"]
        await world.pass_s(30)
        assert images(world) == ["new"]

    live(scenario, team)


def test_a_surge_that_never_gets_ready_leaves_the_old_pod_alone(live):
    def outcome(pod: Object) -> Any:
        return (0.0, "Pending") if pod["spec"]["containers"][0]["image"] == "bad" else None

    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set(SURGE))
        await world.pass_s(5)
        await change(world, template=template("bad"))
        await world.pass_s(60)
        assert images(world) == ["bad", "i"]

    live(scenario, team, outcome)


def test_on_delete_waits_until_somebody_deletes_the_pod(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set({"type": "OnDelete"}))
        await world.pass_s(5)
        await change(world, template=template("new"))
        await world.pass_s(20)
        assert (images(world), status(world).get("updatedNumberScheduled", 0)) == (["i"], 0)
        await world.objects.delete(PODS, "default", world.objects.list(PODS)[0]["metadata"]["name"])
        await world.pass_s(10)
        assert images(world) == ["new"]

    live(scenario, team)


AFFINITY = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["plan9"]}]}]}}  # fmt: skip


@pytest.mark.parametrize(
    ("pod", "count"),
    [
        (template(nodeSelector=LINUX), 1),
        (template(nodeSelector={"gpu": "yes"}), 0),
        (template(affinity={"nodeAffinity": AFFINITY}), 0),
    ],
)
def test_a_node_that_is_not_meant_gets_none(live, pod, count):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set(pod=pod))
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == status(world)["desiredNumberScheduled"] == count

    live(scenario, team)


def test_a_cordon_keeps_nothing_out_a_taint_does_and_one_that_executes_takes_the_pod(live):
    async def scenario(world: World) -> None:
        await node(world, unschedulable=True)
        await world.objects.create(DAEMON_SETS, daemon_set())
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == 1
        await node(world, unschedulable=False, taints=[{"key": "a", "effect": "NoSchedule"}])
        await world.pass_s(5)
        assert (len(world.objects.list(PODS)), status(world)["numberMisscheduled"]) == (1, 1)
        await node(world, taints=[{"key": "a", "effect": "NoExecute"}])
        await world.pass_s(5)
        assert world.objects.list(PODS) == []
        await node(world, taints=[])
        await world.pass_s(5)
        assert status(world)["numberReady"] == 1

    live(scenario, team)


def test_a_failed_pod_is_replaced_after_a_pause_that_grows(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set())
        await world.pass_s(64)
        assert 5 <= len(world.node.started) <= 8
        assert "Found failed daemon pod default/agent-" in world.objects.events("FailedDaemonPod")[0]

    live(scenario, team, lambda pod: (0.0, "Failed"))


def test_deleted_with_its_pod_and_at_rest_it_writes_nothing(live):
    async def scenario(world: World) -> None:
        await node(world)
        await world.objects.create(DAEMON_SETS, daemon_set())
        await world.pass_s(5)
        assert await world.writes_at_rest(60) == 0
        await world.objects.delete(DAEMON_SETS, "default", "agent")
        await world.pass_s(30)
        assert (world.objects.list(PODS), world.objects.list(CONTROLLER_REVISIONS)) == ([], [])

    live(scenario, team)


@pytest.mark.parametrize("strategy", [None, SURGE])
def test_killed_at_any_write_it_ends_with_one_pod_of_the_new_template(strategy):
    async def begin(world: World) -> None:
        await node(world)
        world.start()
        await world.objects.create(DAEMON_SETS, daemon_set(strategy))
        await world.pass_s(5)
        await world.kill()
        await change(world, template=template("new"))

    async def check(world: World) -> None:
        await world.pass_s(20)
        assert images(world) == ["new"]
        assert len(world.node.started) == 2
        assert sorted(one["revision"] for one in world.objects.list(CONTROLLER_REVISIONS)) == [1, 2]

    assert die_everywhere(begin, check, team) > 5
