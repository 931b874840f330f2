from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import CLAIMS, PODS, STORAGE_CLASSES, VOLUMES
from tidegate.local.controllers.cluster.volume_claims import Claims
from tidegate.local.objects import Object


def team(objects, clock):
    return [Claims(objects, clock)]


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


def made(name: str = "mine", labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A volume that somebody makes."""
    size = {"storage": spec.pop("size", "1Gi")}
    plain = {"hostPath": {"path": "/x"}, "accessModes": ["ReadWriteMany"], "capacity": size}
    policy = {"persistentVolumeReclaimPolicy": "Retain"}
    metadata = {"name": name, "labels": labels or {}, "finalizers": ["kubernetes.io/pv-protection"]}
    return {"metadata": metadata, "spec": {**plain, **policy, **spec}}


def phase(world: World, name: str = "mine") -> str:
    found = world.objects.get(VOLUMES, "", name)
    return found["status"]["phase"] if found else ""


def bound_to(world: World) -> str:
    """The volume of the claim, "" while it waits."""
    found = world.objects.get(CLAIMS, "default", "files")
    assert found
    return found["spec"].get("volumeName", "") if found["status"]["phase"] == "Bound" else ""


FOR_ANOTHER = {"claimRef": {"namespace": "default", "name": "other"}}
FOR_IT = {"claimRef": {"namespace": "default", "name": "files"}}


@pytest.mark.parametrize(
    ("volume", "wanted", "is_bound"),
    [
        ({}, {}, True),
        ({"size": "500Mi"}, {}, False),
        ({"storageClassName": "manual"}, {}, False),
        ({"storageClassName": "manual"}, {"storageClassName": "manual"}, True),
        ({"accessModes": ["ReadWriteOnce"]}, {}, False),
        ({"volumeMode": "Block"}, {}, False),
        (FOR_ANOTHER, {}, False),
        (FOR_IT, {}, True),
        ({**FOR_IT, "storageClassName": "manual"}, {}, True),
        ({"labels": {"a": "b"}}, {"selector": {"matchLabels": {"a": "b"}}}, True),
        ({"labels": {"a": "c"}}, {"selector": {"matchLabels": {"a": "b"}}}, False),
        ({}, {"volumeName": "mine"}, True),
        ({"size": "500Mi"}, {"volumeName": "mine"}, False),
        (FOR_ANOTHER, {"volumeName": "mine"}, False),
    ],
)
def test_a_volume_made_by_hand_is_bound_to_the_claim_that_it_fits(live, volume, wanted, is_bound):
    async def scenario(world: World) -> None:
        await world.objects.create(VOLUMES, made(**volume))
        await world.pass_s(1)
        assert phase(world) == "Available"
        await world.objects.create(CLAIMS, claim(**wanted))
        await world.pass_s(10)
        assert (bound_to(world) == "mine", phase(world) == "Bound") == (is_bound, is_bound)
        if is_bound:
            found = world.objects.get(CLAIMS, "default", "files")
            assert found["status"]["capacity"] == {"storage": "1Gi"}
            assert len(volumes(world)) == 1

    live(scenario, team)


def test_the_smallest_that_fits_is_taken_and_two_claims_never_get_one(live):
    async def scenario(world: World) -> None:
        for name, size in (("big", "9Gi"), ("small", "2Gi"), ("tiny", "1Mi")):
            await world.objects.create(VOLUMES, made(name, size=size))
        await world.objects.create(CLAIMS, claim(storageClassName=""))
        await world.pass_s(1)
        second = claim(storageClassName="")
        second["metadata"]["name"] = "more"
        await world.objects.create(CLAIMS, second)
        await world.pass_s(5)
        taken = {one["spec"]["volumeName"] for one in world.objects.list(CLAIMS)}
        assert taken == {"small", "big"}
        assert (phase(world, "tiny"), bound_to(world)) == ("Available", "small")

    live(scenario, team)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"storageClassName": ""}, "FailedBinding"),
        ({"selector": {"matchLabels": {"a": "b"}}}, "ProvisioningFailed"),
        ({"storageClassName": "static"}, "ProvisioningFailed"),
        ({"volumeName": "mine"}, ""),
    ],
)
def test_a_claim_for_a_volume_that_is_not_there_waits_for_it_and_says_so(live, wanted, reason):
    async def scenario(world: World) -> None:
        kind = {"metadata": {"name": "static"}, "provisioner": "kubernetes.io/no-provisioner"}
        await world.objects.create(STORAGE_CLASSES, kind)
        await world.objects.create(CLAIMS, claim(**wanted))
        await world.pass_s(60)
        assert (bound_to(world), volumes(world)) == ("", [])
        assert not reason or len(world.objects.events(reason)) == 1
        spec = {"storageClassName": wanted.get("storageClassName", "")}
        await world.objects.create(VOLUMES, made(labels={"a": "b"}, **spec))
        await world.pass_s(5)
        assert bound_to(world) == "mine"

    live(scenario, team)


def test_a_volume_that_comes_a_little_after_its_claim_is_still_the_one(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim(storageClassName="manual"))
        await world.pass_s(1)
        await world.objects.create(VOLUMES, made(storageClassName="manual"))
        await world.pass_s(10)
        assert (bound_to(world), len(volumes(world))) == ("mine", 1)

    live(scenario, team)


def test_a_class_that_nobody_describes_gives_a_volume_after_a_while(live):
    async def scenario(world: World) -> None:
        await world.objects.create(CLAIMS, claim(storageClassName="gp2"))
        await world.pass_s(10)
        assert bound_to(world).startswith("pvc-")

    live(scenario, team)


@pytest.mark.parametrize(("policy", "left"), [("Retain", "Released"), ("Delete", "Failed")])
def test_what_becomes_of_a_volume_made_by_hand_when_its_claim_goes(live, policy, left):
    async def scenario(world: World) -> None:
        await world.objects.create(VOLUMES, made(persistentVolumeReclaimPolicy=policy))
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(2)
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(5)
        assert phase(world) == left
        await world.objects.create(CLAIMS, claim(storageClassName=""))
        await world.pass_s(5)
        assert bound_to(world) == ""
        await world.objects.patch(VOLUMES, "", "mine", {"spec": {"claimRef": None}})
        await world.pass_s(5)
        assert bound_to(world) == "mine"

    live(scenario, team)


@pytest.mark.parametrize(("policy", "left"), [("Retain", ["Released"]), ("Delete", [])])
def test_a_class_says_what_becomes_of_the_volumes_that_are_made_for_it(live, policy, left):
    async def scenario(world: World) -> None:
        kind = {"metadata": {"name": "keeps"}, "provisioner": "x.example/disks", "reclaimPolicy": policy}
        await world.objects.create(STORAGE_CLASSES, kind)
        await world.objects.create(CLAIMS, claim(storageClassName="keeps"))
        await world.pass_s(2)
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(5)
        assert [one["status"]["phase"] for one in volumes(world)] == left

    live(scenario, team)


def test_a_claim_that_loses_its_volume_says_so(live):
    async def scenario(world: World) -> None:
        await world.objects.create(VOLUMES, made())
        await world.objects.create(CLAIMS, claim())
        await world.pass_s(2)
        await world.objects.delete(VOLUMES, "", "mine")
        await world.pass_s(2)
        assert phase(world) == "Bound"
        await world.objects.patch(VOLUMES, "", "mine", {"metadata": {"finalizers": None}})
        await world.pass_s(2)
        found = world.objects.get(CLAIMS, "default", "files")
        assert found["status"]["phase"] == "Lost"
        assert len(world.objects.events("ClaimLost")) == 1

    live(scenario, team)


def test_killed_at_any_write_a_volume_made_by_hand_is_bound_once_and_released_once():
    async def begin(world: World) -> None:
        await world.objects.create(VOLUMES, made())
        await world.objects.create(CLAIMS, claim())

    async def check(world: World) -> None:
        await world.pass_s(10)
        assert (bound_to(world), phase(world), len(volumes(world))) == ("mine", "Bound", 1)
        await world.objects.delete(CLAIMS, "default", "files")
        await world.pass_s(5)
        assert phase(world) == "Released"

    assert die_everywhere(begin, check, team) >= 4


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
