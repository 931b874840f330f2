"""What the history tells beside the number: outages, fallbacks, pauses, Ready, edits; and who scaled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parts import virtualtime
from parts.cluster import Cluster, operated, redis, running
from parts.virtualtime import VirtualClock
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS
from tidegate.operator.history.store import HistoryStore

Object = dict[str, Any]
DOWN = Unreachable("connect", on="Redis", answer="connection refused")


async def lines(cluster: Cluster, name: str = "web") -> list[Object]:
    found = await cluster.operator.explain(SCALED_OBJECTS, "shop", name)
    history: list[Object] = found["history"]
    return history


async def told(cluster: Cluster, name: str = "web") -> list[str]:
    return [one["what"] for one in await lines(cluster, name)]


async def ready(cluster: Cluster, **spec: Any) -> None:
    """A Deployment at its one replica, and its ScaledObject."""
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", minReplicaCount=1, pollingInterval=5, **spec)


@operated()
async def test_what_rests_has_no_history(clock: Any, cluster: Cluster) -> None:
    await ready(cluster)
    await clock.sleep(600)
    assert await lines(cluster) == []


@operated()
async def test_an_outage_is_told_when_it_begins_and_when_it_ends(clock: Any, cluster: Cluster) -> None:
    await ready(cluster)
    await clock.sleep(10)
    cluster.redis.trouble = DOWN
    await clock.sleep(60)
    cluster.redis.trouble = None
    await clock.sleep(60)
    found = await lines(cluster)
    assert [one["what"] for one in found] == [
        "s0-redis-jobs cannot be read",
        "Ready is False",
        "s0-redis-jobs can be read again",
        "Ready is True",
    ]
    assert "connection refused" in found[0]["reasons"][0]["text"]
    assert found[1]["reasons"][0]["code"] == "TriggerError"
    assert found[2]["at"] >= "2026-01-05T08:01:10Z"


@operated()
async def test_a_fallback_is_told_when_it_begins_and_when_it_ends(clock: Any, cluster: Cluster) -> None:
    await ready(cluster, fallback={"failureThreshold": 2, "replicas": 3})
    await clock.sleep(10)
    cluster.redis.trouble = DOWN
    await clock.sleep(60)
    cluster.redis.trouble = None
    await clock.sleep(60)
    found = [one for one in await lines(cluster) if one["code"].startswith("Fallback")]
    assert [one["what"] for one in found] == [
        "the fallback counts for s0-redis-jobs",
        "the fallback counts no longer for s0-redis-jobs",
    ]
    assert found[0]["reasons"][0]["code"] == "FallbackActive"


@operated()
async def test_a_pause_and_its_end_are_told_and_end_no_outage(clock: Any, cluster: Cluster) -> None:
    await ready(cluster)
    await clock.sleep(10)
    cluster.redis.trouble = DOWN
    await clock.sleep(20)
    pause = {"autoscaling.keda.sh/paused": "true"}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": pause}})
    await clock.sleep(20)
    gone = {"autoscaling.keda.sh/paused": None}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": gone}})
    await clock.sleep(20)
    texts = [one for one in await told(cluster) if not one.startswith("Ready")]
    assert texts == [
        "s0-redis-jobs cannot be read",
        'paused: annotation autoscaling.keda.sh/paused: "true"',
        "unpaused: annotation autoscaling.keda.sh/paused was taken off",
    ]


@operated()
async def test_an_edit_is_told_with_its_fields(clock: Any, cluster: Cluster) -> None:
    await ready(cluster, maxReplicaCount=6)
    await clock.sleep(10)
    spec = {"maxReplicaCount": 10, "cooldownPeriod": 20, "triggers": [redis("more")]}
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": spec})
    await clock.sleep(10)
    assert await told(cluster) == [
        "spec edited (generation 2): triggers, maxReplicaCount 6 → 10, cooldownPeriod unset → 20"
    ]


@operated()
async def test_a_trigger_that_an_edit_replaced_is_not_told_as_read_again(
    clock: Any, cluster: Cluster
) -> None:
    await ready(cluster)
    await clock.sleep(10)
    cluster.redis.trouble = DOWN
    await clock.sleep(20)
    cluster.redis.trouble = None
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("more")]}})
    await clock.sleep(20)
    assert not [one for one in await told(cluster) if "again" in one]


@operated(jobs=3)
async def test_who_scaled_is_told_without_reasons_of_something_else(clock: Any, cluster: Cluster) -> None:
    await ready(cluster)
    await clock.sleep(10)
    moment = "2026-01-05T08:00:10Z"
    status = {"currentReplicas": 1, "desiredReplicas": 3, "lastScaleTime": moment}
    await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 3}}, "scale")
    await clock.sleep(10)
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, "scale")
    await clock.sleep(1)
    # As on a cluster: the count first, then the status.
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 4}}, "scale")
    await clock.sleep(1)
    assert (await told(cluster))[-1] == "5 → 4 replicas, not by us"
    status |= {"desiredReplicas": 4, "lastScaleTime": "2026-01-05T08:00:21Z"}
    await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
    await clock.sleep(1)
    found = await lines(cluster)
    assert [(one["code"], one["what"], one["reasons"]) for one in found] == [
        ("ScaledByHpa", "1 → 3 replicas, by the HPA", []),
        ("ScaledByOthers", "3 → 5 replicas, not by us", []),
        ("ScaledByHpa", "5 → 4 replicas, by the HPA", []),
    ]


@operated(jobs=3)
async def test_our_own_change_that_is_seen_late_is_nobody_elses(clock: Any, cluster: Cluster) -> None:
    cluster.client.lag_s = 2.0
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web", pollingInterval=1)
    await clock.sleep(20)
    assert await told(cluster) == ["0 → 1 replica"]


def test_a_restart_ends_what_had_begun_and_tells_nothing_twice(tmp_path: Path) -> None:
    async def story(clock: VirtualClock) -> None:
        cluster = Cluster(clock)
        for chapter in range(3):
            operator = cluster.operator = cluster.new_operator()
            operator.steps.history_store = operator.steps.history.history_store = HistoryStore(tmp_path)
            async with running(operator):
                if chapter == 0:
                    await ready(cluster)
                    await clock.sleep(10)
                    cluster.redis.trouble = DOWN
                    pause = {"autoscaling.keda.sh/paused-scale-in": "true"}
                    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": pause}})
                await clock.sleep(30)
                if chapter == 1:
                    cluster.redis.trouble = None
                    await clock.sleep(30)
                texts = await told(cluster)
        assert texts == [
            'paused: annotation autoscaling.keda.sh/paused-scale-in: "true"',
            "s0-redis-jobs cannot be read",
            "Ready is False",
            "s0-redis-jobs can be read again",
            "Ready is True",
        ]

    virtualtime.run(story)


@operated()
async def test_within_one_look_the_cause_comes_before_its_step(clock: Any, cluster: Cluster) -> None:
    await ready(cluster)
    await clock.sleep(10)
    pause = {"autoscaling.keda.sh/paused-replicas": "3"}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": pause}})
    await clock.sleep(10)
    gone = {"autoscaling.keda.sh/paused-replicas": None}
    spec = {"minReplicaCount": 5}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": gone}, "spec": spec})
    await clock.sleep(10)
    assert await told(cluster) == [
        'paused: annotation autoscaling.keda.sh/paused-replicas: "3"',
        "1 → 3 replicas",
        "spec edited (generation 2): minReplicaCount 1 → 5",
        "unpaused: annotation autoscaling.keda.sh/paused-replicas was taken off",
        "3 → 5 replicas",
    ]
