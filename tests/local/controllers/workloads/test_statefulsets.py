from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import (
    CLAIMS,
    CONTROLLER_REVISIONS,
    PODS,
    STATEFUL_SETS,
    VOLUMES,
    ApiError,
)
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.cluster.volume_claims import Claims
from tidegate.local.controllers.workloads.statefulsets import StatefulSets
from tidegate.local.objects import Object

KINDS = (STATEFUL_SETS, CONTROLLER_REVISIONS, PODS, CLAIMS, VOLUMES)


def team(objects, clock):
    garbage = Garbage(objects, clock, lambda: KINDS)
    return [StatefulSets(objects, clock), Scheduler(objects, clock), Claims(objects, clock), garbage]


def template(image: str = "i") -> Object:
    return {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def stateful_set(replicas: int, **spec: Any) -> Object:
    wanted = {
        "replicas": replicas,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template(),
        **spec,
    }
    # The world in memory fills nothing in.
    wanted.setdefault("updateStrategy", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    return {"metadata": {"name": "db", "namespace": "default"}, "spec": wanted}


def claims(name: str = "files") -> list[Object]:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return [{"metadata": {"name": name}, "spec": wanted}]


async def change(world: World, **spec: Any) -> None:
    await world.objects.patch(STATEFUL_SETS, "default", "db", {"spec": spec})


def status(world: World) -> dict[str, Any]:
    found = world.objects.get(STATEFUL_SETS, "default", "db")
    assert found
    return found["status"]


def pods(world: World) -> list[str]:
    return [one["metadata"]["name"] for one in world.objects.list(PODS)]


def images(world: World) -> list[str]:
    return [one["spec"]["containers"][0]["image"] for one in world.objects.list(PODS)]


def names(world: World, resource: Any) -> list[str]:
    return [one["metadata"]["name"] for one in world.objects.list(resource)]


def claims_there(world: World) -> dict[str, str]:
    """The uids of the claims, by name."""
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in world.objects.list(CLAIMS)}


def test_pods_come_in_order_each_when_the_one_before_is_ready(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3))
        await world.pass_s(5)
        assert world.node.started == ["db-0", "db-1", "db-2"]
        for ordinal, pod in enumerate(world.objects.list(PODS)):
            name = f"db-{ordinal}"
            assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == (name, "db")
            assert pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] == name
            assert pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] == str(ordinal)
        [revision] = names(world, CONTROLLER_REVISIONS)
        assert status(world) == {
            "observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "currentReplicas": 3, "updatedReplicas": 3, "collisionCount": 0,
            "currentRevision": revision, "updateRevision": revision,
        }  # fmt: skip

    live(scenario, team)


@pytest.mark.parametrize(("policy", "started"), [("OrderedReady", 1), ("Parallel", 3)])
def test_a_pod_that_never_starts_holds_up_those_after_it_unless_they_are_parallel(live, policy, started):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3, podManagementPolicy=policy))
        await world.pass_s(30)
        assert len(pods(world)) == started

    live(scenario, team, lambda pod: (0.0, "Pending") if pod["metadata"]["name"] == "db-0" else None)


def test_pods_go_from_the_last_one_at_a_time(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3))
        await world.pass_s(5)
        await change(world, replicas=0)
        seen = []
        for _ in range(40):
            await world.pass_s(0.1)
            going = [one for one in world.objects.list(PODS) if one["metadata"].get("deletionTimestamp")]
            assert len(going) <= 1
            seen += [name for one in going if (name := one["metadata"]["name"]) not in seen]
        assert seen == ["db-2", "db-1", "db-0"]
        assert status(world)["replicas"] == 0

    live(scenario, team)


def test_an_ended_pod_is_made_anew_under_its_name(live):
    outcomes = {"db-0": [(3.0, "Failed"), None]}

    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(1))
        await world.pass_s(1)
        first = world.objects.list(PODS)[0]["metadata"]["uid"]
        await world.pass_s(10)
        [pod] = world.objects.list(PODS)
        assert (pod["metadata"]["name"], pod["status"]["phase"]) == ("db-0", "Running")
        assert pod["metadata"]["uid"] != first

    live(scenario, team, lambda pod: outcomes[pod["metadata"]["name"]].pop(0))


