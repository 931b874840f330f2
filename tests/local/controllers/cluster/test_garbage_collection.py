from __future__ import annotations

from typing import Any

import pytest

from parts.world import World, die_everywhere
from tidegate.kube.resource import (
    CONFIG_MAPS,
    CRDS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
    Resource,
)
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.cluster.namespaces import Namespaces
from tidegate.local.controllers.cluster.root_authority import RootAuthority
from tidegate.local.controllers.cluster.scheduler import Scheduler
from tidegate.local.controllers.owner_references import references
from tidegate.local.controllers.workloads.deployments import Deployments
from tidegate.local.controllers.workloads.replicasets import ReplicaSets
from tidegate.local.objects import AUTHORITY, Object

KINDS = [CONFIG_MAPS, CRDS, DEPLOYMENTS, JOBS, NODES, PODS, REPLICA_SETS, SECRETS, SERVICE_ACCOUNTS]


def team(objects, clock):
    return [Garbage(objects, clock, lambda: KINDS), Namespaces(objects, lambda: KINDS)]


def whole_team(objects, clock):
    workloads = [Deployments(objects, clock), ReplicaSets(objects, clock), Scheduler(objects, clock)]
    return [*team(objects, clock), *workloads]


def named(name: str, *owners: dict[str, Any], **metadata: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default", "ownerReferences": list(owners), **metadata}}


def owned_by(owner: Object, blocks: bool = False, **changes: Any) -> dict[str, Any]:
    metadata = owner["metadata"]
    ref = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"]}
    return {**ref, "uid": metadata["uid"], "blockOwnerDeletion": blocks, **changes}


async def make(world: World, name: str, *owners: dict[str, Any], **metadata: Any) -> Object:
    return await world.objects.create(CONFIG_MAPS, named(name, *owners, **metadata))


def names(world: World, resource: Resource = CONFIG_MAPS) -> list[str]:
    """The names of what the tests made: every namespace has its ConfigMap of the authority beside."""
    found = [one["metadata"]["name"] for one in world.objects.list(resource)]
    return [name for name in found if name != AUTHORITY]


def test_a_namespace_has_an_account_and_the_authority_and_gets_them_back(live):
    def keepers(objects, clock):
        return [Namespaces(objects, lambda: KINDS), RootAuthority(objects, "PEM")]

    async def scenario(world: World) -> None:
        await world.objects.create(NAMESPACES, {"metadata": {"name": "mine"}})
        await world.pass_s(1)
        for _ in range(2):
            for namespace in ("default", "mine"):
                assert world.objects.get(SERVICE_ACCOUNTS, namespace, "default") is not None
                found = world.objects.get(CONFIG_MAPS, namespace, AUTHORITY)
                assert found is not None
                assert found["data"] == {"ca.crt": "PEM"}
            await world.objects.delete(SERVICE_ACCOUNTS, "mine", "default")
            await world.objects.delete(CONFIG_MAPS, "mine", AUTHORITY)
            await world.objects.patch(CONFIG_MAPS, "default", AUTHORITY, {"data": {"ca.crt": "another"}})
            await world.pass_s(1)

    live(scenario, keepers)


def test_dependants_of_dependants_go_with_the_first_owner(live):
    async def scenario(world: World) -> None:
        first = await make(world, "first")
        second = await make(world, "second", owned_by(first))
        await make(world, "third", owned_by(second))
        await make(world, "other")
        await world.pass_s(60)
        assert len(names(world)) == 4
        await world.objects.delete(CONFIG_MAPS, "default", "first")
        await world.pass_s(1)
        assert names(world) == ["other"]

    live(scenario, team)


def test_one_living_owner_keeps_an_object_and_the_dead_reference_is_dropped(live):
    async def scenario(world: World) -> None:
        first, second = await make(world, "first"), await make(world, "second")
        await make(world, "child", owned_by(first), owned_by(second))
        await world.objects.delete(CONFIG_MAPS, "default", "first")
        await world.pass_s(60)
        child = world.objects.get(CONFIG_MAPS, "default", "child")
        assert child
        assert [ref["name"] for ref in references(child)] == ["second"]
        await world.objects.delete(CONFIG_MAPS, "default", "second")
        await world.pass_s(1)
        assert names(world) == []

    live(scenario, team)


@pytest.mark.parametrize(
    "wrong", [{"uid": "another"}, {"name": "nobody"}, {"kind": "Secret", "name": "absent"}]
)
def test_an_owner_that_was_never_there_counts_as_absent_after_a_while(live, wrong: dict[str, Any]):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")
        await make(world, "child", owned_by(owner, **wrong))
        await world.pass_s(4)
        assert names(world) == ["child", "owner"]
        await world.pass_s(3)
        assert names(world) == ["owner"]

    live(scenario, team)


def test_an_owner_in_another_namespace_is_no_owner(live):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")
        await world.objects.create(NAMESPACES, {"metadata": {"name": "elsewhere"}})
        await world.objects.create(CONFIG_MAPS, named("child", owned_by(owner), namespace="elsewhere"))
        await world.pass_s(10)
        assert names(world) == ["owner"]

    live(scenario, team)


def test_an_owner_that_appears_in_time_is_believed(live):
    async def scenario(world: World) -> None:
        ref = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "uid-2"}
        await make(world, "child", ref)
        await world.pass_s(3)
        owner = await make(world, "owner")
        patch = {"metadata": {"ownerReferences": [owned_by(owner)]}}
        await world.objects.patch(CONFIG_MAPS, "default", "child", patch)
        await world.pass_s(60)
        assert names(world) == ["child", "owner"]

    live(scenario, team)


