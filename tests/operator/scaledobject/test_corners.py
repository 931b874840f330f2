"""Targets that others touch, that are missing, or that say little; and what is kept of a pod."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import msgspec
import pytest

from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import DEPLOYMENTS, PODS, SCALED_OBJECTS, ApiError, Resource
from tidegate.operator.cluster.informers import PodMark
from tidegate.operator.scaledobject.scale_target import Target

Object = dict[str, Any]


async def scale(cluster: Cluster, replicas: int) -> None:
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}}, "scale")


@operated(jobs=5)
async def test_a_paused_target_that_somebody_scales_is_brought_back_to_the_count_of_its_pause(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=1)
    pause = {"annotations": {"autoscaling.keda.sh/paused-replicas": "3"}}
    await cluster.scaled_object(metadata=pause, pollingInterval=3600)
    await clock.sleep(2)
    assert cluster.replicas() == 3
    for count in (7, 0):
        await scale(cluster, count)
        await clock.sleep(1)
        assert cluster.replicas() == 3


@operated(jobs=5)
async def test_an_object_whose_target_is_gone_can_be_deleted_all_the_same(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    restore = {"restoreToOriginalReplicaCount": True}
    await cluster.scaled_object(advanced=restore)
    await clock.sleep(2)
    await cluster.objects.delete(DEPLOYMENTS, "shop", "web")
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(5)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "web") is None
    assert "ScaledObjectDeleted" in cluster.reasons("web")


@pytest.mark.parametrize("advanced", [{}, {"restoreToOriginalReplicaCount": False}])
@operated(jobs=5)
async def test_without_restoring_the_count_stays_as_it_is_when_the_object_goes(
    clock: Any, cluster: Cluster, advanced: Object
) -> None:
    await cluster.deployment(replicas=2)
    await cluster.scaled_object(advanced=advanced)
    await clock.sleep(2)
    await scale(cluster, 5)
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(60)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "web") is None
    assert cluster.replicas() == 5


@operated(jobs=5, mails=7)
async def test_an_hpa_that_asks_right_after_an_edit_is_answered_from_what_is_measured(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis("jobs"), redis("mails"))
    await clock.sleep(2)
    # A reconcile has just been made, so that the edit waits for the next.
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"labels": {"looked": "at"}}})
    await clock.sleep(0.1)
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("jobs")]}})
    await clock.sleep(0.1)
    ask = partial(cluster.operator.external_metric, "shop", "s1-redis-mails")
    assert await ask({"scaledobject.keda.sh/name": "web"}) == (7.0,)
    await clock.sleep(1)
    assert isinstance(await ask({"scaledobject.keda.sh/name": "web"}), Failure)


@operated(jobs=5)
async def test_a_request_without_a_label_selector_is_an_error(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object()
    await clock.sleep(2)
    ask = cluster.operator.external_metric
    answer = await ask("shop", "s0-redis-jobs", {"scaledobject.keda.sh/name": "web"})
    assert answer == (5.0,)
    without = await ask("shop", "s0-redis-jobs", {})
    assert isinstance(without, Failure)
    assert without.kind == "Misconfigured"
    await cluster.deployment("new")

    async def slow(_: object) -> None:
        await clock.sleep(1)

    # Its first write takes a while.
    cluster.client.before = slow
    await cluster.scaled_object("new")
    await clock.sleep(0.001)
    early = await ask("shop", "s0-redis-jobs", {"scaledobject.keda.sh/name": "new"})
    assert early == Failure("Unreachable", "ScaledObject shop/new is not measured yet")


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (DEPLOYMENTS, "apps/v1.Deployment"),
        (PODS, "/v1.Pod"),
        (Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout", True), "argoproj.io/v1alpha1.Rollout"),
    ],
)
def test_the_kind_of_a_target_is_told_as_group_version_and_kind(resource: Resource, text: str) -> None:
    assert Target(resource, "web", 1).status_fields()["scaleTargetKind"] == text


def test_a_kind_that_was_not_found_is_not_told() -> None:
    assert Target(None, "web", Failure("Misconfigured", "no such kind")).status_fields() == {}


@operated(jobs=0)
async def test_a_workload_that_names_no_replica_count_has_one(clock: Any, cluster: Cluster) -> None:
    template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
    await cluster.create(DEPLOYMENTS, "web", spec={"template": template})
    await cluster.scaled_object(pollingInterval=5, minReplicaCount=1)
    await clock.sleep(10)
    status = (cluster.objects.get(SCALED_OBJECTS, "shop", "web") or {})["status"]
    assert status["originalReplicaCount"] == 1


@operated(jobs=4)
async def test_the_container_of_a_target_is_found_before_the_status_names_its_kind(
    clock: Any, cluster: Cluster
) -> None:
    """The environment of the target's container is read at the first look, whose status is still empty."""
    containers = [{"name": "c", "image": "i", "env": [{"name": "ADDRESS", "value": "redis:6379"}]}]
    await cluster.create(
        DEPLOYMENTS, "web", spec={"replicas": 0, "template": {"spec": {"containers": containers}}}
    )
    unwritten: list[Write] = []

    async def keep(write: Write) -> None:
        if write.subresource == "status" and write.resource == SCALED_OBJECTS:
            unwritten.append(write)
            raise ApiError(500, "InternalError", "not now")

    cluster.client.before = keep
    trigger = {"type": "redis", "metadata": {"addressFromEnv": "ADDRESS", "listName": "jobs"}}
    await cluster.scaled_object("web", trigger)
    await clock.sleep(5)
    assert unwritten
    assert "status" not in (cluster.objects.get(SCALED_OBJECTS, "shop", "web") or {})
    assert cluster.replicas() == 1