def test_a_new_template_goes_from_the_last_pod_to_the_first_and_back_again(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3))
        await world.pass_s(5)
        await change(world, template=template("new"))
        await world.pass_s(1.5)
        assert images(world)[0] == "i"
        assert status(world)["currentRevision"] != status(world)["updateRevision"]
        await world.pass_s(20)
        assert images(world) == ["new"] * 3
        assert world.node.started[3:] == ["db-2", "db-1", "db-0"]
        assert status(world)["currentRevision"] == status(world)["updateRevision"]
        await change(world, template=template())
        await world.pass_s(20)
        assert images(world) == ["i"] * 3
        kept = {one["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: one["revision"]
                for one in world.objects.list(CONTROLLER_REVISIONS)}  # fmt: skip
        assert kept == {"new": 2, "i": 3}

    live(scenario, team)


def test_pods_below_the_partition_stay_as_they_were_even_when_they_are_made_anew(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3))
        await world.pass_s(5)
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
        await change(world, template=template("new"), updateStrategy=rolling)
        await world.pass_s(10)
        await world.objects.delete(PODS, "default", "db-0")
        await world.pass_s(10)
        assert images(world) == ["i", "i", "new"]
        assert {name: status(world)[name] for name in ("currentReplicas", "updatedReplicas")} == {
            "currentReplicas": 2, "updatedReplicas": 1,
        }  # fmt: skip

    live(scenario, team)


def test_on_delete_waits_until_somebody_deletes_a_pod(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(2, updateStrategy={"type": "OnDelete"}))
        await world.pass_s(5)
        await change(world, template=template("new"))
        await world.pass_s(20)
        assert images(world) == ["i", "i"]
        await world.objects.delete(PODS, "default", "db-0")
        await world.pass_s(10)
        assert images(world) == ["new", "i"]

    live(scenario, team)


def test_an_update_that_does_not_come_up_stops_at_its_first_pod(live):
    def outcome(pod: Object) -> Any:
        return (0.0, "Pending") if pod["spec"]["containers"][0]["image"] == "bad" else None

    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3))
        await world.pass_s(5)
        await change(world, template=template("bad"))
        await world.pass_s(60)
        assert images(world) == ["i", "i", "bad"]

    live(scenario, team, outcome)


def test_min_ready_seconds_hold_up_the_next_pod(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(2, minReadySeconds=30))
        await world.pass_s(20)
        assert pods(world) == ["db-0"]
        assert (status(world)["readyReplicas"], status(world)["availableReplicas"]) == (1, 0)
        await world.pass_s(20)
        assert pods(world) == ["db-0", "db-1"]

    live(scenario, team)


def test_claims_are_made_once_and_found_again(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(2, volumeClaimTemplates=claims()))
        await world.pass_s(5)
        first = claims_there(world)
        assert list(first) == ["files-db-0", "files-db-1"]
        [volume] = [one for one in world.objects.list(PODS)[1]["spec"]["volumes"] if one["name"] == "files"]
        assert volume["persistentVolumeClaim"] == {"claimName": "files-db-1"}
        await change(world, replicas=0)
        await world.pass_s(10)
        await change(world, replicas=2)
        await world.pass_s(10)
        assert {
            one["metadata"]["name"]: one["metadata"]["uid"] for one in world.objects.list(CLAIMS)
        } == first
        await world.objects.delete(STATEFUL_SETS, "default", "db")
        await world.pass_s(10)
        assert (pods(world), names(world, CONTROLLER_REVISIONS)) == ([], [])
        assert names(world, CLAIMS) == ["files-db-0", "files-db-1"]

    live(scenario, team)


@pytest.mark.parametrize(
    ("scaled", "deleted", "after_scaling", "after_deletion"),
    [
        ("Retain", "Retain", 2, 2),
        ("Delete", "Retain", 1, 1),
        ("Retain", "Delete", 2, 0),
        ("Delete", "Delete", 1, 0),
    ],
)
def test_claims_stay_or_go_as_their_retention_says(live, scaled, deleted, after_scaling, after_deletion):
    async def scenario(world: World) -> None:
        policy = {"whenScaled": scaled, "whenDeleted": deleted}
        body = stateful_set(2, volumeClaimTemplates=claims(), persistentVolumeClaimRetentionPolicy=policy)
        await world.objects.create(STATEFUL_SETS, body)
        await world.pass_s(5)
        await change(world, replicas=1)
        await world.pass_s(20)
        assert len(names(world, CLAIMS)) == after_scaling
        await change(world, replicas=2)
        await world.pass_s(20)
        assert (len(names(world, CLAIMS)), len(pods(world))) == (2, 2)
        await change(world, replicas=1)
        await world.pass_s(20)
        await world.objects.delete(STATEFUL_SETS, "default", "db")
        await world.pass_s(30)
        assert len(names(world, CLAIMS)) == after_deletion

    live(scenario, team)


