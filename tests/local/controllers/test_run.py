from __future__ import annotations

from collections.abc import Mapping

from parts.world import World
from tidegate.kube.resource import (
    CLAIMS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    ENDPOINTS,
    HPAS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    SERVICES,
    VOLUMES,
)
from tidegate.local.controllers import conditions
from tidegate.local.controllers.hpa.metric_samples import Samples
from tidegate.local.controllers.run import reconcilers
from tidegate.local.objects import Object

KINDS = [CLAIMS, CONFIG_MAPS, DEPLOYMENTS, ENDPOINTS, HPAS, JOBS, NAMESPACES, PODS, REPLICA_SETS, SERVICES]


async def twenty(namespace: str, name: str, labels: Mapping[str, str]) -> list[float]:
    return [20.0]


async def no_usage(namespace: str, selector: str, resource: str, container: str) -> list[object]:
    return []


def team(objects, clock):
    return reconcilers(objects, clock, lambda: KINDS, Samples(twenty, no_usage))


def template() -> Object:
    spec = {"containers": [{"name": "c", "image": "i"}]}
    return {"metadata": {"labels": {"app": "web"}}, "spec": spec}


def named(name: str, **content: object) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, **content}


def test_the_controllers_together_bring_a_small_world_to_rest(live):
    async def scenario(world: World) -> None:
        labels = {"matchLabels": {"app": "web"}}
        target = {"type": "AverageValue", "averageValue": "5"}
        metric = {"type": "External", "external": {"metric": {"name": "jobs"}, "target": target}}
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
        storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        wanted = [
            (DEPLOYMENTS, named("web", spec={"replicas": 1, "selector": labels, "template": template()})),
            (SERVICES, named("web", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})),
            (HPAS, named("web", spec={"scaleTargetRef": ref, "maxReplicas": 9, "metrics": [metric]})),
            (CLAIMS, named("files", spec=storage)),
        ]
        for resource, body in wanted:
            await world.objects.create(resource, body)
        await world.pass_s(60)
        web = world.objects.get(DEPLOYMENTS, "default", "web")
        assert web
        assert web["status"]["availableReplicas"] == web["spec"]["replicas"] == 4
        assert conditions.is_true(web["status"]["conditions"], "Available")
        endpoints = world.objects.get(ENDPOINTS, "default", "web")
        assert endpoints
        assert len(endpoints["subsets"][0]["addresses"]) == 4
        assert len(world.objects.list(VOLUMES)) == 1
        for resource, body in wanted:
            await world.objects.delete(resource, "default", body["metadata"]["name"])
        await world.pass_s(60)
        for resource in (DEPLOYMENTS, REPLICA_SETS, PODS, SERVICES, ENDPOINTS, HPAS, CLAIMS, VOLUMES):
            assert world.objects.list(resource) == [], resource.kind

    live(scenario, team)
