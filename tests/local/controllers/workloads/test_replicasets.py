from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import PODS, REPLICA_SETS, ApiError
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.workloads.replicasets import ReplicaSets, least_valuable
from tidegate.local.objects import Object


def team(objects, clock):
    return [ReplicaSets(objects, clock), Scheduler(objects, clock)]


def replica_set(replicas: int, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def scale(world: World, replicas: int) -> None:
    await world.objects.patch(REPLICA_SETS, "default", "web", {"spec": {"replicas": replicas}})


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(REPLICA_SETS, "default", "web")
    assert found
    return found["status"]


def test_pods_follow_the_number_up_and_down(live):
    async def scenario(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(3))
        await world.pass_s(5)
        assert status(world) == {
            "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "observedGeneration": 1, "terminatingReplicas": 0,
        }  # fmt: skip
        await scale(world, 1)
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == 1
        assert status(world)["observedGeneration"] == 2
        await scale(world, 0)
        await world.pass_s(5)
        assert world.objects.list(PODS) == []
        assert status(world) == {"replicas": 0, "terminatingReplicas": 0, "observedGeneration": 3}
        assert len(world.objects.events("SuccessfulCreate")) == 3
        assert len(world.objects.events("SuccessfulDelete")) == 3

    live(scenario, team)


def test_a_deleted_pod_is_replaced_while_it_still_ends(live):
    async def scenario(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(2))
        await world.pass_s(5)
        first = world.objects.list(PODS)[0]["metadata"]
        await world.objects.delete(PODS, "default", first["name"])
        await world.pass_s(0.5)
        assert len(world.objects.list(PODS)) == 3
        assert status(world)["terminatingReplicas"] == 1
        await world.pass_s(5)
        assert status(world)["terminatingReplicas"] == 0
        left = world.objects.list(PODS)
        assert len(left) == 2
        assert first["uid"] not in [pod["metadata"]["uid"] for pod in left]

    live(scenario, team)


def test_a_relabelled_pod_is_released_and_replaced_and_a_fitting_orphan_adopted(live):
    async def scenario(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(2))
        await world.pass_s(5)
        name = world.objects.list(PODS)[0]["metadata"]["name"]
        await world.objects.patch(PODS, "default", name, {"metadata": {"labels": {"app": "debug"}}})
        await world.pass_s(5)
        released = world.objects.get(PODS, "default", name)
        assert released
        assert released["metadata"]["ownerReferences"] == []
        assert len(world.objects.list(PODS, labels={"app": "web"})) == 2
        await world.objects.patch(PODS, "default", name, {"metadata": {"labels": {"app": "web"}}})
        await world.pass_s(5)
        assert len(world.objects.list(PODS)) == 2

    live(scenario, team)


def test_a_pod_is_available_when_it_was_ready_for_long_enough(live):
    async def scenario(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(1, minReadySeconds=20))
        await world.pass_s(15)
        assert status(world)["readyReplicas"] == 1
        assert "availableReplicas" not in status(world)
        await world.pass_s(10)
        assert status(world)["availableReplicas"] == 1

    live(scenario, team)


def test_a_refusal_shows_in_the_status_and_goes_with_its_cause(live):
    async def scenario(world: World) -> None:
        world.objects.refuse = lambda resource, body: (
            ApiError(422, "Invalid", "no such thing") if resource == PODS else None
        )
        await world.objects.create(REPLICA_SETS, replica_set(1))
        await world.pass_s(5)
        (found,) = status(world)["conditions"]
        assert (found["type"], found["status"], found["reason"], found["message"]) == (
            "ReplicaFailure", "True", "FailedCreate", "no such thing",
        )  # fmt: skip
        world.objects.refuse = lambda resource, body: None
        await world.pass_s(100)
        assert "conditions" not in status(world)
        assert status(world)["readyReplicas"] == 1

    live(scenario, team)


def pod(name: str, **marks: Any) -> Object:
    since = marks.get("ready")
    status = {"phase": marks.get("phase", "Running")}
    if since is not None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-05T08:00:{since:02}Z"}
        status["conditions"] = [ready]
    if "restarts" in marks:
        status["containerStatuses"] = [{"restartCount": marks["restarts"]}]
    annotations = {"controller.kubernetes.io/pod-deletion-cost": marks["cost"]} if "cost" in marks else {}
    created = f"2026-01-05T07:00:{marks.get('created', 0):02}Z"
    metadata = {"name": name, "annotations": annotations, "creationTimestamp": created}
    return {"metadata": metadata, "spec": {"nodeName": marks.get("node", "local")}, "status": status}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"node": "", "ready": 1}, {"phase": "Pending"}),
        ({"phase": "Pending"}, {}),
        ({"cost": "100"}, {"ready": 1, "cost": "-5"}),
        ({"ready": 1, "cost": "-5"}, {"ready": 9}),
        ({"ready": 9}, {"ready": 9, "cost": "5"}),
        ({"ready": 9}, {"ready": 8}),
        ({"ready": 1, "restarts": 2}, {"ready": 1, "restarts": 1}),
        ({"ready": 1, "created": 9}, {"ready": 1, "created": 8}),
        ({"ready": 1, "cost": "much", "created": 9}, {"ready": 1}),
    ],
)
def test_the_least_valuable_pod_goes_first(first: dict[str, Any], second: dict[str, Any]):
    for pods in ([pod("a", **first), pod("b", **second)], [pod("b", **second), pod("a", **first)]):
        assert [one["metadata"]["name"] for one in least_valuable(pods, 1)] == ["a"]


@pytest.mark.parametrize("count", [-2, 0])
def test_no_pod_goes_when_none_is_too_many(count: int):
    assert least_valuable([pod("a"), pod("b")], count) == []


def test_killed_at_any_write_the_number_is_right_in_the_end():
    async def begin(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(4))

    async def check(world: World) -> None:
        await world.pass_s(60)
        assert len(world.objects.list(PODS)) == 4
        assert len(world.node.started) == 4
        assert status(world)["readyReplicas"] == 4

    assert die_everywhere(begin, check, team) > 12


def test_at_rest_nothing_is_written(live):
    async def scenario(world: World) -> None:
        await world.objects.create(REPLICA_SETS, replica_set(2))
        await world.pass_s(60)
        assert await world.writes_at_rest(600) == 0

    live(scenario, team)
