"""ScaledObjects in local mode, whole, on a clock that jumps: from nothing to many and back."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.rollouts import ROLLOUTS, add_rollout
from parts.town import Object, Town, living, pods_of
from tidegate.kube.resource import REPLICA_SETS, SCALED_OBJECTS, Resource

pytestmark = pytest.mark.e2e

TWO = redis("jobs", listLength="2")
AT_ONCE = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
QUICK: Object = {"pollingInterval": 10, "cooldownPeriod": 1, "maxReplicaCount": 5, "advanced": AT_ONCE}
UNREACHABLE = redis("other", address="nowhere:6379")


def is_ready(town: Town, name: str = "web") -> bool:
    return town.condition(SCALED_OBJECTS, name, "Ready")[0] == "True"


def test_without_load_a_target_at_zero_stays_there() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment()
            await town.scaled_object("web", pods_of("monitored"), pollingInterval=5, maxReplicaCount=4)
            await town.keeps(0, 60)
            assert is_ready(town)

    virtualtime.run(story)


def test_an_idle_count_of_zero_skips_the_minimum_both_ways() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment()
            spec = {"idleReplicaCount": 0, "minReplicaCount": 2, "maxReplicaCount": 4, "cooldownPeriod": 10}
            await town.scaled_object("web", pods_of("monitored"), pollingInterval=5, **spec)
            await town.keeps(0, 60)
            await town.scale(2, "monitored")
            await town.reaches(2, 60)
            await town.scale(4, "monitored")
            await town.reaches(4, 180)
            await town.scale(0, "monitored")
            await town.reaches(0, 60)

    virtualtime.run(story)


def test_the_initial_cooldown_of_a_new_object_is_waited_for() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment(replicas=1)
            spec = {"cooldownPeriod": 5, "initialCooldownPeriod": 120, "pollingInterval": 5}
            window = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 15}}}
            advanced = {"horizontalPodAutoscalerConfig": window}
            await town.scaled_object("web", pods_of("nobody"), advanced=advanced, **spec)
            await town.keeps(1, 119)
            await town.reaches(0, 10)

    virtualtime.run(story)


def test_a_target_is_woken_and_put_to_sleep_at_polls_and_not_in_between() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment()
            spec = {"pollingInterval": 75, "cooldownPeriod": 0, "maxReplicaCount": 1}
            await town.scaled_object("web", redis("jobs"), **spec)
            await town.becomes("it has an HPA", lambda: town.hpa() is not None, 10)
            # The polls of a server have a moment of their own: begin right after one.
            latest = polled_at(town)
            await town.becomes("it was polled", lambda: polled_at(town) != latest, 80)
            town.redis.lists["jobs"] = 1
            await town.keeps(0, 60)
            await town.reaches(1, 120)
            town.redis.lists["jobs"] = 0
            await town.keeps(1, 60)
            await town.reaches(0, 120)

    virtualtime.run(story)


def polled_at(town: Town) -> Any:
    tracked = town.operator.steps.tracker.by_key[SCALED_OBJECTS, "shop", "web"]
    reading = town.operator.rounds.latest((tracked.uid, 0))
    return reading.at if reading is not None else None


def test_the_cooldown_keeps_a_target_that_has_become_idle() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            spec = {"pollingInterval": 5, "cooldownPeriod": 75, "maxReplicaCount": 1}
            await town.scaled_object("web", redis("jobs"), **spec)
            await town.reaches(1, 30)
            town.redis.lists["jobs"] = 0
            await town.keeps(1, 60)
            await town.reaches(0, 60)

    virtualtime.run(story)


def test_edits_of_minimum_and_maximum_take_effect() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=100) as town:
            await town.deployment()
            await town.scaled_object("web", TWO, **QUICK)
            await town.reaches(5, 180)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": 15}})
            await town.reaches(15, 180)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": 5}})
            await town.reaches(5, 180)
            town.redis.lists["jobs"] = 0
            await town.reaches(0, 180)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"minReplicaCount": 5}})
            await town.reaches(5, 180)
            await town.keeps(5, 60)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"minReplicaCount": 0}})
            await town.reaches(0, 180)

    virtualtime.run(story)


def test_one_value_after_the_other_gives_one_five_and_none() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment()
            await town.scaled_object("web", TWO, **QUICK)
            for value, replicas in ((1, 1), (10, 5), (0, 0)):
                town.redis.lists["jobs"] = value
                await town.reaches(replicas, 180)
                await town.keeps(replicas, 60)

    virtualtime.run(story)


def test_a_trigger_that_is_added_takes_the_target_to_its_maximum_and_gone_it_counts_no_more() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment("monitored", 10)
            await town.deployment()
            await town.scaled_object("web", TWO, **QUICK)
            await town.keeps(0, 30)
            both = {"spec": {"triggers": [TWO, pods_of("monitored")]}}
            await town.patch(SCALED_OBJECTS, "web", both)
            await town.reaches(5, 180)
            town.redis.lists["jobs"] = 5
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [TWO]}})
            await town.reaches(3, 180)
            await town.keeps(3, 60)

    virtualtime.run(story)


def test_an_unreachable_trigger_does_not_keep_good_ones_from_the_maximum() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment("monitored")
            await town.deployment()
            triggers = [TWO, pods_of("monitored")]
            await town.scaled_object("web", *triggers, **QUICK)
            await town.keeps(0, 30)
            town.redis.unreachable.add("nowhere:6379")
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [*triggers, UNREACHABLE]}})
            town.redis.lists["jobs"] = 100
            await town.scale(6, "monitored")
            await town.reaches(5, 180)

    virtualtime.run(story)


@pytest.mark.parametrize(("metric_type", "replicas"), [("AverageValue", 4), ("Value", 10)])
def test_the_metric_type_says_whether_the_value_is_shared_by_the_replicas(
    metric_type: str, replicas: int
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored", 8)
            await town.deployment(replicas=8)
            await clock.sleep(5)
            trigger = {**pods_of("monitored", 2), "metricType": metric_type}
            await town.scaled_object("web", trigger, maxReplicaCount=10, advanced=AT_ONCE)
            await town.reaches(replicas, 180)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("type", "more"),
    [("redis", {}), ("redis-cluster", {}), ("redis-sentinel", {"sentinelMaster": "mymaster"})],
)
def test_a_list_of_every_kind_of_redis_is_followed_up_and_down(type: str, more: dict[str, str]) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment()
            trigger = redis("jobs", addresses="a:6379,b:6379", listLength="2", **more)
            del trigger["metadata"]["address"]
            await town.scaled_object("web", {**trigger, "type": type}, **QUICK)
            await town.keeps(0, 30)
            for length, replicas in ((3, 2), (7, 4), (100, 5), (1, 1), (0, 0)):
                town.redis.lists["jobs"] = length
                await town.reaches(replicas, 180)
                await town.keeps(replicas, 60)

    virtualtime.run(story)


def follows(town: Town, resource: Resource) -> Any:
    """The replicas follow 0, 5, 10, 5, 0 monitored pods."""

    async def work() -> None:
        reference = {"apiVersion": resource.api_version, "kind": resource.kind, "name": "web"}
        await town.scaled_object(
            "web",
            pods_of("monitored"),
            scaleTargetRef=reference,
            pollingInterval=5,
            cooldownPeriod=1,
            maxReplicaCount=10,
            advanced=AT_ONCE,
        )
        for load in (0, 5, 10, 5, 0):
            await town.scale(load, "monitored")
            await town.reaches(load, 180, resource=resource)
        assert is_ready(town)

    return work()


def test_a_custom_resource_with_a_scale_subresource_follows_its_load() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, served=(ROLLOUTS,)) as town:
            await add_rollout(town)
            await town.deployment("monitored")
            await follows(town, ROLLOUTS)

    virtualtime.run(story)


def test_a_replica_set_follows_its_load() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.replica_set()
            await follows(town, REPLICA_SETS)
            await town.becomes("its pods are gone", lambda: town.pods() == 0, 10)

    virtualtime.run(story)


def test_the_count_from_before_the_object_comes_back_when_it_goes() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment(replicas=2)
            spec = {"idleReplicaCount": 0, "minReplicaCount": 2, "maxReplicaCount": 4, "cooldownPeriod": 10}
            advanced = {"restoreToOriginalReplicaCount": True}
            await town.scaled_object(
                "web", pods_of("monitored"), pollingInterval=5, advanced=advanced, **spec
            )
            await town.reaches(0, 60)
            await town.scale(4, "monitored")
            await town.reaches(4, 180)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.reaches(2, 60)
            await town.keeps(2, 60)
            assert town.hpa() is None

    virtualtime.run(story)


@pytest.mark.parametrize("is_cached", [True, False])
def test_with_cached_metrics_the_hpa_works_with_the_polled_value(is_cached: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=8) as town:
            await town.deployment()
            # Nobody is told of a list here; changes of pods would be told, and read as at a poll.
            trigger = {**TWO, "useCachedMetrics": is_cached}
            await town.scaled_object("web", trigger, pollingInterval=1000, advanced=AT_ONCE)
            await town.reaches(4, 180)
            town.redis.lists["jobs"] = 4
            if is_cached:
                await town.keeps(4, 60)
            else:
                await town.reaches(2, 120)

    virtualtime.run(story)


def test_an_object_that_cannot_be_built_does_not_disturb_its_neighbour() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment("broken")
            await town.deployment()
            await town.scaled_object("broken", {"type": "redis", "metadata": {"listName": "jobs"}})
            await town.scaled_object(
                "web", pods_of("monitored"), pollingInterval=5, cooldownPeriod=1, advanced=AT_ONCE
            )
            for load in (2, 4, 2, 0):
                await town.scale(load, "monitored")
                await town.reaches(load, 180)
            assert town.condition(SCALED_OBJECTS, "broken", "Ready")[0] == "False"

    virtualtime.run(story)


async def all_reach(town: Town, names: list[str], replicas: int, within_s: float) -> None:
    await town.becomes(
        f"all have {replicas}", lambda: {town.count(name) for name in names} == {replicas}, within_s
    )


@pytest.mark.parametrize("dead", ["operator", "metrics server", "operator and metrics server"])
def test_what_dies_while_the_load_changes_is_made_up_for_when_it_is_back(dead: str) -> None:
    names = [f"web-{number}" for number in range(12)]

    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            for name in names:
                await town.deployment(name)
                await town.scaled_object(
                    name, pods_of("monitored"), pollingInterval=5, cooldownPeriod=5, advanced=AT_ONCE
                )
            await clock.sleep(10)
            for load in (3, 1, 6, 0):
                town.is_metrics_server_up = "metrics server" not in dead
                if "operator" in dead:
                    await town.kill_operator()
                await town.scale(load, "monitored")
                await clock.sleep(20)
                if "operator" in dead:
                    town.start_operator()
                town.is_metrics_server_up = True
                await all_reach(town, names, load, 180)

    virtualtime.run(story)
