"""Rounds of ScaledJobs against an API that is slow, contradicts, loses answers and refuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, running
from parts.memory_client import Write
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import JOBS, SCALED_JOBS, ApiError

HOUR_S = 3_600
MODEL = {"apiVersion": "batch/v1", "kind": "Job", "name": "model"}


def is_claim(write: Write) -> bool:
    annotations = (write.body or {}).get("metadata", {}).get("annotations") or {}
    return write.resource == SCALED_JOBS and "tidegate.dev/round" in annotations


def before_the_first(cluster: Cluster, act: Callable[[Write], Awaitable[Any]]) -> list[str]:
    """`act` is done before the first creation of a Job arrives; the list holds that Job's name then."""
    names: list[str] = []

    async def first(write: Write) -> None:
        if write.verb == "create" and write.resource == JOBS and not names:
            names.append(write.name)
            await act(write)

    cluster.client.before = first
    return names


def rounds_of(cluster: Cluster) -> list[tuple[str, str]]:
    found = [one["metadata"]["annotations"] for one in cluster.objects.list(JOBS, "shop")]
    return sorted((one["tidegate.dev/round"], one["tidegate.dev/ordinal"]) for one in found)


@pytest.mark.parametrize("seed", range(5))
@operated(jobs=3)
async def test_a_queue_of_three_starts_three_jobs_and_no_fourth(
    clock: Any, cluster: Cluster, seed: int
) -> None:
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(120)
    assert rounds_of(cluster) == [("1", "0"), ("1", "1"), ("1", "2")]
    assert cluster.reasons("crunch").count("KEDAJobsCreated") == 1


