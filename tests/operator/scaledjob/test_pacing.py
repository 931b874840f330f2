"""Rounds of Jobs at the pace of the polling interval, and on readings of one moment."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, redis
from parts.memory_client import Write
from parts.town import Object, Town, living, pods_of
from tidegate.kube.resource import JOBS, SCALED_JOBS, SECRETS

LABEL = "scaledjob.keda.sh/name"
HOUR_S = 3_600
TEMPLATE = {
    "spec": {"containers": [{"name": "c", "image": "i", "command": ["work"]}], "restartPolicy": "Never"}
}
KEPT = {"successfulJobsHistoryLimit": 9_999, "failedJobsHistoryLimit": 9_999}


async def scaled_job(town: Town, *triggers: Object, **spec: Any) -> None:
    body = {"template": TEMPLATE, "backoffLimit": 0}
    await town.scaled_job("crunch", *triggers, jobTargetRef=body, **KEPT, **spec)


def is_job(pod: Object) -> bool:
    return LABEL in (pod["metadata"].get("labels") or {})


@pytest.mark.parametrize(
    ("load", "end"),
    [
        (pods_of("monitored"), (1.0, "Succeeded")),
        (redis("jobs"), (0.5, "Failed")),
        (redis("jobs"), (1.0, "Succeeded")),
    ],
    ids=["nothing is taken", "the program fails", "the value falls late"],
)
@pytest.mark.parametrize("strategy", ["default", "accurate", "eager"])
def test_jobs_that_end_at_once_are_followed_by_one_round_per_polling_interval(
    load: Object, end: tuple[float, str], strategy: str
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, lambda pod: end if is_job(pod) else None, jobs=1) as town:
            await town.deployment("monitored", 1)
            await clock.sleep(5)
            await scaled_job(town, load, pollingInterval=60, scalingStrategy={"strategy": strategy})
            await clock.sleep(300)
            assert len(town.jobs()) in (5, 6)

    virtualtime.run(story)


@pytest.mark.parametrize("load", [redis("empty"), {"type": "redis", "metadata": {"address": "redis:6379"}}])
def test_a_minimum_whose_program_fails_at_once_is_filled_once_per_polling_interval(load: Object) -> None:
    """Also where no trigger can be asked."""

    async def story(clock: Any) -> None:
        async with living(clock, lambda pod: (0.2, "Failed")) as town:
            await scaled_job(town, load, pollingInterval=60, minReplicaCount=5)
            await clock.sleep(250)
            assert len(town.jobs()) == 25

    virtualtime.run(story)


@pytest.mark.parametrize(
    "strategy",
    [
        {"strategy": "accurate"},
        {"strategy": "eager"},
        {"strategy": "custom", "customScalingRunningJobPercentage": "0"},
    ],
)
def test_without_the_default_strategy_the_ends_of_jobs_start_no_others(strategy: Object) -> None:
    """A Job takes its message three seconds after its start: until then every reconcile sees it again."""

    async def story(clock: Any) -> None:
        async def take(town: Town) -> None:
            await clock.sleep(3)
            town.redis.lists["jobs"] = max(0, town.redis.lists["jobs"] - 1)

        towns: list[Town] = []
        tasks: list[asyncio.Task[None]] = []

        def works(pod: Object) -> tuple[float, str]:
            tasks.append(asyncio.create_task(take(towns[0])))
            return 3 + len(tasks) % 5, "Succeeded"

        async with living(clock, works, jobs=0) as town:
            towns.append(town)
            await scaled_job(town, pollingInterval=30, maxReplicaCount=50, scalingStrategy=strategy)
            await clock.sleep(5)
            for _ in range(90):
                town.redis.lists["jobs"] += 1
                await clock.sleep(1)
            await clock.sleep(60)
            assert len(town.jobs()) == 90

    virtualtime.run(story)


def test_a_minimum_of_the_maximum_works_off_a_queue_without_waiting_for_polls() -> None:
    async def story(clock: Any) -> None:
        towns: list[Town] = []

        def works(pod: Object) -> tuple[float, str]:
            towns[0].redis.lists["jobs"] = max(0, towns[0].redis.lists["jobs"] - 1)
            return 2, "Succeeded"

        async with living(clock, works, jobs=40) as town:
            towns.append(town)
            await scaled_job(town, pollingInterval=HOUR_S, minReplicaCount=3, maxReplicaCount=3)
            await town.becomes("the queue is empty", lambda: not town.redis.lists["jobs"], 60)

    virtualtime.run(story)


MIN_AND_AVG = pytest.mark.parametrize(
    ("mode", "expected"), [("min", 2), ("avg", 11), ("sum", 22), ("max", 20)]
)


@MIN_AND_AVG
@operated(big=20, small=2)
async def test_a_server_that_answers_later_is_waited_for(
    clock: Any, cluster: Cluster, mode: str, expected: int
) -> None:
    cluster.redis.slow["other:6379"] = 1.5
    triggers = (redis("big"), redis("small", address="other:6379"))
    await cluster.scaled_job(
        "crunch", *triggers, scalingStrategy={"multipleScalersCalculation": mode}, pollingInterval=30
    )
    await clock.sleep(25)
    assert len(cluster.jobs()) == expected


@MIN_AND_AVG
@pytest.mark.parametrize("address", ["b:6379", "c:6379", "d:6379"])
@operated(big=0, small=0)
async def test_a_round_is_decided_on_readings_of_one_moment(
    clock: Any, cluster: Cluster, mode: str, expected: int, address: str
) -> None:
    """Servers are polled at moments of their own: what was read before is asked again, once."""
    triggers = (redis("small"), redis("big", address=address))
    await cluster.scaled_job(
        "crunch", *triggers, scalingStrategy={"multipleScalersCalculation": mode}, pollingInterval=30
    )
    await clock.sleep(10)
    counters = cluster.operator.rounds.counters
    before, begun_s = counters.questions, clock.monotonic()
    cluster.redis.lists.update(small=2, big=20)
    await clock.sleep(120)
    assert len(cluster.jobs()) == expected
    polls = 2 * (clock.monotonic() - begun_s) / 30
    assert counters.questions - before <= polls + 1


@operated(jobs=0)
async def test_a_single_trigger_is_asked_by_polls_alone(clock: Any, cluster: Cluster) -> None:
    cluster.redis.slow["redis:6379"] = 2.0
    await cluster.scaled_job(pollingInterval=30)
    await clock.sleep(10)
    counters, before = cluster.operator.rounds.counters, cluster.operator.rounds.counters.questions
    for count in (1, 2, 3):
        cluster.redis.lists["jobs"] = count
        await clock.sleep(30)
        assert len(cluster.jobs()) == count
    assert counters.questions - before == 3


def test_a_restart_and_a_rotated_secret_start_no_job_for_the_larger_of_two_queues() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, lambda pod: None, big=0, small=0) as town:
            town.redis.slow["other:6379"] = 0.5
            password = {"data": {"password": base64.b64encode(b"a").decode()}}
            await town.create(SECRETS, "pw", **password)
            small = redis("small", address="other:6379")
            small["authenticationRef"] = {"name": "pw"}
            mode = {"multipleScalersCalculation": "min"}
            await scaled_job(town, redis("big"), small, pollingInterval=30, scalingStrategy=mode)
            await clock.sleep(10)
            town.redis.lists.update(small=2, big=20)
            await clock.sleep(62)
            assert len(town.jobs()) == 2
            await town.patch(SECRETS, "pw", {"data": {"password": base64.b64encode(b"b").decode()}})
            await clock.sleep(60)
            assert len(town.jobs()) == 2
            await town.kill_operator()
            town.start_operator()
            await clock.sleep(60)
            assert len(town.jobs()) == 2

    virtualtime.run(story)


@operated(jobs=0)
async def test_an_edit_and_an_unpause_fill_the_minimum_at_once(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job(pollingInterval=HOUR_S, minReplicaCount=2)
    await clock.sleep(5)
    await cluster.finish(cluster.unfinished()[0])
    await clock.sleep(60)
    assert len(cluster.jobs()) == 2, "the minimum waits for the poll"
    await cluster.patch(SCALED_JOBS, "crunch", {"spec": {"maxReplicaCount": 9}})
    await clock.sleep(2)
    assert len(cluster.jobs()) == 3
    for text in ("true", None):
        wanted = {"metadata": {"annotations": {"autoscaling.keda.sh/paused": text}}}
        await cluster.finish(cluster.unfinished()[0])
        await cluster.patch(SCALED_JOBS, "crunch", wanted)
        await clock.sleep(2)
    assert len(cluster.unfinished()) == 2


@pytest.mark.parametrize("claim_s", [0.01, 12, 25])
@operated(jobs=0)
async def test_what_is_asked_while_a_round_is_claimed_starts_no_second_job_for_a_message(
    clock: Any, cluster: Cluster, claim_s: float
) -> None:
    """The Jobs take their messages, end and are removed before anybody looks again."""
    gone: list[str] = []

    async def delay(write: Write) -> None:
        if write.resource == SCALED_JOBS and "tidegate.dev/round" in str(write.body):
            await clock.sleep(claim_s)

    async def work() -> None:
        while True:
            await clock.sleep(0.02)
            for name in cluster.unfinished():
                cluster.redis.lists["jobs"] = max(0, cluster.redis.lists["jobs"] - 1)
                gone.append(name)
                await cluster.finish(name)
                await cluster.objects.delete(JOBS, "shop", name)

    cluster.client.before = delay
    worker = asyncio.create_task(work())
    await cluster.scaled_job(pollingInterval=10)
    await clock.sleep(25)
    cluster.redis.lists["jobs"] = 3
    await clock.sleep(100)
    assert len(gone) == 3
    worker.cancel()


@operated()
async def test_a_clock_that_is_set_back_keeps_no_jobs_of_a_cron_trigger_waiting(
    clock: Any, cluster: Cluster
) -> None:
    hours = {"timezone": "UTC", "start": "0 5 * * *", "end": "0 23 * * *", "desiredReplicas": "2"}
    await cluster.scaled_job("crunch", {"type": "cron", "metadata": hours}, pollingInterval=30)
    await clock.sleep(5)
    clock.shift -= timedelta(hours=1)
    for name in cluster.unfinished():
        await cluster.finish(name)
    await clock.sleep(65)
    assert len(cluster.jobs()) == 4