def test_a_pod_of_somebody_else_under_a_name_of_ours_is_told_and_left_alone(live):
    async def scenario(world: World) -> None:
        pod = {"metadata": {"name": "db-0", "namespace": "default"}, "spec": template()["spec"]}
        await world.objects.create(PODS, pod)
        await world.objects.create(STATEFUL_SETS, stateful_set(1))
        await world.pass_s(5)
        assert world.objects.list(PODS)[0]["metadata"].get("ownerReferences") is None
        assert "already exists" in world.objects.events("FailedCreate")[0]
        await world.objects.delete(PODS, "default", "db-0")
        await world.pass_s(30)
        assert status(world)["readyReplicas"] == 1

    live(scenario, team)


def test_history_keeps_what_is_asked_and_what_pods_have(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(1, revisionHistoryLimit=2))
        for version in range(5):
            await change(world, template=template(f"v{version}"))
            await world.pass_s(5)
        numbers = sorted(one["revision"] for one in world.objects.list(CONTROLLER_REVISIONS))
        assert numbers[-1] - numbers[0] == 2
        assert len(numbers) == 3

    live(scenario, team)


def test_a_set_at_rest_writes_nothing(live):
    async def scenario(world: World) -> None:
        await world.objects.create(STATEFUL_SETS, stateful_set(3, volumeClaimTemplates=claims()))
        await world.pass_s(10)
        assert await world.writes_at_rest(60) == 0

    live(scenario, team)


def test_killed_at_any_write_it_ends_with_each_pod_and_claim_once():
    async def begin(world: World) -> None:
        policy = {"whenScaled": "Delete", "whenDeleted": "Retain"}
        body = stateful_set(2, volumeClaimTemplates=claims(), persistentVolumeClaimRetentionPolicy=policy)
        await world.objects.create(STATEFUL_SETS, body)

    async def check(world: World) -> None:
        await world.pass_s(30)
        assert pods(world) == ["db-0", "db-1"]
        uids = claims_there(world)
        assert list(uids) == ["files-db-0", "files-db-1"]
        assert len(names(world, CONTROLLER_REVISIONS)) == 1
        await change(world, template=template("new"))
        await world.pass_s(30)
        assert images(world) == ["new", "new"]
        assert claims_there(world) == uids
        assert len(world.node.started) == len(set(world.node.started)) + 2
        await change(world, replicas=1)
        await world.pass_s(30)
        assert (pods(world), names(world, CLAIMS)) == (["db-0"], ["files-db-0"])

    assert die_everywhere(begin, check, team) > 15


def test_killed_at_any_write_of_an_update_and_a_scaling_it_goes_on():
    async def begin(world: World) -> None:
        world.start()
        await world.objects.create(STATEFUL_SETS, stateful_set(3, volumeClaimTemplates=claims()))
        await world.pass_s(10)
        await world.kill()
        await change(world, template=template("new"), replicas=2)

    async def check(world: World) -> None:
        await world.pass_s(30)
        assert images(world) == ["new", "new"]
        assert status(world)["currentRevision"] == status(world)["updateRevision"]
        assert sorted(one["revision"] for one in world.objects.list(CONTROLLER_REVISIONS)) == [1, 2]
        assert len(names(world, CLAIMS)) == 3

    assert die_everywhere(begin, check, team) > 8


def test_a_refused_pod_is_told(live):
    async def scenario(world: World) -> None:
        real = world.objects.create

        async def refusing(resource: Any, body: Object) -> Object:
            if resource == PODS:
                raise ApiError(403, "Forbidden", "no room")
            return await real(resource, body)

        await world.objects.create(STATEFUL_SETS, stateful_set(1))
        await world.pass_s(1)
        await world.kill()
        world.objects.create = refusing
        await world.objects.delete(PODS, "default", "db-0")
        world.start()
        await world.pass_s(10)
        message = "Create Pod db-0 in StatefulSet db failed error: no room"
        assert message in world.objects.events("FailedCreate")
        world.objects.create = real
        await world.pass_s(60)
        assert status(world)["readyReplicas"] == 1

    live(scenario, team)