@operated(jobs=2)
async def test_a_lost_claim_means_looking_again_and_doubles_nothing(
    clock: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    interruptions = iter(range(3))

    async def interrupt(write: Write) -> None:
        if is_claim(write) and next(interruptions, None) is not None:
            labels = {"metadata": {"labels": {"seen": str(clock.monotonic())}}}
            await cluster.patch(SCALED_JOBS, "crunch", labels)

    cluster.client.before = interrupt
    await cluster.scaled_job(pollingInterval=60)
    await clock.sleep(30)
    assert rounds_of(cluster) == [("1", "0"), ("1", "1")]
    assert next(interruptions, None) is None
    assert caplog.text == "", "it is nothing that people must know"


@operated(jobs=1)
async def test_a_round_that_somebody_else_has_claimed_is_not_created_a_second_time(
    clock: Any, cluster: Cluster
) -> None:
    """Another process of ours took round 1 and died: its number is gone, its names are never used."""
    await cluster.scaled_job(metadata={"annotations": {"tidegate.dev/round": "1"}})
    await clock.sleep(30)
    assert rounds_of(cluster) == [("2", "0")]


@operated(jobs=1)
async def test_our_own_job_that_exists_already_counts_as_created(clock: Any, cluster: Cluster) -> None:
    names = before_the_first(cluster, lambda write: cluster.objects.create(JOBS, write.body))
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(60)
    assert cluster.jobs() == names
    assert ("Normal", "KEDAJobsCreated", "Created 1 jobs", 1) in cluster.events("crunch")
    assert "KEDAJobCreateFailed" not in cluster.reasons("crunch")


@pytest.mark.parametrize("how", ["Complete", "Failed"])
@operated(jobs=1)
async def test_a_job_that_exists_already_and_has_ended_is_not_told_as_created(
    clock: Any, cluster: Cluster, how: str
) -> None:
    async def made_and_ended(write: Write) -> None:
        await cluster.objects.create(JOBS, write.body)
        await cluster.finish(write.name, how)

    before_the_first(cluster, made_and_ended)
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(60)
    assert rounds_of(cluster) == [("1", "0"), ("2", "0")]
    assert len(cluster.unfinished()) == 1
    assert cluster.reasons("crunch").count("KEDAJobsCreated") == 1


def test_a_round_annotation_that_is_lost_is_made_up_from_the_jobs() -> None:
    """`kubectl replace` takes the annotation away, and the operator is started anew."""

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        async with running(cluster.operator):
            await cluster.scaled_job(pollingInterval=5)
            for _ in range(3):
                cluster.redis.lists["jobs"] = 1
                await clock.sleep(10)
                cluster.redis.lists["jobs"] = 0
                await cluster.finish(cluster.unfinished()[0])
                await clock.sleep(10)
        await cluster.patch(
            SCALED_JOBS, "crunch", {"metadata": {"annotations": {"tidegate.dev/round": None}}}
        )
        cluster.redis.lists["jobs"] = 1
        async with running(cluster.new_operator()):
            await clock.sleep(10)
            assert rounds_of(cluster) == [("1", "0"), ("2", "0"), ("3", "0"), ("4", "0")]
            assert cluster.reasons("crunch").count("KEDAJobsCreated") == 4

    virtualtime.run(story)


@operated(jobs=1)
async def test_a_foreign_job_of_that_name_is_left_alone_and_the_next_round_has_another_name(
    clock: Any, cluster: Cluster
) -> None:
    before_the_first(cluster, lambda write: cluster.create(JOBS, write.name, spec={}))
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(60)
    assert rounds_of_own(cluster) == [("2", "0")]
    (told,) = [one for one in cluster.events("crunch") if one[1] == "KEDAJobCreateFailed"]
    assert told[2].startswith("Failed to create job crunch-: ")
    assert "already exists" in told[2]


def rounds_of_own(cluster: Cluster) -> list[tuple[str, str]]:
    found = [cluster.objects.get(JOBS, "shop", name) or {} for name in cluster.jobs()]
    annotations = [one["metadata"]["annotations"] for one in found]
    return [(one["tidegate.dev/round"], one["tidegate.dev/ordinal"]) for one in annotations]


@operated(jobs=2)
async def test_a_create_whose_answer_is_lost_is_not_doubled(clock: Any, cluster: Cluster) -> None:
    cluster.client.lag_s = 20
    cluster.client.lost = lambda write: write.verb == "create" and write.resource == JOBS
    await cluster.scaled_job(pollingInterval=1)
    await clock.sleep(120)
    assert len(cluster.jobs()) == 2
    assert "KEDAJobCreateFailed" in cluster.reasons("crunch")


@pytest.mark.parametrize(
    "trouble",
    [
        Unreachable("create the Job", answer="connection refused"),
        ApiError(504, "Timeout", "request did not complete within the requested timeout"),
    ],
    ids=["nobody answers", "the server gives up"],
)
@operated(jobs=1)
async def test_a_create_that_never_arrived_counts_until_it_is_known_and_is_made_up_for(
    clock: Any, cluster: Cluster, trouble: Exception
) -> None:

    async def refuse(write: Write) -> None:
        if write.verb == "create" and write.resource == JOBS and clock.monotonic() < 30:
            raise trouble

    cluster.client.before = refuse
    await cluster.scaled_job(pollingInterval=1, rollout={"strategy": "immediate"})
    await clock.sleep(9)
    attempts = [one for one in cluster.client.writes if one.resource == JOBS]
    assert len(attempts) == 1, "unknown is not absent"
    await clock.sleep(81)
    assert len(cluster.jobs()) == 1


@operated(jobs=2)
async def test_a_refusal_is_told_once_with_a_count_however_often_it_comes(
    clock: Any, cluster: Cluster
) -> None:

    async def refuse(write: Write) -> None:
        if write.verb == "create" and write.resource == JOBS:
            message = f'Job.batch "{write.name}" is invalid: spec.template: Required value'
            raise ApiError(422, "Invalid", message)

    cluster.client.before = refuse
    await cluster.scaled_job(pollingInterval=10)
    await clock.sleep(95)
    (told,) = [one for one in cluster.events("crunch") if one[1] == "KEDAJobCreateFailed"]
    text = 'Failed to create job crunch-: Job.batch "crunch-" is invalid: spec.template: Required value'
    assert told[:3] == ("Warning", "KEDAJobCreateFailed", text)
    assert 8 <= told[3] <= 11, "once per poll"


@operated(jobs=2)
async def test_who_may_list_jobs_no_longer_creates_none_says_so_once_and_goes_on_at_once_when_it_may(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=30, maxReplicaCount=2)
    await clock.sleep(20)
    cluster.client.forbid(JOBS)
    for job in cluster.unfinished():
        await cluster.finish(job)
    await clock.sleep(1_800)
    text = (
        "cannot list jobs: nothing was heard of them since 2026-01-05T08:00:20Z: jobs is forbidden; "
        "check that the API server answers and that we may list and watch them"
    )
    assert len(cluster.jobs()) == 2
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready") == (
        "False",
        "ScaledJobCheckFailed",
        text,
    )
    assert ("Warning", "ScaledJobCheckFailed", text, 1) in cluster.events("crunch")
    cluster.client.unlisted.clear()
    await clock.sleep(31)
    assert len(cluster.unfinished()) == 2
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"


@operated(jobs=0)
async def test_when_jobs_may_be_listed_again_nobody_waits_for_the_poll(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=200)
    await clock.sleep(20)
    cluster.client.forbid(JOBS)
    cluster.redis.lists["jobs"] = 2
    await clock.sleep(700)
    assert cluster.jobs() == []
    cluster.client.unlisted.clear()
    await clock.sleep(31)
    assert len(cluster.jobs()) == 2


@operated(jobs=1)
async def test_a_watch_that_is_away_for_a_moment_is_no_trouble(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=5)
    await clock.sleep(20)
    cluster.client.forbid(JOBS)
    await clock.sleep(25)
    cluster.client.unlisted.clear()
    await clock.sleep(30)
    cluster.redis.lists["jobs"] = 2
    await clock.sleep(10)
    assert len(cluster.jobs()) == 2
    assert "ScaledJobCheckFailed" not in cluster.reasons("crunch")