def test_a_suspicion_that_was_cleared_does_not_shorten_the_next(live):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")

        async def name_owner(**changes: Any) -> None:
            patch = {"metadata": {"ownerReferences": [owned_by(owner, **changes)]}}
            await world.objects.patch(CONFIG_MAPS, "default", "child", patch)

        await make(world, "child", owned_by(owner, uid="wrong"))
        await world.pass_s(2)
        await name_owner()
        await world.pass_s(20)
        await name_owner(uid="wrong")
        await world.pass_s(2)
        await name_owner()
        await world.pass_s(20)
        assert names(world) == ["child", "owner"]

    live(scenario, team)


def test_an_owner_of_a_kind_that_is_not_served_is_given_the_benefit_of_the_doubt(live):
    async def scenario(world: World) -> None:
        ref = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "x", "uid": "y"}
        await make(world, "child", ref)
        await world.pass_s(60)
        assert names(world) == ["child"]

    live(scenario, team)


def test_a_cluster_scoped_owner_may_own_in_any_namespace(live):
    async def scenario(world: World) -> None:
        node = await world.objects.create(NODES, {"metadata": {"name": "other"}})
        await make(world, "child", owned_by(node))
        await world.pass_s(60)
        assert names(world) == ["child"]
        await world.objects.delete(NODES, "", "other")
        await world.pass_s(1)
        assert names(world) == []

    live(scenario, team)


def test_in_the_foreground_the_owner_stays_until_its_blocking_dependants_are_gone(live):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")
        await make(world, "held", owned_by(owner, blocks=True), finalizers=["example.com/hold"])
        await make(world, "free", owned_by(owner, blocks=True))
        await world.objects.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
        await world.pass_s(30)
        assert names(world) == ["held", "owner"]
        await world.objects.patch(CONFIG_MAPS, "default", "held", {"metadata": {"finalizers": []}})
        await world.pass_s(1)
        assert names(world) == []

    live(scenario, team)


def test_in_the_foreground_nobody_waits_for_a_dependant_that_was_released(live):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")
        await make(world, "held", owned_by(owner, blocks=True), finalizers=["example.com/hold"])
        await world.objects.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
        await world.pass_s(1)
        assert names(world) == ["held", "owner"]
        await world.objects.patch(CONFIG_MAPS, "default", "held", {"metadata": {"ownerReferences": []}})
        await world.pass_s(1)
        assert names(world) == ["held"]

    live(scenario, team)


def test_in_the_foreground_nobody_waits_for_what_does_not_block(live):
    async def scenario(world: World) -> None:
        owner = await make(world, "owner")
        await make(world, "held", owned_by(owner), finalizers=["example.com/hold"])
        await world.objects.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
        await world.pass_s(1)
        assert names(world) == ["held"]
        held = world.objects.get(CONFIG_MAPS, "default", "held")
        assert held
        assert held["metadata"]["deletionTimestamp"]

    live(scenario, team)


def test_orphans_stay_and_name_no_owner(live):
    async def scenario(world: World) -> None:
        owner, other = await make(world, "owner"), await make(world, "other")
        await make(world, "child", owned_by(owner), owned_by(other))
        await make(world, "only", owned_by(owner))
        await world.objects.delete(CONFIG_MAPS, "default", "owner", propagation="Orphan")
        await world.pass_s(60)
        assert names(world) == ["child", "only", "other"]
        child, only = (world.objects.get(CONFIG_MAPS, "default", name) for name in ("child", "only"))
        assert child
        assert only
        assert [ref["name"] for ref in references(child)] == ["other"]
        assert references(only) == []

    live(scenario, team)


