"""A look at the target: an unknown kind and missing requests refuse, what cannot be seen only warns."""

from __future__ import annotations

from typing import Any

import pytest

from parts.memory_client import MemoryClient
from parts.memory_objects import MemoryObjects
from tidegate.admission.workloads import Seen, Workloads
from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import DEPLOYMENTS, LIMIT_RANGES, STATEFUL_SETS, Resource
from tidegate.runtime.clock import SystemClock

Object = dict[str, Any]
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout")
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
CLOCK = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "2"},
}


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects(SystemClock())


@pytest.fixture
def client(objects: MemoryObjects) -> MemoryClient:
    served = (DEPLOYMENTS, STATEFUL_SETS, LIMIT_RANGES, ROLLOUTS)
    return MemoryClient(objects, SystemClock(), served)


async def looked(client: MemoryClient, *triggers: Object, **target: str) -> Seen:
    object = decode(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"name": "web", **target},
                "minReplicaCount": 1,
                "triggers": list(triggers or (CPU,)),
            },
        }
    )
    assert isinstance(object, ScaledObject)
    return await Workloads(client).look(object)  # type: ignore[arg-type]


async def workload(objects: MemoryObjects, resource: Resource, **resources: Any) -> None:
    container = {"name": "work", "image": "i", "resources": resources}
    spec = {"template": {"spec": {"containers": [container]}}}
    await objects.create(resource, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})


@pytest.mark.parametrize(("kind", "resource"), [("Deployment", DEPLOYMENTS), ("StatefulSet", STATEFUL_SETS)])
async def test_containers_that_request_nothing_are_refused(
    objects: MemoryObjects, client: MemoryClient, kind: str, resource: Resource
) -> None:
    await workload(objects, resource)
    (problem,) = (await looked(client, kind=kind)).problems
    assert "doesn't have the cpu request defined" in problem.message


async def test_requests_or_a_limit_range_are_enough(objects: MemoryObjects, client: MemoryClient) -> None:
    await workload(objects, STATEFUL_SETS, requests={"cpu": "1"})
    assert await looked(client, kind="StatefulSet") == Seen()
    await workload(objects, DEPLOYMENTS)
    limits = [{"type": "Container", "defaultRequest": {"cpu": "1"}}]
    metadata = {"name": "usual", "namespace": "shop"}
    await objects.create(LIMIT_RANGES, {"metadata": metadata, "spec": {"limits": limits}})
    assert await looked(client) == Seen()


async def test_a_workload_that_is_not_there_yet_is_warned_of(client: MemoryClient) -> None:
    seen = await looked(client)
    assert seen.problems == ()
    assert "Deployment web is not there yet" in seen.warnings[0]


async def test_other_triggers_and_other_kinds_need_no_requests(client: MemoryClient) -> None:
    assert await looked(client, CLOCK) == Seen()
    assert await looked(client, apiVersion="argoproj.io/v1alpha1", kind="Rollout") == Seen()


@pytest.mark.parametrize(
    ("api_version", "kind"), [("argoproj.io/v1alpha1", "Rolout"), ("none.example/v1", "Rollout")]
)
async def test_a_kind_that_the_cluster_has_not_is_refused(
    client: MemoryClient, api_version: str, kind: str
) -> None:
    (problem,) = (await looked(client, CLOCK, apiVersion=api_version, kind=kind)).problems
    assert problem.message == f'no matches for kind "{kind}" in version "{api_version}"'


async def test_a_server_that_does_not_answer_refuses_nothing(client: MemoryClient) -> None:
    client.undiscovered = Unreachable("ask the API server", answer="connection refused")
    seen = await looked(client)
    assert seen.problems == ()
    assert "the workload was not looked at: cannot ask the API server: connection refused" in seen.warnings[0]
