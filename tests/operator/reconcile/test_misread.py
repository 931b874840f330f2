"""An object that does not fit its kind is never silent, and what can be read of it goes on."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, redis, running
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    EVENTS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

BEHAVIOR = "spec.advanced.horizontalPodAutoscalerConfig.behavior"


def ready(cluster: Cluster, resource: Resource = SCALED_OBJECTS, name: str = "web") -> tuple[str, str, str]:
    return cluster.condition(resource, name, "Ready")


def behaving(**down: Any) -> dict[str, Any]:
    return {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": down}}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            {"minReplicaCount": "two"},
            'spec.minReplicaCount: Invalid value: "two": spec.minReplicaCount in body must be of type '
            'integer: "string"',
        ),
        ({"cooldownPeriod": -1}, "spec.cooldownPeriod: Invalid value: -1"),
        ({"fallback": {"failureThreshold": 1}}, "spec.fallback.replicas: Required value"),
        ({"scaleTargetRef": {}}, "spec.scaleTargetRef.name: Required value"),
        ({"triggers": "redis"}, 'spec.triggers in body must be of type array: "string"'),
        ({"advanced": [1]}, 'spec.advanced in body must be of type object: "array"'),
    ],
)
@operated(jobs=3)
async def test_where_the_number_could_be_another_nothing_is_done_and_that_is_told(
    clock: Any, cluster: Cluster, spec: dict[str, Any], told: str
) -> None:
    await cluster.deployment(replicas=2)
    await cluster.scaled_object(**spec)
    await clock.sleep(600)
    assert ready(cluster)[:2] == ("False", "ScaledObjectCheckFailed")
    assert told in ready(cluster)[2]
    assert "nothing is done for the object until this is mended" in ready(cluster)[2]
    events = [one for one in cluster.events("web") if one[1] == "ScaledObjectCheckFailed"]
    assert [one[2] for one in events] == [ready(cluster)[2]]
    assert cluster.hpa() is None
    assert cluster.replicas() == 2

    mended = {"scaleTargetRef": {"name": "web"}, "triggers": [redis()]}
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": dict.fromkeys(spec) | mended})
    await clock.sleep(2)
    assert ready(cluster)[0] == "True"
    assert cluster.hpa() is not None


@operated(jobs=3)
async def test_a_behavior_that_cannot_be_read_stops_no_activation_and_makes_no_hpa(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object(advanced=behaving(policies="few"))
    await clock.sleep(5)
    assert cluster.replicas() == 1
    assert cluster.hpa() is None
    status, reason, text = ready(cluster)
    assert (status, reason) == ("False", "ScaledObjectCheckFailed")
    assert text == (
        f'{BEHAVIOR}.scaleDown.policies: Invalid value: "few": {BEHAVIOR}.scaleDown.policies in body '
        'must be of type array: "string"'
    )
    assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "True"

    good = behaving(policies=[{"type": "Pods", "value": 1, "periodSeconds": 60}])
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": good}})
    await clock.sleep(2)
    assert ready(cluster)[0] == "True"
    assert cluster.hpa() is not None


@operated(jobs=3)
async def test_a_window_that_keda_s_crd_stores_is_read(clock: Any, cluster: Cluster) -> None:
    """The server refuses the HPA for it, with the field and the value."""
    await cluster.deployment()
    await cluster.scaled_object(advanced=behaving(stabilizationWindowSeconds=3700))
    await clock.sleep(5)
    window = (cluster.hpa() or {})["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
    assert window == 3700


@operated(jobs=3)
async def test_after_an_edit_that_cannot_be_read_the_spec_from_before_counts(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=5, cooldownPeriod=20)
    await clock.sleep(5)
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": "ten"}})
    await clock.sleep(5)
    assert 'spec.maxReplicaCount: Invalid value: "ten"' in ready(cluster)[2]
    assert "until this is mended the spec from before counts" in ready(cluster)[2]
    writes = cluster.operator.steps.writer.status_writes
    cluster.redis.lists.clear()
    await clock.sleep(60)
    assert cluster.replicas() == 0
    assert cluster.operator.steps.writer.status_writes - writes < 5


@operated(jobs=3)
async def test_a_trigger_that_cannot_be_read_is_broken_alone(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis(), {"type": "redis", "metadata": ["jobs"]})
    await clock.sleep(5)
    assert cluster.replicas() == 1
    status, _, text = ready(cluster)
    assert status == "False"
    assert 'spec.triggers[1].metadata in body must be of type object: "array"' in text
    assert "no addresses" not in text


@operated(jobs=3)
async def test_a_scaled_job_that_cannot_be_read_makes_no_jobs_and_tells_why(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job("crunch", maxReplicaCount="many")
    await clock.sleep(60)
    assert cluster.jobs() == []
    assert ready(cluster, SCALED_JOBS, "crunch")[:2] == ("False", "ScaledJobCheckFailed")
    assert 'spec.maxReplicaCount: Invalid value: "many"' in ready(cluster, SCALED_JOBS, "crunch")[2]
    await cluster.patch(SCALED_JOBS, "crunch", {"spec": {"maxReplicaCount": 2}})
    await clock.sleep(5)
    assert len(cluster.jobs()) == 2
    assert ready(cluster, SCALED_JOBS, "crunch")[0] == "True"


@operated(jobs=3)
async def test_one_that_is_deleted_goes_however_it_reads(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object()
    await clock.sleep(5)
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": "ten"}})
    await clock.sleep(5)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(5)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "web") is None


@pytest.mark.parametrize(
    ("resource", "namespace"), [(TRIGGER_AUTHENTICATIONS, "shop"), (CLUSTER_TRIGGER_AUTHENTICATIONS, "")]
)
def test_an_authentication_that_cannot_be_read_has_an_event(resource: Resource, namespace: str) -> None:
    """Its status has no conditions."""
    metadata = {"name": "auth", **({"namespace": namespace} if namespace else {})}

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.objects.create(resource, {"metadata": metadata, "spec": {"secretTargetRef": "redis"}})
        async with running(cluster.operator):
            await clock.sleep(2)
            (told,) = cluster.objects.list(EVENTS)
            assert (told["type"], told["reason"]) == ("Warning", f"{resource.kind}Failed")
            assert told["message"] == 'spec.secretTargetRef: must be of type array: "string"'

    virtualtime.run(story)


@operated(jobs=3)
async def test_who_uses_an_authentication_that_cannot_be_read_is_not_ready_and_says_where(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec={"secretTargetRef": "redis"})
    await cluster.scaled_object("web", {**redis(), "authenticationRef": {"name": "login"}})
    await clock.sleep(5)
    assert ready(cluster)[:2] == ("False", "ScaledObjectCheckFailed")
    assert "TriggerAuthentication shop/login" in ready(cluster)[2]
    assert "secretTargetRef" in ready(cluster)[2]
    assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "Unknown"
