"""The history tells what was done, all of it, and nothing else, whatever became of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from parts.memory_client import Write
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import DEPLOYMENTS, JOBS, SCALED_JOBS, SCALED_OBJECTS, ApiError, Resource

HOUR_S = 3_600


def history(cluster: Cluster, resource: Resource, name: str) -> list[str]:
    """The changes of the number."""
    tracked = cluster.operator.steps.tracker.by_key[(resource, "shop", name)]
    entries = cluster.operator.steps.history_store.of(tracked.uid)
    return [one["what"] for one in entries if one["code"].startswith(("Scaled", "Jobs"))]


@operated(jobs=2)
async def test_a_round_is_told_once_and_created_once_though_the_status_was_refused(
    clock: Any, cluster: Cluster
) -> None:
    """Its Jobs end and are gone before the reconcile is repeated: the reading from before them is spent."""
    refused: list[str] = []

    async def refuse(write: Write) -> None:
        if write.subresource != "status" or not cluster.jobs() or len(refused) > 3:
            return
        refused.append(write.name)
        cluster.redis.trouble = Unreachable("connect", on="Redis", answer="connection refused")
        for name in cluster.jobs():
            await cluster.objects.delete(JOBS, "shop", name)
        raise ApiError(500, "InternalError", "etcdserver: request timed out")

    cluster.client.before = refuse
    await cluster.scaled_job(pollingInterval=HOUR_S)
    await clock.sleep(60)
    assert refused
    assert history(cluster, SCALED_JOBS, "crunch") == ["2 Jobs created in round 1"]
    assert len([one for one in cluster.client.writes if one.resource == JOBS]) == 2


@operated(jobs=2)
async def test_jobs_that_were_refused_are_not_told_as_created(clock: Any, cluster: Cluster) -> None:
    refused: list[str] = []

    async def refuse(write: Write) -> None:
        if write.resource == JOBS and len(refused) < 1:
            refused.append(write.name)
            raise ApiError(403, "Forbidden", "exceeded quota")

    cluster.client.before = refuse
    await cluster.scaled_job(pollingInterval=20)
    await clock.sleep(60)
    assert history(cluster, SCALED_JOBS, "crunch") == [
        "1 Job created in round 1",
        "1 Job created in round 2",
    ]


@pytest.mark.parametrize("trouble", ["Conflict", "Forbidden"])
@operated(jobs=2)
async def test_a_scale_that_was_refused_is_no_change(clock: Any, cluster: Cluster, trouble: str) -> None:
    refused: list[str] = []

    async def refuse(write: Write) -> None:
        if write.subresource == "scale" and len(refused) < 3:
            refused.append(write.name)
            raise ApiError(409 if trouble == "Conflict" else 403, trouble, "not now")

    cluster.client.before = refuse
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(60)
    assert cluster.replicas() == 1
    assert history(cluster, SCALED_OBJECTS, "web") == ["0 → 1 replica"]


@operated(jobs=2)
async def test_a_scale_whose_answer_was_lost_is_told(clock: Any, cluster: Cluster) -> None:
    cluster.client.lost = lambda write: write.subresource == "scale"
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(60)
    assert cluster.replicas() == 1
    assert history(cluster, SCALED_OBJECTS, "web") == ["0 → 1 replica"]


@operated()
async def test_a_failure_is_told_though_the_status_was_refused_at_first(clock: Any, cluster: Cluster) -> None:
    refused: list[str] = []

    async def refuse(write: Write) -> None:
        if write.subresource == "status" and len(refused) < 4:
            refused.append(write.name)
            raise ApiError(500, "InternalError", "etcdserver: request timed out")

    cluster.client.before = refuse
    cluster.redis.trouble = Unreachable("connect", on="Redis", answer="connection refused")
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await cluster.scaled_job(pollingInterval=HOUR_S)
    await clock.sleep(60)
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}}, "scale")
    await clock.sleep(60)
    assert cluster.reasons("web").count("KEDAScalerFailed") == 1
    assert cluster.reasons("crunch").count("KEDAScalerFailed") == 1
