"""How many writes an object costs: each is made once, whatever the caches show meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, redis, running
from parts.memory_client import Write, nothing
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import EVENTS, HPAS, SCALED_JOBS, SCALED_OBJECTS, ApiError


def told(story: Any) -> None:
    async def whole(clock: Any) -> None:
        await story(clock, Cluster(clock))

    virtualtime.run(whole)


def writes(cluster: Cluster, name: str) -> Counter[tuple[str, str]]:
    """Verb and plural (with its subresource) of all writes but events."""
    return Counter(
        (one.verb, "/".join(filter(None, (one.resource.plural, one.subresource))))
        for one in cluster.client.writes
        if one.resource != EVENTS and name in one.name
    )


@pytest.mark.parametrize("lag_s", [0.0, 0.05, 0.5, 5.0])
@pytest.mark.parametrize("delay_s", [0.001, 0.3])
def test_a_new_scaled_object_costs_three_writes_however_far_the_caches_are_behind(
    lag_s: float, delay_s: float
) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.lag_s, cluster.redis.delay_s = lag_s, delay_s
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.deployment("web")
            await cluster.scaled_object("web")
            await clock.sleep(100)
        assert writes(cluster, "web") == {
            ("patch", "scaledobjects"): 1,
            ("create", "horizontalpodautoscalers"): 1,
            ("patch", "scaledobjects/status"): 1,
        }

    told(story)


def test_a_new_scaled_object_is_reconciled_for_itself_and_for_its_first_reading() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.lag_s = 0.05
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.deployment("web")
            await clock.sleep(1)
            before = cluster.operator.queue.reconciles
            await cluster.scaled_object("web")
            await clock.sleep(100)
            # What we have written ourselves is no cause.
            assert cluster.operator.queue.reconciles - before == 2

    told(story)


def test_a_change_of_somebody_else_is_reconciled_although_our_own_write_came_after_it() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        async with running(cluster.operator):
            await cluster.deployment("web")
            await cluster.scaled_object("web")
            await clock.sleep(100)
            edit, written = {"spec": {"maxReplicaCount": 7}}, asyncio.Event()

            async def edited(write: Write) -> None:
                if write.subresource == "status":
                    cluster.client.before = nothing
                    await cluster.client.patch(SCALED_OBJECTS, "shop", "web", edit)
                    written.set()

            cluster.client.before, cluster.client.lag_s = edited, 0.5
            cluster.redis.trouble = Unreachable("ask for jobs", answer="nobody answers")
            await written.wait()
            await clock.sleep(3)
            hpa = await cluster.client.get(HPAS, "shop", "keda-hpa-web")
            assert hpa["spec"]["maxReplicas"] == 7

    told(story)


def test_many_objects_at_a_first_start_cost_three_writes_each() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        for number in range(200):
            await cluster.deployment(f"web{number}")
            await cluster.scaled_object(f"web{number}", redis(f"jobs{number}"))
        cluster.client.lag_s = 0.2
        async with running(cluster.operator):
            await clock.sleep(100)
        every = [one for one in cluster.client.writes if one.resource != EVENTS]
        assert len(every) == 3 * 200

    told(story)


def test_a_new_scaled_job_costs_two() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.scaled_job("crunch")
            await clock.sleep(100)
        assert writes(cluster, "crunch") == {("patch", "scaledjobs"): 1, ("patch", "scaledjobs/status"): 1}

    told(story)


def test_a_restart_with_known_objects_writes_nothing() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment("web")
        await cluster.scaled_object("web")
        async with running(cluster.operator):
            await clock.sleep(30)
        cluster.client.writes.clear()
        async with running(cluster.new_operator()):
            await clock.sleep(30)
        assert writes(cluster, "web") == {}

    told(story)


def test_an_hpa_that_somebody_deletes_while_the_cache_is_behind_is_made_again() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.lag_s = 2.0
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.deployment("web")
            await cluster.scaled_object("web")
            while cluster.hpa() is None:
                await clock.sleep(0.1)
            await cluster.objects.delete(HPAS, "shop", "keda-hpa-web")
            await clock.sleep(30)
            assert cluster.hpa() is not None

    told(story)


def test_what_is_told_waits_for_nothing_that_is_done() -> None:
    """An API server that takes no events for minutes."""

    async def story(clock: Any, cluster: Cluster) -> None:
        async def slow(write: Write) -> None:
            if write.resource == EVENTS:
                await clock.sleep(300)
                raise ApiError(429, "TooManyRequests", "slow down")

        cluster.client.before = slow
        cluster.redis.lists["jobs"] = 1
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.deployment("web")
            await cluster.scaled_object("web")
            await clock.sleep(5)
            assert cluster.replicas() == 1
            assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"

    told(story)


def test_a_cache_that_is_far_behind_costs_no_write_for_each_moment_that_it_is() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        async with running(cluster.operator):
            await cluster.scaled_job("crunch", redis("orders"))
            await clock.sleep(10)
            cluster.client.lag_s = 40.0
            await cluster.client.patch(
                SCALED_JOBS, "shop", "crunch", {"metadata": {"annotations": {"team": "a"}}}
            )
            before = len(cluster.client.writes)
            cluster.redis.lists["orders"] = 3
            await clock.sleep(35)
            claims = [one for one in cluster.client.writes[before:] if one.name == "crunch"]
            assert 3 <= len(claims) <= 10
            await clock.sleep(10)
            assert len(cluster.jobs()) == 3

    told(story)
