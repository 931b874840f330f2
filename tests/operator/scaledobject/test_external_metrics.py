"""What the operator tells of an external metric: its values, as of when, and for how long."""

from __future__ import annotations

import asyncio

from parts.cluster import Cluster, operated
from tidegate.api.metric_stream import Metric
from tidegate.base.errors import Failure, Unreachable
from tidegate.runtime.clock import Clock

METRIC = Metric("shop", "web", "s0-redis-jobs")
FALLBACK = {"failureThreshold": 1, "replicas": 4}


@operated()
async def test_a_value_has_its_moment_and_is_good_for_fifteen_seconds_at_most(
    clock: Clock, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=60)
    cluster.redis.lists["jobs"] = 7
    await asyncio.sleep(2)
    metrics = cluster.operator.external_metrics
    first = metrics.kept(METRIC)
    assert (first.values, first.max_age_s, first.polling_s) == ((7.0,), 15.0, 60.0)
    cluster.redis.lists["jobs"] = 9
    await asyncio.sleep(10)
    assert metrics.kept(METRIC) == first
    assert await metrics.answer(METRIC) == first
    await metrics.renew(METRIC, 6.0)
    later = metrics.kept(METRIC, first)
    assert later.values == (9.0,)
    assert later.measured_s > first.measured_s
    assert metrics.kept(METRIC) == later


@operated()
async def test_whoever_listens_hears_of_each_reading_and_of_the_end(clock: Clock, cluster: Cluster) -> None:
    heard = []
    metrics = cluster.operator.external_metrics
    metrics.on_change(heard.append)
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=10)
    await asyncio.sleep(2)
    heard.clear()
    # The same value is no news to decisions; its moment is to those who keep it.
    await asyncio.sleep(10)
    assert heard == [("shop", "web")]
    metrics.forget(heard.append)


@operated()
async def test_what_a_fallback_says_may_be_told_to_the_asker_alone(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment(replicas=1)
    cluster.redis.trouble = Unreachable("connect", on="redis:6379", answer="connection refused")
    await cluster.scaled_object("web", pollingInterval=5, fallback=FALLBACK)
    await asyncio.sleep(20)
    answer = await cluster.operator.external_metrics.answer(METRIC)
    assert not isinstance(answer.values, Failure)
    assert answer.max_age_s == 0


@operated()
async def test_an_asker_waits_for_the_first_look_at_an_object(clock: Clock, cluster: Cluster) -> None:
    await cluster.deployment()
    cluster.redis.lists["jobs"] = 3
    await cluster.scaled_object("web")
    answer = await cluster.operator.external_metrics.after_first_look(METRIC)
    assert answer.values == (3.0,)


@operated()
async def test_nobody_waits_for_an_object_that_is_not_there(clock: Clock, cluster: Cluster) -> None:
    await asyncio.sleep(1)
    before_s = clock.monotonic()
    answer = await cluster.operator.external_metrics.after_first_look(Metric("shop", "none", "s0-x"))
    assert answer.values == Failure("Misconfigured", "there is no ScaledObject shop/none")
    assert clock.monotonic() == before_s
