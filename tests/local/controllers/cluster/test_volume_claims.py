from __future__ import annotations

from typing import Any

from parts.world import World, die_everywhere
from tidegate.kube.resource import CLAIMS, PODS, VOLUMES
from tidegate.local.controllers.cluster.volume_claims import Claims
from tidegate.local.objects import Object


def team(objects, clock):
    return [Claims(objects)]


def claim(**spec: Any) -> Object:
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"metadata": {"name": "files", "namespace": "default"}, "spec": spec}


def volumes(world: World) -> list[Object]:
    return world.objects.list(VOLUMES)


def test_a_claim_is_bound_at_once_to_a_volume_of_its_own(live):
    async def scenario(world: World) -> None:
        made = await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        found = world.objects.get(CLAIMS, "default", "files")
        assert found
        assert found["status"] == {
            "phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"},
        }  # fmt: skip
        (volume,) = volumes(world)
        uid = made["metadata"]["uid"]
        assert found["spec"]["volumeName"] == volume["metadata"]["name"] == f"pvc-{uid}"
        assert volume["status"]["phase"] == "Bound"
        assert volume["spec"]["storageClassName"] == found["spec"].get("storageClassName", "")
        assert volume["spec"]["claimRef"]["uid"] == volume["spec"]["csi"]["volumeHandle"] == uid

    live(scenario, team)


def test_the_volume_goes_with_its_claim_and_a_new_claim_gets_a_new_one(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        first = volumes(world)[0]["metadata"]["name"]
        await world.kill()
        await world.objects.delete(CLAIMS, "default", "files")
        world.start()
        await world.pass_s(1)
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        (second,) = [one["metadata"]["name"] for one in volumes(world)]
        assert second != first
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(1)
        assert volumes(world) == []

    live(scenario, team)


def pod(name: str, claim_name: str, **spec: Any) -> Object:
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}]
    containers = [{"name": "c", "image": "i"}]
    spec = {"containers": containers, "volumes": volumes, "nodeName": "local", **spec}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def test_a_claim_in_use_is_terminating_until_its_last_pod_has_ended(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        for name in ("one", "two"):
            await world.objects.create(PODS, pod(name, "files"))
        await world.objects.create(PODS, pod("other", "others"))
        await world.pass_s(1)
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(60)
        found = world.objects.get(CLAIMS, "default", "files")
        assert found is not None
        assert found["metadata"]["deletionTimestamp"]
        assert found["status"]["phase"] == "Bound"
        await world.objects.delete(PODS, "default", "one", grace_s=0)
        await world.pass_s(5)
        assert world.objects.get(CLAIMS, "default", "files") is not None
        await world.objects.patch(PODS, "default", "two", {"status": {"phase": "Succeeded"}}, "status")
        await world.pass_s(5)
        assert world.objects.get(CLAIMS, "default", "files") is None
        assert volumes(world) == []

    live(scenario, team)


def test_a_claim_that_no_pod_runs_on_goes_at_once(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        await world.objects.create(PODS, pod("waits", "files", nodeName=""))
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(1)
        assert world.objects.get(CLAIMS, "default", "files") is None

    live(scenario, team)


def test_a_volume_with_its_claim_is_terminating_until_the_claim_goes(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        await world.objects.delete(VOLUMES, "", volumes(world)[0]["metadata"]["name"])
        await world.pass_s(5)
        (volume,) = volumes(world)
        assert volume["metadata"]["deletionTimestamp"]
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(5)
        assert volumes(world) == []

    live(scenario, team)


def test_a_claim_of_an_older_version_is_held_too(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(1)
        await world.kill()
        await world.objects.patch(CLAIMS, "default", "files", {"metadata": {"finalizers": None}})
        world.start()
        await world.pass_s(1)
        found = world.objects.get(CLAIMS, "default", "files")
        assert found
        assert found["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]

    live(scenario, team)


def test_a_volume_made_by_hand_is_available(live):
    async def scenario(world: World) -> None:
        spec = {"hostPath": {"path": "/x"}, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
        await world.objects.create(VOLUMES, {"metadata": {"name": "mine"}, "spec": spec})
        await world.pass_s(1)
        (volume,) = volumes(world)
        assert volume["status"]["phase"] == "Available"
        await world.objects.delete(VOLUMES, "", "mine")
        assert volumes(world) == []

    live(scenario, team)


def test_a_volume_made_by_hand_is_declined_with_a_reason(live):
    async def scenario(world: World) -> None:
        spec = {"hostPath": {"path": "/x"}, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}
        await world.objects.create(VOLUMES, {"metadata": {"name": "mine"}, "spec": spec})
        await world.objects.create(CLAIMS, claim(volumeName="mine"))
        await world.pass_s(1)
        (message,) = world.objects.events("ProvisioningFailed")
        assert message == 'volume "mine" was not made here; leave spec.volumeName out to be given one'
        assert len(volumes(world)) == 1

    live(scenario, team)


def test_killed_at_any_write_each_claim_has_one_volume():
    async def begin(world: World) -> None:
        await world.objects.create(CLAIMS, claim())

    async def check(world: World) -> None:
        await world.pass_s(10)
        assert len(volumes(world)) == 1
        found = world.objects.get(CLAIMS, "default", "files")
        assert found
        assert found["status"]["phase"] == volumes(world)[0]["status"]["phase"] == "Bound"

    assert die_everywhere(begin, check, team) == 5
