"""Two that would scale one workload, where nobody refused the second: the older acts, the younger tells."""

from __future__ import annotations

from typing import Any

from parts.cluster import Cluster, operated
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS

UNREADY = "ScaledObject doesn't have correct scaleTargetRef specification: "
SAME = "the workload 'web' of type 'apps/v1.Deployment' is already managed by the ScaledObject 'web'"


def ready(cluster: Cluster, name: str) -> tuple[str, str]:
    body = cluster.objects.get(SCALED_OBJECTS, "shop", name)
    assert body is not None
    found = {one["type"]: one for one in (body.get("status") or {}).get("conditions") or ()}
    condition = found.get("Ready", {})
    return condition.get("status", ""), condition.get("message", "")


def hpas(cluster: Cluster) -> list[str]:
    return sorted(one["metadata"]["name"] for one in cluster.objects.list(HPAS, "shop"))


async def foreign(cluster: Cluster, name: str, **metadata: Any) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    await cluster.objects.create(
        HPAS,
        {
            "metadata": {"name": name, "namespace": "shop", **metadata},
            "spec": {"scaleTargetRef": ref, "maxReplicas": 3},
        },
    )


@operated(jobs=4)
async def test_of_two_objects_of_one_workload_the_older_acts(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=5)
    await clock.sleep(5)
    await cluster.scaled_object(name="late", pollingInterval=5, scaleTargetRef={"name": "web"})
    await clock.sleep(10)
    assert hpas(cluster) == ["keda-hpa-web"]
    assert ready(cluster, "web")[0] == "True"
    status, message = ready(cluster, "late")
    assert status == "False"
    assert f"{SAME}, which is older and acts; delete one of the two" in message
    told = [one for one in cluster.events("late") if SAME in one[2]]
    assert [(one[0], one[1]) for one in told] == [("Warning", "ScaledObjectCheckFailed")]


@operated(jobs=4)
async def test_the_younger_takes_over_when_it_is_alone(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=5)
    await clock.sleep(5)
    await cluster.scaled_object(name="late", pollingInterval=5, scaleTargetRef={"name": "web"})
    await clock.sleep(10)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(10)
    assert "keda-hpa-late" in hpas(cluster)
    assert ready(cluster, "late")[0] == "True"
    assert cluster.replicas() == 1


@operated(jobs=0)
async def test_the_end_of_the_younger_restores_nothing(clock: Any, cluster: Cluster) -> None:
    """Also where it knows a count from the time when it acted."""
    await cluster.deployment(replicas=3)
    await cluster.scaled_object(minReplicaCount=2, pollingInterval=5)
    await clock.sleep(5)
    advanced = {"restoreToOriginalReplicaCount": True}
    late = {"scaleTargetRef": {"name": "web"}, "advanced": advanced, "minReplicaCount": 1}
    await cluster.scaled_object(name="late", **late)
    await clock.sleep(10)
    await cluster.patch(SCALED_OBJECTS, "late", {"status": {"originalReplicaCount": 1}}, "status")
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, "scale")
    await clock.sleep(1)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "late")
    await clock.sleep(1)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "late") is None
    assert cluster.replicas() == 5
    assert hpas(cluster) == ["keda-hpa-web"]


@operated(jobs=4)
async def test_a_name_of_an_hpa_that_two_have_chosen_is_the_olders(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.deployment("other")
    chosen = {"horizontalPodAutoscalerConfig": {"name": "chosen"}}
    await cluster.scaled_object(advanced=chosen)
    await clock.sleep(5)
    await cluster.scaled_object(name="other", scaleTargetRef={"name": "other"}, advanced=chosen)
    await clock.sleep(10)
    assert hpas(cluster) == ["chosen"]
    assert ready(cluster, "web")[0] == "True"
    status, message = ready(cluster, "other")
    assert status == "False"
    assert "the HPA 'chosen' is already managed by the ScaledObject 'web'" in message


@operated(jobs=4)
async def test_an_hpa_that_was_there_before_acts_until_it_goes(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await foreign(cluster, "theirs")
    await cluster.scaled_object(pollingInterval=5)
    await clock.sleep(10)
    assert hpas(cluster) == ["theirs"]
    status, message = ready(cluster, "web")
    assert status == "False"
    assert "is already managed by the hpa 'theirs', which was there before" in message
    assert cluster.replicas() == 0
    await cluster.objects.delete(HPAS, "shop", "theirs")
    await clock.sleep(10)
    assert hpas(cluster) == ["keda-hpa-web"]
    assert cluster.replicas() == 1


@operated(jobs=4)
async def test_an_hpa_that_comes_later_or_says_so_is_not_minded(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await foreign(cluster, "unchecked", annotations={"validations.keda.sh/hpa-ownership": "false"})
    await cluster.scaled_object(pollingInterval=5)
    await clock.sleep(10)
    assert hpas(cluster) == ["keda-hpa-web", "unchecked"]
    await foreign(cluster, "late")
    await clock.sleep(10)
    assert hpas(cluster) == ["keda-hpa-web", "late", "unchecked"]
    assert ready(cluster, "web")[0] == "True"


@operated(jobs=0)
async def test_two_that_were_let_in_by_an_older_operator_are_settled(clock: Any, cluster: Cluster) -> None:
    """Both have their HPA already: that of the younger goes."""
    await cluster.deployment(replicas=2)
    await cluster.scaled_object(minReplicaCount=1)
    await clock.sleep(5)
    await cluster.deployment("other", replicas=2)
    await cluster.scaled_object(name="other", minReplicaCount=1, scaleTargetRef={"name": "other"})
    await clock.sleep(5)
    assert hpas(cluster) == ["keda-hpa-other", "keda-hpa-web"]
    await cluster.patch(SCALED_OBJECTS, "other", {"spec": {"scaleTargetRef": {"name": "web"}}})
    await clock.sleep(5)
    assert hpas(cluster) == ["keda-hpa-web"]
    await cluster.patch(SCALED_OBJECTS, "other", {"spec": {"scaleTargetRef": {"name": "other"}}})
    await clock.sleep(5)
    assert hpas(cluster) == ["keda-hpa-other", "keda-hpa-web"]
    assert ready(cluster, "other")[0] == "True"
