"""Deletions of a ScaledJob's Jobs: of the previous version, and beyond the history limits."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from tidegate.base.errors import Malformed, Unreachable
from tidegate.kube.resource import JOBS, SCALED_JOBS, ApiError

IMMEDIATE = {"rollout": {"strategy": "immediate"}}
HELD = {"metadata": {"finalizers": ["example.org/held"]}}


def rollout_events(cluster: Cluster) -> list[tuple[str, str, str, int]]:
    return [one for one in cluster.events("crunch") if "Rollout" in one[1]]


def deletions(cluster: Cluster) -> list[str]:
    return [one.name for one in cluster.client.writes if one.verb == "delete" and one.resource == JOBS]


def refusing(cluster: Cluster, *names: str) -> None:
    """The server refuses to delete these Jobs; without names, any."""

    async def refuse(write: Write) -> None:
        if write.verb == "delete" and write.resource == JOBS and (not names or write.name in names):
            raise ApiError(403, "Forbidden", f'jobs.batch "{write.name}" is forbidden: a policy')

    cluster.client.before = refuse


async def edit(cluster: Cluster, **spec: Any) -> None:
    await cluster.patch(SCALED_JOBS, "crunch", {"spec": spec})


PAIR = [
    (
        "Normal",
        "ScaledJobRolloutCleanupStarted",
        "Deleting 3 jobs owned by the previous version of the scaledJob",
        1,
    ),
    (
        "Normal",
        "ScaledJobRolloutCleanupCompleted",
        "Deleted 3 jobs owned by the previous version of the scaledJob",
        1,
    ),
]


@pytest.mark.parametrize("lag_s", [0.0, 3.0, 45.0])
@operated(jobs=3, other=3)
async def test_a_rollout_deletes_each_job_once_and_is_told_by_one_pair_of_events(
    clock: Any, cluster: Cluster, lag_s: float
) -> None:
    cluster.redis.delay_s = 0.3
    cluster.client.lag_s = lag_s
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=3, **IMMEDIATE)
    await clock.sleep(120)
    before = cluster.unfinished()
    assert len(before) == 3
    # the trigger is new too: nothing is said of it before it is read, the rollout is told
    await edit(cluster, triggers=[redis("other")])
    await clock.sleep(300)
    assert rollout_events(cluster) == PAIR
    assert sorted(deletions(cluster)) == sorted(before)
    assert len(cluster.unfinished()) == 3


@pytest.mark.parametrize("is_held", [False, True])
@operated(jobs=3)
async def test_a_deletion_whose_answer_is_lost_is_looked_up_and_told_as_done(
    clock: Any, cluster: Cluster, is_held: bool
) -> None:
    cluster.client.lost = lambda write: write.verb == "delete" and write.resource == JOBS
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=3, **IMMEDIATE)
    await clock.sleep(10)
    for name in cluster.unfinished() if is_held else ():
        await cluster.patch(JOBS, name, HELD)
    await edit(cluster, pollingInterval=6)
    await clock.sleep(60)
    assert rollout_events(cluster) == PAIR
    assert len(deletions(cluster)) == 3
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"


@operated(jobs=1)
async def test_a_creation_that_comes_true_after_an_edit_is_of_the_previous_version(
    clock: Any, cluster: Cluster
) -> None:
    """Its answer was lost, and its deletion found nothing yet."""
    late: list[Write] = []

    async def hold(write: Write) -> None:
        if write.verb == "create" and write.resource == JOBS and not late:
            late.append(write)
            raise Unreachable("create the Job", answer="timed out")

    cluster.client.before = hold
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=3, **IMMEDIATE)
    await clock.sleep(2)
    await edit(cluster, pollingInterval=6)
    await clock.sleep(2)
    (write,) = late
    assert deletions(cluster) == [write.name]
    body = write.body or {}
    body["metadata"]["namespace"] = "shop"
    await cluster.objects.create(JOBS, body)
    await clock.sleep(20)
    assert deletions(cluster) == [write.name] * 2
    assert len(cluster.jobs()) == 1
    assert write.name not in cluster.jobs()


@operated(jobs=3)
async def test_jobs_that_take_long_to_end_are_deleted_once_and_count_meanwhile(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=3, **IMMEDIATE)
    await clock.sleep(10)
    before = cluster.unfinished()
    for name in before:
        await cluster.patch(JOBS, name, HELD)
    await edit(cluster, pollingInterval=6)
    await clock.sleep(120)
    assert rollout_events(cluster) == PAIR
    assert cluster.jobs() == before, "they take the places of others"
    for name in before:
        await cluster.patch(JOBS, name, {"metadata": {"finalizers": None}})
    await clock.sleep(10)
    assert len(cluster.jobs()) == 3
    assert not set(cluster.jobs()) & set(before)
    assert rollout_events(cluster) == PAIR
    assert len(deletions(cluster)) == 3


@operated(jobs=3)
async def test_a_rollout_that_is_refused_is_told_holds_up_nothing_else_and_is_tried_again(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=3, **IMMEDIATE)
    await clock.sleep(10)
    first, *others = cluster.unfinished()
    refusing(cluster, first)
    await edit(cluster, pollingInterval=6)
    await clock.sleep(5)
    assert not set(cluster.unfinished()) & set(others)
    assert len(cluster.unfinished()) == 3
    cause = f'{first}: jobs.batch "{first}" is forbidden: a policy'
    ready = cluster.condition(SCALED_JOBS, "crunch", "Ready")
    assert ready == ("False", "ScaledJobCheckFailed", f"Not able to delete job: {cause}")
    started, failed = rollout_events(cluster)
    assert (started[1], started[3]) == ("ScaledJobRolloutCleanupStarted", 1)
    assert failed == ("Warning", "ScaledJobRolloutCleanupFailed", f"Failed to delete job {cause}", 1)
    # the status goes on
    cluster.redis.lists["jobs"] = 0
    await clock.sleep(12)
    assert cluster.condition(SCALED_JOBS, "crunch", "Active")[0] == "False"
    assert deletions(cluster).count(first) == 1, "not at each reconcile"
    await clock.sleep(30)
    assert deletions(cluster).count(first) == 2
    assert rollout_events(cluster)[0] == started
    refusing(cluster, "nobody")
    await clock.sleep(31)
    assert first not in cluster.jobs()
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"
    told = [one[1:] for one in rollout_events(cluster)]
    completed = "Deleted 1 jobs owned by the previous version of the scaledJob"
    assert told[-1] == ("ScaledJobRolloutCleanupCompleted", completed, 1)
    assert len(told) == 3


@operated(jobs=2)
async def test_a_history_that_cannot_be_trimmed_is_logged_once_and_the_status_goes_on(
    clock: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=2, successfulJobsHistoryLimit=0)
    await clock.sleep(10)
    first, second = cluster.unfinished()
    refusing(cluster, first)
    cluster.redis.lists["jobs"] = 0
    await cluster.finish(first)
    await cluster.finish(second)
    await clock.sleep(120)
    assert cluster.jobs() == [first]
    assert cluster.condition(SCALED_JOBS, "crunch", "Active")[0] == "False"
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"
    cluster.redis.trouble = Malformed("read the queue", answer="no such queue")
    await clock.sleep(10)
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[:2] == ("False", "TriggerError")
    assert caplog.text.count("finished Jobs not deleted") == 1
    assert 3 <= deletions(cluster).count(first) <= 6
    refusing(cluster, "nobody")
    await clock.sleep(31)
    assert cluster.jobs() == []


@operated(jobs=1)
async def test_a_finished_job_that_a_finalizer_keeps_is_deleted_once_and_stands_once_in_the_history(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=5, maxReplicaCount=1, successfulJobsHistoryLimit=0)
    await clock.sleep(5)
    (job,) = cluster.unfinished()
    await cluster.patch(JOBS, job, HELD)
    cluster.redis.lists["jobs"] = 0
    await cluster.finish(job)
    await clock.sleep(300)
    assert deletions(cluster) == [job]
    (tracked,) = cluster.operator.steps.tracker.by_key.values()
    told = [one["what"] for one in cluster.operator.steps.history_store.of(tracked.uid)]
    assert sum("deleted" in one for one in told) == 1
