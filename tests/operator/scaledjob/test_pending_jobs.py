"""Which Jobs count as pending, from what their pods show."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from tidegate.kube.resource import PODS, SCALED_JOBS

ACCURATE = {"strategy": "accurate"}
EAGER = {"strategy": "eager"}


async def pod(
    cluster: Cluster, name: str, job: str, phase: str = "Running", conditions: tuple[str, ...] = ()
) -> None:
    await cluster.create(PODS, name, metadata={"labels": {"job-name": job}}, spec={})
    status = {"phase": phase, "conditions": [{"type": one, "status": "True"} for one in conditions]}
    await cluster.patch(PODS, name, {"status": status}, "status")


@pytest.mark.parametrize(
    ("phase", "is_pending"),
    [
        ("", True),
        ("Pending", True),
        ("Failed", True),
        ("Unknown", True),
        ("Running", False),
        ("Succeeded", False),
    ],
)
@operated(jobs=1)
async def test_a_job_is_pending_until_a_pod_of_it_runs_or_has_succeeded(
    clock: Any, cluster: Cluster, phase: str, is_pending: bool
) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=2, scalingStrategy=ACCURATE)
    await clock.sleep(2)
    (job,) = cluster.jobs()
    if phase:
        await pod(cluster, "one", job, phase)
    await clock.sleep(5)
    # A pending Job still has to take the message that is counted; one that has begun has its own.
    assert len(cluster.jobs()) == (1 if is_pending else 2)


@operated(jobs=2)
async def test_with_eager_a_pending_job_takes_two_places(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=5, scalingStrategy=EAGER)
    await clock.sleep(7)
    assert len(cluster.jobs()) == 3, "2, then 5 places less 2 unfinished and 2 pending"
    for job in cluster.jobs():
        await pod(cluster, f"of-{job}", job)
    await clock.sleep(5)
    assert len(cluster.jobs()) == 5


WANTED = ("Ready", "PodScheduled")


@pytest.mark.parametrize(
    ("pods", "is_pending"),
    [
        ((), True),
        ((("Ready",),), True),
        ((("Ready", "PodScheduled"),), False),
        ((("Ready", "PodScheduled", "Initialized"),), False),
        ((("Ready",), ("PodScheduled",)), True),
        ((("Ready",), ("Ready", "PodScheduled"), ()), False),
    ],
    ids=["no pod", "one of two", "both", "more", "two between them", "one of three"],
)
@operated(jobs=1)
async def test_with_pending_pod_conditions_one_pod_has_to_fulfil_them_all(
    clock: Any, cluster: Cluster, pods: tuple[tuple[str, ...], ...], is_pending: bool
) -> None:
    strategy = {**ACCURATE, "pendingPodConditions": list(WANTED)}
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=2, scalingStrategy=strategy)
    await clock.sleep(2)
    (job,) = cluster.jobs()
    for number, conditions in enumerate(pods):
        await pod(cluster, f"pod-{number}", job, conditions=conditions)
    await clock.sleep(5)
    assert len(cluster.jobs()) == (1 if is_pending else 2)


@operated(jobs=1)
async def test_pods_of_a_namesake_in_another_namespace_do_not_count(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=5, scalingStrategy=ACCURATE)
    await clock.sleep(2)
    (job,) = cluster.jobs()
    elsewhere = {"name": "one", "namespace": "other", "labels": {"job-name": job}}
    await cluster.objects.create(PODS, {"metadata": elsewhere, "spec": {}})
    await cluster.objects.patch(PODS, "other", "one", {"status": {"phase": "Running"}}, "status")
    await clock.sleep(20)
    assert cluster.jobs() == [job]


@operated(jobs=1)
async def test_while_pods_cannot_be_listed_every_unfinished_job_is_pending(
    clock: Any, cluster: Cluster
) -> None:
    cluster.client.unlisted.add(PODS)
    await cluster.scaled_job(pollingInterval=5, scalingStrategy=ACCURATE)
    await clock.sleep(4)
    (job,) = cluster.jobs()
    await pod(cluster, "one", job)
    await clock.sleep(120)
    assert cluster.jobs() == [job]
    cluster.client.unlisted.clear()
    await clock.sleep(120)
    assert len(cluster.jobs()) > 1


@operated(jobs=1)
async def test_a_pending_job_is_named_as_what_keeps_others_from_being_started(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=5, scalingStrategy=ACCURATE)
    await clock.sleep(8)
    reasons = (await cluster.operator.explain(SCALED_JOBS, "shop", "crunch"))["reasons"]
    texts = [one["text"] for one in reasons]
    assert "1 unfinished Job pending, which accurate subtracts" in texts


@operated(jobs=1)
async def test_without_such_a_strategy_pods_are_not_followed(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(8)
    assert not cluster.operator.informers.has_listed(PODS)