@operated(jobs=5)
async def test_a_target_that_cannot_be_scaled_is_told(clock: Any, cluster: Cluster) -> None:
    """Pods have no scale subresource."""
    await cluster.create(PODS, "web", spec={})
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "web"}
    await cluster.scaled_object("web", scaleTargetRef=reference)
    await clock.sleep(3)
    status, reason, message = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert (status, reason) == ("False", "ScaledObjectCheckFailed")
    assert "Target resource doesn't expose /scale subresource" in message
    told = [one for one in cluster.events("web") if one[1] == "ScaledObjectCheckFailed"]
    assert [one[0] for one in told] == ["Warning"]


@operated(jobs=5)
async def test_a_status_that_cannot_be_written_does_not_keep_the_hpa_from_the_fallbacks_value(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=2)
    fallback = {"failureThreshold": 2, "replicas": 6}
    await cluster.scaled_object(pollingInterval=5, fallback=fallback)
    await clock.sleep(3)

    async def refuse(write: Write) -> None:
        if write.subresource == "status":
            raise ApiError(500, "InternalError", "not now")

    cluster.client.before = refuse
    cluster.redis.trouble = Unreachable("ask", answer="connection refused")
    await clock.sleep(25)
    ask = cluster.operator.external_metric
    assert await ask("shop", "s0-redis-jobs", {"scaledobject.keda.sh/name": "web"}) == (6.0,)


@operated(jobs=5)
async def test_failures_counted_while_many_ask_are_those_of_the_polls(clock: Any, cluster: Cluster) -> None:
    """Polls beside many questions of HPAs: one failure per polling interval, none lost and none doubled."""
    await cluster.deployment(replicas=2)
    await cluster.scaled_object(pollingInterval=10, fallback={"failureThreshold": 3, "replicas": 6})
    await clock.sleep(3)
    cluster.redis.trouble = Unreachable("ask", answer="connection refused")
    labels = {"scaledobject.keda.sh/name": "web"}
    answers: list[Any] = []
    for _ in range(60):
        asked = (cluster.operator.external_metric("shop", "s0-redis-jobs", labels) for _ in range(5))
        answers += await asyncio.gather(*asked)
        await clock.sleep(1)
    is_fallen = [not isinstance(one, Failure) and one == (6.0,) for one in answers]
    assert is_fallen == sorted(is_fallen)
    assert 30 <= is_fallen.index(True) // 5 <= 43, "the fourth poll that failed"
    health = (cluster.objects.get(SCALED_OBJECTS, "shop", "web") or {})["status"]["health"]
    assert health == {"s0-redis-jobs": {"numberOfFailures": 4, "status": "Failing"}}


def test_of_a_pod_only_what_counting_needs_is_kept() -> None:
    body = {
        "metadata": {
            "name": "p",
            "namespace": "n",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "uid": "u",
        },
        "spec": {"nodeName": "one", "containers": [{"name": "c", "env": [{"name": "SECRET", "value": "x"}]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "reason": "r"}]},
    }
    kept = msgspec.to_builtins(msgspec.convert(body, PodMark))
    assert kept == {
        "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}},
        "spec": {"nodeName": "one"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
