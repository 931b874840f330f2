"""An operator beside KEDA changes nothing, and says what it would have set where that lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from parts import virtualtime
from parts.cluster import LABEL, Cluster, redis, running
from tidegate.connections.adapter import Surroundings
from tidegate.kube.resource import DEPLOYMENTS, EVENTS, HPAS, JOBS, SCALED_JOBS, SCALED_OBJECTS
from tidegate.operator.operator import Operator, Stance

Object = dict[str, Any]
POLL_S = 10
GRACE_S = 2 * POLL_S + 15


@asynccontextmanager
async def beside_keda(clock: Any, **lists: float) -> AsyncIterator[tuple[Cluster, Operator]]:
    """A cluster that we look at; what KEDA does there, the test does."""
    cluster = Cluster(clock)
    cluster.redis.lists.update(lists)
    shadow = Operator(
        cluster.client,  # type: ignore[arg-type]
        clock,
        Surroundings(),
        cluster.options,
        connect=cluster.redis.connect,
        stance=Stance(is_shadow=True),
    )
    async with running(shadow):
        yield cluster, shadow


def differences(shadow: Operator, name: str = "web") -> dict[str, tuple[str, str, bool]]:
    """Ours, theirs and whether it is over, by aspect."""
    assert shadow.shadow is not None
    [row] = [one for one in shadow.shadow.report()["objects"] if one["name"] == name]
    return {
        one["aspect"]: (one["tidegate"], one["keda"], one["until"] is not None) for one in row["differences"]
    }


async def keda_made(cluster: Cluster, replicas: int = 0, **spec: Any) -> None:
    """A ScaledObject as KEDA keeps one, and its HPA as our own operator makes it."""
    await cluster.deployment(replicas=replicas)
    await cluster.scaled_object(pollingInterval=POLL_S, **spec)
    async with running(cluster.new_operator()):
        await virtualtime_sleep(3)


async def virtualtime_sleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def writes(cluster: Cluster) -> list[tuple[str, str]]:
    return [(one.resource.plural, one.verb) for one in cluster.client.writes if one.resource != EVENTS]


def test_an_object_that_keda_has_not_prepared_is_looked_at_and_left_as_it_is() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=5) as (cluster, shadow):
            await cluster.deployment()
            await cluster.scaled_object(pollingInterval=POLL_S)
            await clock.sleep(GRACE_S + 5)
            assert writes(cluster) == []
            assert cluster.replicas() == 0
            assert cluster.hpa() is None
            found = differences(shadow)
            assert found["replicas"] == ("1", "0", False)
            assert found["hpa"] == ("HPA keda-hpa-web", "none", False)
            assert found["condition Active"][1] == "not told"

    virtualtime.run(story)


def test_what_lasts_is_told_by_one_event_of_another_source() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=5) as (cluster, _):
            await cluster.deployment()
            await cluster.scaled_object(pollingInterval=POLL_S)
            await clock.sleep(10 * GRACE_S)
            events = cluster.objects.list(EVENTS, "shop")
            assert {one["source"]["component"] for one in events} == {"tidegate-shadow"}
            about = [one for one in events if "replicas would be 1, and is 0" in one["message"]]
            assert [(one["reason"], one["type"], one["count"]) for one in about] == [
                ("ShadowDiffers", "Normal", 1)
            ]

    virtualtime.run(story)


def test_where_both_do_the_same_there_is_nothing_to_tell() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=0) as (cluster, shadow):
            await keda_made(cluster)
            await clock.sleep(GRACE_S)
            cluster.redis.lists["jobs"] = 5
            # KEDA polls half an interval after us.
            await clock.sleep(POLL_S * 1.5)
            async with running(cluster.new_operator()):
                await clock.sleep(3)
            before = len(cluster.client.writes)
            await clock.sleep(2 * GRACE_S)
            assert len(cluster.client.writes) == before
            assert differences(shadow) == {}
            assert [one["reason"] for one in cluster.objects.list(EVENTS) if "Shadow" in one["reason"]] == []

    virtualtime.run(story)


def test_a_difference_that_is_over_stays_in_the_report_of_its_day() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=5) as (cluster, shadow):
            await keda_made(cluster)
            await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 0}})
            await clock.sleep(GRACE_S + 10)
            assert differences(shadow)["replicas"] == ("1", "0", False)
            await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 1}})
            await clock.sleep(5)
            assert differences(shadow)["replicas"] == ("1", "0", True)
            await clock.sleep(24 * 3600)
            assert "replicas" not in differences(shadow)

    virtualtime.run(story)


def test_an_hpa_that_would_be_another_is_told_by_field() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=5) as (cluster, shadow):
            await keda_made(cluster, replicas=1)
            await cluster.patch(HPAS, "keda-hpa-web", {"spec": {"maxReplicas": 3}})
            await clock.sleep(GRACE_S + 10)
            assert differences(shadow)["hpa spec.maxReplicas"] == ("100", "3", False)
            found = cluster.hpa()
            assert found is not None
            assert found["spec"]["maxReplicas"] == 3

    virtualtime.run(story)


def test_what_our_values_ask_for_is_held_against_what_the_hpa_wants() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=7) as (cluster, shadow):
            await keda_made(cluster, replicas=2)
            status = {"currentReplicas": 2, "desiredReplicas": 2}
            await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
            await clock.sleep(GRACE_S + 2 * POLL_S)
            ours, theirs, _ = differences(shadow)["recommended replicas"]
            assert (ours, theirs) == ("7 (s0-redis-jobs is 7, target 1)", "2")
            status = {"currentReplicas": 2, "desiredReplicas": 7}
            await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
            await clock.sleep(POLL_S)
            assert differences(shadow)["recommended replicas"][2]

    virtualtime.run(story)


def test_a_metric_of_value_counts_with_the_ready_pods_as_in_the_hpa() -> None:
    async def story(clock: Any) -> None:
        trigger = {**redis(), "metricType": "Value"}
        async with beside_keda(clock, jobs=7) as (cluster, shadow):
            await cluster.deployment(replicas=2)
            await cluster.scaled_object("web", trigger, pollingInterval=POLL_S)
            async with running(cluster.new_operator()):
                await clock.sleep(3)
            status = {"currentReplicas": 2, "desiredReplicas": 2}
            await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
            await clock.sleep(GRACE_S + 2 * POLL_S)
            # Nobody says how many are ready: nothing is said of the count.
            assert "recommended replicas" not in differences(shadow)
            await cluster.patch(DEPLOYMENTS, "web", {"status": {"readyReplicas": 1}}, "status")
            cluster.redis.lists["jobs"] = 8
            await clock.sleep(GRACE_S + 2 * POLL_S)
            ours, theirs, _ = differences(shadow)["recommended replicas"]
            assert (ours, theirs) == ("8 (s0-redis-jobs is 8, target 1)", "2")

    virtualtime.run(story)


def test_jobs_that_keda_does_not_start_are_told_and_none_is_started() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=3) as (cluster, shadow):
            await cluster.scaled_job(pollingInterval=POLL_S)
            await clock.sleep(GRACE_S + 10)
            assert writes(cluster) == []
            assert cluster.jobs() == []
            assert differences(shadow, "crunch")["jobs"] == ("3 more Jobs", "none of them yet", False)

    virtualtime.run(story)


def test_jobs_that_keda_starts_in_time_are_no_difference() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=0) as (cluster, shadow):
            await cluster.scaled_job(pollingInterval=POLL_S)
            for number in range(12):
                cluster.redis.lists["jobs"] = number + 1
                await clock.sleep(POLL_S * 1.2)
                body = {"metadata": {"name": f"crunch-{number}", "labels": {LABEL: "crunch"}}}
                await cluster.create(JOBS, f"crunch-{number}", metadata=body["metadata"], spec={})
            await clock.sleep(POLL_S)
            assert "jobs" not in differences(shadow, "crunch")
            assert shadow.shadow is not None
            [row] = shadow.shadow.report()["objects"]
            assert row["jobsStarted"] == 12
            assert row["passed"] > 0

    virtualtime.run(story)


def test_an_object_that_goes_leaves_the_report_with_nothing_written() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=0) as (cluster, shadow):
            await keda_made(cluster)
            await cluster.scaled_object("other", redis("others"))
            await clock.sleep(5)
            before = writes(cluster)
            await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
            await clock.sleep(5)
            left = cluster.objects.get(SCALED_OBJECTS, "shop", "web")
            # KEDA's finalizer is KEDA's to take away.
            assert left is not None
            assert left["metadata"]["finalizers"] == ["finalizer.keda.sh"]
            assert writes(cluster) == before
            assert shadow.shadow is not None
            assert [one["name"] for one in shadow.shadow.report()["objects"]] == ["other"]

    virtualtime.run(story)


def test_a_paused_job_and_a_restored_count_are_left_alone() -> None:
    async def story(clock: Any) -> None:
        async with beside_keda(clock, jobs=3) as (cluster, _):
            await cluster.scaled_job(metadata={"annotations": {"autoscaling.keda.sh/paused": "true"}})
            await cluster.deployment(replicas=4)
            await cluster.scaled_object(advanced={"restoreToOriginalReplicaCount": True})
            await clock.sleep(120)
            assert writes(cluster) == []
            assert cluster.objects.get(SCALED_JOBS, "shop", "crunch") is not None

    virtualtime.run(story)
