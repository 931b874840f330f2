from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.acting_node import Outcome
from parts.world import World, die_everywhere
from tidegate.kube.resource import DEPLOYMENTS, PODS, REPLICA_SETS
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.pod_control import is_active, is_ready
from tidegate.local.controllers.workloads import rollout
from tidegate.local.controllers.workloads.deployments import Deployments
from tidegate.local.controllers.workloads.replicasets import ReplicaSets
from tidegate.local.objects import Change, Object


def team(objects, clock):
    return [Deployments(objects, clock), ReplicaSets(objects, clock), Scheduler(objects, clock)]


def deployment(replicas: int = 3, image: str = "one", **spec: Any) -> Object:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template, **spec}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def change(world: World, **spec: Any) -> None:
    if image := spec.pop("image", None):
        spec["template"] = deployment(image=image)["spec"]["template"]
    await world.objects.patch(DEPLOYMENTS, "default", "web", {"spec": spec})


def found(world: World) -> Object:
    one = world.objects.get(DEPLOYMENTS, "default", "web")
    assert one
    return one


def condition(world: World, type: str) -> tuple[str, str]:
    (one,) = [one for one in found(world)["status"]["conditions"] if one["type"] == type]
    return one["status"], one["reason"]


def sizes(world: World) -> list[int]:
    """The sizes of the ReplicaSets by revision."""
    return [rollout.replicas(one) for one in sorted(world.objects.list(REPLICA_SETS), key=rollout.revision)]


def images(world: World) -> list[str]:
    return [pod["spec"]["containers"][0]["image"] for pod in world.objects.list(PODS) if is_active(pod)]