@operated(jobs=3)
async def test_while_jobs_cannot_be_listed_none_is_created(clock: Any, cluster: Cluster) -> None:
    cluster.client.unlisted.add(JOBS)
    await cluster.scaled_job(pollingInterval=1)
    await clock.sleep(120)
    assert cluster.jobs() == []
    cluster.client.unlisted.clear()
    await clock.sleep(120)
    assert len(cluster.jobs()) == 3


@pytest.mark.parametrize("rollout", ["gradual", "immediate"])
@pytest.mark.parametrize("lag_s", [0.1, 3.0, 45.0])
@operated(jobs=3)
async def test_a_cache_that_lags_behind_doubles_no_job_and_no_word(
    clock: Any, cluster: Cluster, lag_s: float, rollout: str, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.client.lag_s = lag_s
    await cluster.scaled_job(pollingInterval=1, rollout={"strategy": rollout})
    await clock.sleep(300)
    assert len(cluster.jobs()) == 3
    told = cluster.reasons("crunch")
    for reason in ("ScaledJobReady", "ScaledJobActive", "KEDAJobsCreated"):
        assert told.count(reason) == 1, reason
    assert not [one for one in cluster.client.writes if one.verb == "delete"]
    assert not [one for one in told if "Rollout" in one]
    assert caplog.text == ""


@operated(jobs=3)
async def test_a_finished_job_makes_room_at_once(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=HOUR_S, maxReplicaCount=1)
    await clock.sleep(2)
    for _ in range(2):
        (job,) = cluster.unfinished()
        cluster.redis.lists["jobs"] -= 1
        await cluster.finish(job)
        await clock.sleep(1)
    assert len(cluster.jobs()) == 3
    assert len(cluster.unfinished()) == 1


@operated(jobs=5)
async def test_a_job_that_failed_or_was_deleted_makes_room_at_the_next_poll(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=60, maxReplicaCount=1)
    await clock.sleep(2)
    await cluster.finish(cluster.unfinished()[0], "Failed")
    await clock.sleep(60)
    assert len(cluster.unfinished()) == 1
    await cluster.objects.delete(JOBS, "shop", cluster.unfinished()[0], grace_s=0)
    await clock.sleep(60)
    assert len(cluster.unfinished()) == 1
    assert rounds_of(cluster)[-1][0] == "3"


@operated(jobs=9_999)
async def test_a_storm_of_finished_jobs_is_looked_at_four_times_a_second(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_job(pollingInterval=HOUR_S, maxReplicaCount=20)
    await clock.sleep(5)
    before, until = cluster.operator.queue.reconciles, clock.monotonic() + 5
    while clock.monotonic() < until:
        for job in cluster.unfinished()[:2]:
            await cluster.finish(job)
        await clock.sleep(0.02)
    assert 5 < cluster.operator.queue.reconciles - before <= 5 * 4 + 2


@operated()
async def test_jobs_of_a_clock_are_started_anew_at_the_polling_interval_and_not_when_they_end(
    clock: Any, cluster: Cluster
) -> None:
    """No Job takes anything off a clock: a new one at each end would never stop."""
    always = {
        "type": "cron",
        "metadata": {
            "timezone": "UTC",
            "start": "0 0 * * *",
            "end": "59 23 * * *",
            "desiredReplicas": "2",
        },
    }
    await cluster.scaled_job("tick", always, pollingInterval=30)
    for _ in range(600):
        for job in cluster.unfinished("tick"):
            await cluster.finish(job)
        await clock.sleep(1)
    assert 38 <= len(cluster.jobs("tick")) <= 42


@operated(jobs=2)
async def test_a_paused_scaled_job_starts_nothing_and_goes_on_when_unpaused(
    clock: Any, cluster: Cluster
) -> None:
    pause = {"autoscaling.keda.sh/paused": "true"}
    await cluster.scaled_job(metadata={"annotations": pause}, pollingInterval=5)
    await clock.sleep(60)
    assert cluster.jobs() == []
    assert cluster.condition(SCALED_JOBS, "crunch", "Paused")[:2] == ("True", "ScaledJobPaused")
    unpause = {"metadata": {"annotations": {"autoscaling.keda.sh/paused": None}}}
    await cluster.patch(SCALED_JOBS, "crunch", unpause)
    await clock.sleep(2)
    assert len(cluster.jobs()) == 2
    assert cluster.condition(SCALED_JOBS, "crunch", "Paused")[:2] == ("False", "ScaledJobUnpaused")
    assert cluster.reasons("crunch")[:2] == ["ScaledJobReady", "ScaledJobPaused"]
    await cluster.patch(SCALED_JOBS, "crunch", {"metadata": {"annotations": pause}})
    await clock.sleep(2)
    assert cluster.reasons("crunch").count("KEDAScalersStopped") == 1
