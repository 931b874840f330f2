"""ClusterRoles that are made of others follow them."""

from __future__ import annotations

from typing import Any

from parts.world import World
from tidegate.kube.resource import CLUSTER_ROLES
from tidegate.local.controllers.cluster.role_aggregation import RoleAggregation, aggregated

PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
JOBS = {"verbs": ["get"], "apiGroups": ["batch"], "resources": ["jobs"]}


def role(name: str, *rules: dict[str, Any], chooses: str = "", **labels: str) -> dict[str, Any]:
    body: dict[str, Any] = {"metadata": {"name": name, "labels": labels}, "rules": list(rules)}
    if chooses:
        body["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {chooses: "true"}}]}
    return body


def test_each_rule_stands_once_by_the_names_of_the_roles() -> None:
    whole = role("whole", chooses="part", part="true")
    others = [
        role("b", PODS, JOBS, part="true"),
        role("a", JOBS, part="true"),
        role("c", {**PODS, "verbs": ["list"]}, part="false"),
        whole,
    ]
    assert aggregated(whole, others) == [JOBS, PODS]


def test_a_role_follows_those_that_it_chooses(live: Any) -> None:
    async def scenario(world: World) -> None:
        objects = world.objects

        async def make(*args: Any, **more: Any) -> None:
            await objects.create(CLUSTER_ROLES, role(*args, **more))

        await make("own-view", chooses="to-view", **{"to-edit": "true"})
        await make("own-edit", chooses="to-edit")
        await make("mine", PODS, **{"to-view": "true"})
        await make("plain", JOBS)
        await world.pass_s(1)
        assert rules(world, "own-edit") == [PODS], "through a role that is made of others, too"
        await objects.patch(CLUSTER_ROLES, "", "mine", {"rules": [PODS, JOBS]})
        await world.pass_s(1)
        assert rules(world, "own-view") == rules(world, "own-edit") == [PODS, JOBS]
        await objects.delete(CLUSTER_ROLES, "", "mine")
        await world.pass_s(1)
        assert not rules(world, "own-edit")
        assert rules(world, "plain") == [JOBS]

    live(scenario, lambda objects, clock: [RoleAggregation(objects)])


def rules(world: World, name: str) -> Any:
    found = world.objects.get(CLUSTER_ROLES, "", name)
    assert found is not None
    return found.get("rules")
