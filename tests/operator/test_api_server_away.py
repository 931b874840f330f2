"""The API server is away for a minute: nothing is lost, nothing is made twice, nobody panics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operating, redis
from parts.memory_client import Write, nothing
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS, ApiError
from tidegate.runtime.queue import LONGEST_AWAY_S

AWAY_S = 60.0
# The longest pause of a watch between two attempts, and of a poll.
SOON_S = 12.0


def told(story: Callable[[Any, Cluster], Awaitable[None]]) -> None:
    async def whole(clock: Any) -> None:
        async with operating(clock) as cluster:
            await cluster.deployment("web")
            await cluster.scaled_object("web", redis("jobs"), pollingInterval=5, cooldownPeriod=10)
            await cluster.scaled_job("crunch", redis("orders"), pollingInterval=5)
            await clock.sleep(20)
            await story(clock, cluster)

    virtualtime.run(whole)


@pytest.mark.parametrize("away_s", [10.0, 40.0, AWAY_S, 110.0])
def test_what_comes_meanwhile_is_worked_on_as_soon_as_it_is_back(away_s: float) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.leave()
        cluster.redis.lists |= {"jobs": 5, "orders": 2}
        await clock.sleep(away_s)
        assert (cluster.replicas(), cluster.jobs()) == (0, [])
        cluster.client.come_back()
        await clock.sleep(SOON_S)
        assert cluster.replicas() == 1
        assert len(cluster.jobs()) == 2

    told(story)


def test_what_ends_meanwhile_ends_once_it_is_back() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.redis.lists["jobs"] = 5
        await clock.sleep(20)
        assert cluster.replicas() == 1
        cluster.client.leave()
        cluster.redis.lists["jobs"] = 0
        await clock.sleep(AWAY_S)
        cluster.client.come_back()
        await clock.sleep(SOON_S + 10)
        assert cluster.replicas() == 0

    told(story)


def test_jobs_are_not_made_twice_because_nobody_saw_them() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.redis.lists["orders"] = 3
        await clock.sleep(10)
        assert len(cluster.jobs()) == 3
        cluster.client.leave()
        await clock.sleep(AWAY_S)
        cluster.client.come_back()
        await clock.sleep(60)
        assert len(cluster.jobs()) == 3

    told(story)


def test_objects_that_came_and_went_meanwhile_are_as_they_are_now() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.leave()
        await cluster.deployment("late")
        await cluster.scaled_object("late", redis("late"), pollingInterval=5)
        cluster.redis.lists["late"] = 1
        await cluster.objects.delete(HPAS, "shop", "keda-hpa-web")
        await clock.sleep(AWAY_S)
        cluster.client.come_back()
        await clock.sleep(SOON_S)
        assert cluster.replicas("late") == 1
        assert cluster.hpa("keda-hpa-late") is not None
        assert cluster.hpa("keda-hpa-web") is not None

    told(story)


def test_it_is_said_once_that_the_server_is_lost_and_not_for_each_object(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        caplog.clear()
        cluster.client.leave()
        cluster.redis.lists |= {"jobs": 5, "orders": 2}
        await clock.sleep(AWAY_S)
        kinds = [one.resource for one in caplog.records if one.getMessage() == "cache lost its server"]
        assert len(kinds) == len(set(kinds))
        assert all(one.exc_info is None for one in caplog.records)
        assert len([one for one in caplog.records if one.getMessage().startswith("reconcile failed")]) <= 4

    told(story)


def test_a_target_that_was_raised_meanwhile_is_not_lowered_on_what_was_known_before() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.redis.lists["jobs"] = 5
        await clock.sleep(20)
        cluster.client.leave()
        await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 4}})
        await clock.sleep(AWAY_S)
        cluster.client.come_back()
        await clock.sleep(60)
        assert cluster.replicas() == 4
        assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "True"

    told(story)


def test_what_cannot_be_written_is_tried_ever_more_seldom_and_at_once_when_it_is_back() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        cluster.client.leave()
        cluster.redis.lists |= {"jobs": 5, "orders": 2}
        await clock.sleep(5)
        queue = cluster.operator.queue
        before = queue.reconciles
        await clock.sleep(180)
        assert 2 * 10 <= queue.reconciles - before <= 2 * 20
        cluster.client.come_back()
        await clock.sleep(SOON_S)
        assert cluster.replicas() == 1

    told(story)


@pytest.mark.parametrize("refusal", [ApiError(403, "Forbidden", "not yours"), ApiError(422, "Invalid", "no")])
def test_a_status_that_is_refused_keeps_no_date_of_the_object(refusal: ApiError) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        async def refused(write: Write) -> None:
            if write.subresource == "status":
                raise refusal

        cluster.client.before = refused
        cluster.redis.lists["jobs"] = 5
        await clock.sleep(100)
        assert cluster.replicas() == 1
        cluster.redis.lists["jobs"] = 0
        # A poll, the cooldown of ten seconds, and no pause of a minute.
        await clock.sleep(20)
        assert cluster.replicas() == 0

    told(story)


def test_writes_that_time_out_are_not_hammered_at_and_all_are_made_once_one_is() -> None:
    """The watches stay open: nothing but the writes themselves can tell that the server is well again."""

    async def story(clock: Any, cluster: Cluster) -> None:
        names = [f"more{number}" for number in range(20)]
        tried: list[str] = []

        async def slow(write: Write) -> None:
            if write.resource == SCALED_OBJECTS:
                tried.append(write.name)
                raise ApiError(504, "Timeout", "request did not complete within the allotted timeout")

        cluster.client.before = slow
        for name in names:
            await cluster.deployment(name)
            await cluster.scaled_object(name, redis("none"))
            await clock.sleep(0.7)
        await clock.sleep(100)
        assert max(Counter(tried).values()) <= 14
        cluster.client.before = nothing
        await clock.sleep(LONGEST_AWAY_S / 4)
        assert all(cluster.hpa(f"keda-hpa-{name}") is not None for name in names)

    told(story)
