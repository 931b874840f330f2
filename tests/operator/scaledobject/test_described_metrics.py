"""Metrics that a server says itself: they make the HPA, follow its changes, and outlive its absence."""

from __future__ import annotations

from typing import Any

from parts import virtualtime
from parts.cluster import Cluster, external, operated, redis, running
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import HPAS, SCALED_JOBS, SCALED_OBJECTS
from tidegate.review.hpa import NAME_LABEL

AWAY = Unreachable("call GetMetricSpec", on="external scaler scaler:9090", answer="connection refused")


def targets(cluster: Cluster) -> dict[str, str]:
    """The metrics of the HPA with what they aim at."""
    found = cluster.hpa()
    metrics = found["spec"]["metrics"] if found is not None else []
    return {one["external"]["metric"]["name"]: one["external"]["target"]["averageValue"] for one in metrics}


def hpa_writes(cluster: Cluster) -> int:
    return sum(one.resource == HPAS for one in cluster.client.writes)


@operated()
async def test_the_hpa_gets_what_the_server_says_and_follows_it(clock: Any, cluster: Cluster) -> None:
    cluster.external.metrics = {"orders": (5.0, 12.0), "refunds": (2.5, 0.0)}
    cluster.external.is_active = True
    await cluster.deployment()
    await cluster.scaled_object("web", external(), pollingInterval=10)
    await clock.sleep(5)
    assert targets(cluster) == {"s0-orders": "5", "s0-refunds": "2500m"}
    assert hpa_writes(cluster) == 1
    assert cluster.replicas() == 1
    cluster.external.metrics = {"orders": (7.0, 12.0)}
    await clock.sleep(15)
    assert targets(cluster) == {"s0-orders": "7"}
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"


@operated()
async def test_a_server_that_never_spoke_makes_no_hpa_and_ready_is_false(
    clock: Any, cluster: Cluster
) -> None:
    cluster.external.trouble = AWAY
    await cluster.deployment(replicas=3)
    await cluster.scaled_object("web", external(), pollingInterval=10, cooldownPeriod=1)
    await clock.sleep(60)
    assert cluster.hpa() is None
    assert cluster.replicas() == 3, "unknown never scales to zero"
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "False"
    cluster.external.trouble = None
    cluster.external.metrics = {"orders": (5.0, 12.0)}
    await clock.sleep(15)
    assert targets(cluster) == {"s0-orders": "5"}
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"


@operated(jobs=3)
async def test_beside_a_healthy_trigger_an_hpa_only_raises_until_the_server_has_spoken(
    clock: Any, cluster: Cluster
) -> None:
    cluster.external.trouble = AWAY
    await cluster.deployment()
    await cluster.scaled_object("web", external(), redis(), pollingInterval=10)
    await clock.sleep(15)
    found = cluster.hpa()
    assert found is not None
    assert set(targets(cluster)) == {"s1-redis-jobs"}
    assert found["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    cluster.external.trouble = None
    cluster.external.metrics = {"orders": (5.0, 12.0)}
    await clock.sleep(15)
    assert set(targets(cluster)) == {"s0-orders", "s1-redis-jobs"}
    found = cluster.hpa()
    assert found is not None
    assert "behavior" not in found["spec"]


def test_a_restart_while_the_server_is_away_keeps_the_metrics_and_writes_nothing() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.external.metrics = {"orders": (5.0, 12.0)}
        cluster.external.is_active = True
        await cluster.deployment()
        fallback = {"failureThreshold": 2, "replicas": 6}
        async with running(cluster.operator):
            await cluster.scaled_object("web", external(), pollingInterval=10, fallback=fallback)
            await clock.sleep(15)
            assert targets(cluster) == {"s0-orders": "5"}
        cluster.external.trouble = AWAY
        writes = hpa_writes(cluster)
        after = cluster.new_operator()
        async with running(after):
            await clock.sleep(60)
            asked = await after.external_metric("shop", "s0-orders", {NAME_LABEL: "web"})
        assert asked == (30.0,), "six replicas by five orders each"
        assert targets(cluster) == {"s0-orders": "5"}
        assert hpa_writes(cluster) == writes
        assert cluster.condition(SCALED_OBJECTS, "web", "Fallback")[0] == "True"

    virtualtime.run(story)


@operated()
async def test_a_push_is_acted_upon_at_once_and_not_at_the_next_poll(clock: Any, cluster: Cluster) -> None:
    cluster.external.metrics = {"orders": (5.0, 0.0)}
    await cluster.deployment()
    await cluster.scaled_object("web", external("external-push"), pollingInterval=3600)
    await clock.sleep(5)
    assert cluster.replicas() == 0
    cluster.external.is_active = True
    cluster.external.push()
    await clock.sleep(1)
    assert cluster.replicas() == 1


@operated()
async def test_a_scaled_job_is_pushed_too(clock: Any, cluster: Cluster) -> None:
    cluster.external.metrics = {"orders": (1.0, 0.0)}
    await cluster.scaled_job("crunch", external("external-push"), pollingInterval=3600)
    await clock.sleep(5)
    assert cluster.jobs() == []
    cluster.external.is_active = True
    cluster.external.metrics = {"orders": (1.0, 3.0)}
    cluster.external.push()
    await clock.sleep(1)
    assert len(cluster.jobs()) == 3
    assert cluster.condition(SCALED_JOBS, "crunch", "Active")[0] == "True"