THINGS = Resource("example.com", "v1", "things", "Thing")


def definition() -> Object:
    version = {"name": "v1", "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": {"type": "object"}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    return {"metadata": {"name": "things.example.com"}, "spec": spec}


def test_a_kind_that_arrives_later_is_followed(live):
    def growing(objects, clock):
        kinds = list(KINDS)
        objects.subscribe([CRDS], lambda change: kinds.append(THINGS))
        return [Garbage(objects, clock, lambda: kinds)]

    async def scenario(world: World) -> None:
        await world.objects.create(CRDS, definition())
        await world.pass_s(1)
        owner = await world.objects.create(THINGS, named("owner"))
        await make(world, "child", owned_by(owner))
        await world.pass_s(60)
        assert names(world) == ["child"]
        await world.objects.delete(THINGS, "default", "owner")
        await world.pass_s(1)
        assert names(world) == []

    live(scenario, growing)


def test_killed_at_any_write_garbage_is_still_collected():
    async def begin(world: World) -> None:
        owner = await make(world, "owner")
        middle = await make(world, "middle", owned_by(owner, blocks=True))
        await make(world, "child", owned_by(middle, blocks=True))
        freed = await make(world, "freed")
        await make(world, "orphan", owned_by(freed))
        await world.objects.delete(CONFIG_MAPS, "default", "owner", propagation="Foreground")
        await world.objects.delete(CONFIG_MAPS, "default", "freed", propagation="Orphan")

    async def check(world: World) -> None:
        await world.pass_s(30)
        assert names(world) == ["orphan"]

    assert die_everywhere(begin, check, team) >= 6


async def web(world: World, namespace: str = "default") -> None:
    labels = {"matchLabels": {"app": "web"}}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    body = {"metadata": {"name": "web", "namespace": namespace}}
    body["spec"] = {"replicas": 2, "selector": labels, "template": template}
    await world.objects.create(DEPLOYMENTS, body)
    await world.pass_s(5)
    assert len(names(world, PODS)) == 2


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
def test_a_deleted_deployment_takes_its_replica_sets_and_pods_along(live, propagation: Any):
    async def scenario(world: World) -> None:
        await web(world)
        await world.objects.delete(DEPLOYMENTS, "default", "web", propagation=propagation)
        await world.pass_s(0.5)
        assert (names(world, DEPLOYMENTS) == []) is (propagation == "Background")
        await world.pass_s(10)
        assert [names(world, one) for one in (DEPLOYMENTS, REPLICA_SETS, PODS)] == [[], [], []]
        assert len(world.node.started) == 2

    live(scenario, whole_team)


def test_a_namespace_that_goes_away_takes_everything_along(live):
    async def scenario(world: World) -> None:
        await world.objects.create(NAMESPACES, {"metadata": {"name": "team"}})
        await world.pass_s(1)
        accounts = [one["metadata"] for one in world.objects.list(SERVICE_ACCOUNTS, "team")]
        assert [one["name"] for one in accounts] == ["default"]
        await web(world, "team")
        held = named("held", namespace="team", finalizers=["example.com/hold"])
        await world.objects.create(CONFIG_MAPS, held)
        await world.objects.delete(NAMESPACES, "", "team")
        await world.pass_s(10)
        assert names(world) == ["held"]
        assert world.objects.get(NAMESPACES, "", "team")
        await world.objects.patch(CONFIG_MAPS, "team", "held", {"metadata": {"finalizers": []}})
        await world.pass_s(5)
        assert world.objects.get(NAMESPACES, "", "team") is None
        assert [names(world, one) for one in (DEPLOYMENTS, REPLICA_SETS, PODS)] == [[], [], []]

    live(scenario, whole_team)


def test_nothing_lives_on_in_a_namespace_that_went_at_once(live):
    async def scenario(world: World) -> None:
        made = await world.objects.create(NAMESPACES, {"metadata": {"name": "team"}})
        await web(world, "team")
        made = world.objects.get(NAMESPACES, "", "team") or made
        await world.objects.update(NAMESPACES, {**made, "spec": {"finalizers": []}}, subresource="finalize")
        await world.objects.delete(NAMESPACES, "", "team")
        assert world.objects.get(NAMESPACES, "", "team") is None
        await world.pass_s(10)
        assert [names(world, one) for one in (DEPLOYMENTS, REPLICA_SETS, PODS)] == [[], [], []]

    live(scenario, whole_team)