class Watch:
    """The most Pods and the fewest ready ones seen since it began."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.most, self.fewest = 0, math.inf
        world.objects.subscribe([PODS], self._look)

    def _look(self, change: Change) -> None:
        pods = [pod for pod in self.world.objects.list(PODS) if is_active(pod)]
        self.most = max(self.most, len(pods))
        self.fewest = min(self.fewest, sum(map(is_ready, pods)))


def test_a_new_deployment_gets_its_replica_set_and_pods_and_says_so(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(5)
        (one,) = world.objects.list(REPLICA_SETS)
        ending = one["metadata"]["labels"]["pod-template-hash"]
        assert one["metadata"]["name"] == f"web-{ending}"
        assert one["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": ending}
        assert one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        assert found(world)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        for pod in world.objects.list(PODS):
            assert pod["metadata"]["labels"] == {"app": "web", "pod-template-hash": ending}
        status = {key: value for key, value in found(world)["status"].items() if key != "conditions"}
        assert status == {
            "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "observedGeneration": 1, "terminatingReplicas": 0,
        }  # fmt: skip
        assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
        assert world.objects.events("ScalingReplicaSet") == [
            f"Scaled up replica set web-{ending} from 0 to 3"
        ]

    live(scenario, team)


def test_scaling_keeps_the_replica_set(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(replicas=0))
        await world.pass_s(5)
        assert sizes(world) == [0]
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
        await change(world, replicas=7)
        await world.pass_s(5)
        assert sizes(world) == [7]
        await change(world, replicas=2)
        await world.pass_s(5)
        assert sizes(world) == [2]
        assert len(world.objects.list(PODS)) == 2
        assert found(world)["status"]["observedGeneration"] == 3

    live(scenario, team)


@pytest.mark.parametrize(
    ("replicas", "rolling", "most", "fewest"),
    [
        (4, {}, 5, 3),
        (10, {"maxSurge": "25%", "maxUnavailable": "25%"}, 13, 8),
        (4, {"maxSurge": 0, "maxUnavailable": 1}, 4, 3),
        (4, {"maxSurge": 2, "maxUnavailable": 0}, 6, 4),
        (1, {}, 2, 1),
    ],
)
def test_a_rolling_update_stays_within_its_bounds(
    live, replicas: int, rolling: dict[str, Any], most: int, fewest: int
):
    async def scenario(world: World) -> None:
        strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
        await world.objects.create(DEPLOYMENTS, deployment(replicas, strategy=strategy))
        await world.pass_s(10)
        watch = Watch(world)
        await change(world, image="two")
        await world.pass_s(60)
        assert images(world) == ["two"] * replicas
        assert sizes(world) == [0, replicas]
        assert watch.most <= most
        assert watch.fewest >= fewest
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")
        assert found(world)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"

    live(scenario, team)


def test_recreate_waits_until_the_old_pods_have_vanished(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await world.pass_s(5)
        await change(world, image="two")
        await world.pass_s(0.5)
        assert {pod["spec"]["containers"][0]["image"] for pod in world.objects.list(PODS)} == {"one"}
        await world.pass_s(10)
        assert images(world) == ["two"] * 3
        assert len(world.objects.list(PODS)) == 3

    live(scenario, team)


def test_recreate_says_unavailable_while_nothing_is_there(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await world.pass_s(5)
        assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
        seen = set()

        def look(change: Change) -> None:
            status = change.object.get("status") or {}
            (one,) = [one for one in status["conditions"] if one["type"] == "Available"]
            seen.add((status.get("availableReplicas", 0), one["status"]))

        world.objects.subscribe([DEPLOYMENTS], look)
        await change(world, image="two")
        await world.pass_s(20)
        assert (3, "True") in seen
        assert {status for count, status in seen if count < 3} == {"False"}, seen

    live(scenario, team)


@pytest.mark.parametrize("paused", [False, True])
def test_annotations_that_come_after_the_change_reach_its_replica_set(live, paused: bool):
    """`kubectl annotate deployment web kubernetes.io/change-cause=…`, as `rollout history` shows it."""

    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(5)
        cause = {"kubernetes.io/change-cause": "first", "deployment.kubernetes.io/x": "its own"}
        patch = {"metadata": {"annotations": cause}, "spec": {"paused": paused}}
        await world.objects.patch(DEPLOYMENTS, "default", "web", patch)
        await world.pass_s(5)
        (one,) = world.objects.list(REPLICA_SETS)
        assert one["metadata"]["annotations"] == {
            "kubernetes.io/change-cause": "first", "deployment.kubernetes.io/revision": "1",
            "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4",
        }  # fmt: skip
        cause = {"kubernetes.io/change-cause": "second"}
        template = deployment(image="two")["spec"]["template"]
        patch = {"metadata": {"annotations": cause}, "spec": {"paused": False, "template": template}}
        await world.objects.patch(DEPLOYMENTS, "default", "web", patch)
        await world.pass_s(20)
        causes = [
            rs["metadata"]["annotations"]["kubernetes.io/change-cause"]
            for rs in sorted(world.objects.list(REPLICA_SETS), key=rollout.revision)
        ]
        assert causes == ["first", "second"]

    live(scenario, team)


def test_going_back_to_an_old_template_uses_its_replica_set_as_a_new_revision(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(5)
        (first,) = world.objects.list(REPLICA_SETS)
        await change(world, image="two")
        await world.pass_s(30)
        await change(world, image="one")
        await world.pass_s(30)
        assert len(world.objects.list(REPLICA_SETS)) == 2
        again = world.objects.get(REPLICA_SETS, "default", first["metadata"]["name"])
        assert again
        assert rollout.replicas(again) == 3
        assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
        assert found(world)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"

    live(scenario, team)


def test_old_revisions_beyond_the_limit_are_deleted(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(1, revisionHistoryLimit=2))
        for image in ("two", "three", "four", "five"):
            await world.pass_s(30)
            await change(world, image=image)
        await world.pass_s(30)
        assert sorted(rollout.revision(one) for one in world.objects.list(REPLICA_SETS)) == [3, 4, 5]

    live(scenario, team)


def never_ready(image: str):
    """Pods of this image stay pending for ever."""

    def outcome(pod: Object) -> Outcome:
        return (0, "Pending") if pod["spec"]["containers"][0]["image"] == image else None

    return outcome


def test_a_rollout_that_gets_nowhere_keeps_the_old_pods_and_is_called_stuck(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(4, progressDeadlineSeconds=60))
        await world.pass_s(10)
        await change(world, image="bad")
        await world.pass_s(200)
        assert sorted(images(world)) == ["bad", "bad", "one", "one", "one"]
        assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")
        assert condition(world, "Available") == ("True", "MinimumReplicasAvailable")
        assert found(world)["status"]["unavailableReplicas"] == 2
        await change(world, image="one")
        await world.pass_s(30)
        assert images(world) == ["one"] * 4
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")

    live(scenario, team, never_ready("bad"))


def test_too_few_available_pods_are_reported(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(image="bad"))
        await world.pass_s(10)
        assert condition(world, "Available") == ("False", "MinimumReplicasUnavailable")

    live(scenario, team, never_ready("bad"))


def test_a_first_rollout_that_gets_nowhere_is_called_stuck(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(image="bad", progressDeadlineSeconds=60))
        await world.pass_s(50)
        assert condition(world, "Progressing")[0] == "True"
        await world.pass_s(20)
        assert condition(world, "Progressing") == ("False", "ProgressDeadlineExceeded")

    live(scenario, team, never_ready("bad"))


def test_a_new_template_without_replicas_is_reported_too(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(0))
        await world.pass_s(5)
        await change(world, image="two")
        await world.pass_s(5)
        newest = max(world.objects.list(REPLICA_SETS), key=rollout.revision)["metadata"]["name"]
        (one,) = [one for one in found(world)["status"]["conditions"] if one["type"] == "Progressing"]
        assert one["reason"] == "NewReplicaSetAvailable"
        assert newest in one["message"]

    live(scenario, team)


def test_a_paused_deployment_scales_and_does_not_roll_out(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(5)
        await change(world, paused=True, image="two")
        await world.pass_s(10)
        await change(world, replicas=5)
        await world.pass_s(10)
        assert images(world) == ["one"] * 5
        assert condition(world, "Progressing") == ("Unknown", "DeploymentPaused")
        await change(world, paused=False)
        await world.pass_s(60)
        assert images(world) == ["two"] * 5
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")

    live(scenario, team)


def test_an_orphaned_replica_set_is_adopted(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(5)
        (one,) = world.objects.list(REPLICA_SETS)
        await world.objects.patch(
            REPLICA_SETS, "default", one["metadata"]["name"], {"metadata": {"ownerReferences": []}}
        )
        await world.pass_s(5)
        (one,) = world.objects.list(REPLICA_SETS)
        assert one["metadata"]["ownerReferences"][0]["uid"] == found(world)["metadata"]["uid"]
        assert len(world.node.started) == 3

    live(scenario, team)


def test_killed_at_any_write_a_first_rollout_ends_well():
    async def begin(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())

    async def check(world: World) -> None:
        await world.pass_s(60)
        assert sizes(world) == [3]
        assert len(world.node.started) == 3
        assert condition(world, "Progressing") == ("True", "NewReplicaSetAvailable")

    assert die_everywhere(begin, check, team, lifetime_s=20) > 15


@pytest.mark.parametrize(("strategy", "most"), [("RollingUpdate", 2), ("Recreate", 1)])
def test_killed_at_any_write_an_update_ends_well_and_within_its_bounds(strategy: str, most: int):
    watches: list[Watch] = []

    async def begin(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment(1, strategy={"type": strategy}))
        world.start()
        await world.pass_s(10)
        await world.kill()
        await change(world, image="two")
        watches.append(Watch(world))

    async def check(world: World) -> None:
        await world.pass_s(30)
        assert images(world) == ["two"]
        assert sizes(world) == [0, 1]
        assert len(world.node.started) == 2
        assert watches[-1].most <= most

    assert die_everywhere(begin, check, team, lifetime_s=20) > 10


def test_at_rest_nothing_is_written(live):
    async def scenario(world: World) -> None:
        await world.objects.create(DEPLOYMENTS, deployment())
        await world.pass_s(60)
        assert await world.writes_at_rest(2000) == 0

    live(scenario, team)


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (1, "25%", "25%", (1, 0)),
        (100, "7%", "7%", (7, 7)),
        (4, 0, 0, (0, 1)),
        (4, 0, "10%", (0, 1)),
        (0, "25%", "25%", (0, 1)),
        (4, "100%", "100%", (4, 4)),
    ],
)
def test_surge_rounds_up_and_unavailability_down(replicas: int, surge: Any, unavailable: Any, expected: Any):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    assert rollout.bounds(deployment(replicas, strategy={"rollingUpdate": rolling})) == expected


def sized(name: str, size: int, available: int) -> Object:
    metadata = {"name": name, "creationTimestamp": "2026-01-05T08:00:00Z"}
    return {"metadata": metadata, "spec": {"replicas": size}, "status": {"availableReplicas": available}}


@pytest.mark.parametrize(
    ("new", "olds", "expected"),
    [
        ((5, 0), [(10, 0)], [8]),
        ((5, 5), [(10, 0)], [3]),
        ((5, 5), [(10, 10)], [3]),
        ((5, 2), [(10, 10)], [6]),
        ((5, 5), [(5, 5), (5, 0)], [3, 0]),
        ((5, 0), [(8, 8)], None),
    ],
)
def test_unhealthy_old_pods_go_first_and_healthy_ones_when_new_ones_are_up(new, olds, expected):
    body = deployment(10, strategy={"rollingUpdate": {"maxSurge": 5, "maxUnavailable": 2}})
    others = [sized(f"old{index}", *old) for index, old in enumerate(olds)]
    steps = rollout.rolling(body, sized("new", *new), others)
    if expected is None:
        assert [one["metadata"]["name"] for one, _ in steps] == ["new"]
    else:
        assert [size for _, size in steps] == expected


counts = st.integers(0, 8)


@given(counts, counts, counts, st.lists(st.tuples(counts, counts), max_size=3), st.tuples(counts, counts))
def test_no_step_breaks_the_bounds_it_was_given(wanted, surge, unavailable, olds, new):
    body = deployment(wanted, strategy={"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    one = sized("new", new[0], min(new))
    others = [sized(f"old{index}", size, min(size, up)) for index, (size, up) in enumerate(olds)]
    surge, unavailable = rollout.bounds(body)
    every = [one, *others]
    total, up = sum(map(rollout.replicas, every)), sum(map(rollout.available, every))
    steps = rollout.rolling(body, one, others)
    after = {item["metadata"]["name"]: size for item, size in steps}
    new_total = sum(after.get(item["metadata"]["name"], rollout.replicas(item)) for item in every)
    lost = sum(max(rollout.available(item) - size, 0) for item, size in steps if item is not one)
    assert all(size >= 0 for size in after.values())
    assert new_total <= max(total, wanted + surge)
    assert lost <= max(up - (wanted - unavailable), 0)


@given(counts, counts, counts, st.lists(counts, max_size=3), counts)
def test_while_all_pods_are_available_there_is_always_a_next_step(wanted, surge, unavailable, olds, new):
    body = deployment(wanted, strategy={"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    others = [sized(f"old{index}", size, size) for index, size in enumerate(olds)]
    is_done = new == wanted and not any(olds)
    assert bool(rollout.rolling(body, sized("new", new, new), others)) is not is_done
