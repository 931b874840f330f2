"""A budget of calls, as objects live with it: nothing wrong is done on old readings, and all is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from parts import virtualtime
from parts.cluster import Cluster, redis, running
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS
from tidegate.operator.operator import Stance
from tidegate.telemetry.metrics.exposition import lines

Story = Callable[[Any, Cluster], Awaitable[None]]
METRIC = "s0-redis-jobs"


def live(story: Story, budgets: Mapping[str, float], **lists: float) -> None:
    async def whole(clock: Any) -> None:
        cluster = Cluster(clock, stance=Stance(budgets=budgets))
        cluster.redis.lists.update(lists)
        async with running(cluster.operator):
            await story(clock, cluster)

    virtualtime.run(whole)


async def explained(cluster: Cluster, name: str = "web", resource: Any = SCALED_OBJECTS) -> Any:
    return await cluster.operator.explain(resource, "shop", name)


def test_a_stretched_interval_is_told_by_one_event_and_explained() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object(pollingInterval=10)
        await clock.sleep(900)
        told = [one for one in cluster.events("web") if one[1].startswith("Polling")]
        text = (
            "trigger 0 (redis) is asked every 30 s instead of 10 s: "
            "the budget of its server is 2 calls a minute, and 6 are wanted"
        )
        assert told == [("Warning", "PollingStretched", text, 1)]
        (trigger,) = (await explained(cluster))["triggers"]
        assert trigger["stretched"] == {"every_s": 30, "wanted": 6, "budget": 2}
        await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"pollingInterval": 60}})
        await clock.sleep(120)
        assert cluster.events("web")[-1][1:3] == (
            "PollingAsWritten",
            "trigger 0 (redis) is asked every 60 s again",
        )
        (trigger,) = (await explained(cluster))["triggers"]
        assert trigger["stretched"] is None

    live(story, {"redis": 2}, jobs=3)


def test_within_its_budget_an_object_hears_nothing_of_it() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object()
        await clock.sleep(300)
        assert not any(reason.startswith("Polling") for reason in cluster.reasons("web"))
        assert (await explained(cluster))["triggers"][0]["stretched"] is None

    live(story, {"redis": 10}, jobs=3)


def test_a_target_leaves_zero_within_one_stretched_interval() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object(pollingInterval=10)
        await clock.sleep(200)
        assert cluster.replicas() == 0
        cluster.redis.lists["jobs"] = 3
        await clock.sleep(61)
        assert cluster.replicas() == 1

    live(story, {"redis": 1}, jobs=0)


def test_nothing_goes_to_zero_on_a_reading_of_before_and_it_goes_when_it_was_read_again() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object(pollingInterval=10, cooldownPeriod=90)
        await clock.sleep(200)
        assert cluster.replicas() == 1
        cluster.redis.lists["jobs"] = 0
        # The cooldown ends between two polls, and there is work again since the first of them.
        while (await explained(cluster))["triggers"][0]["state"] != "inactive":
            await clock.sleep(1)
        await clock.sleep(62)
        cluster.redis.lists["jobs"] = 5
        await clock.sleep(200)
        assert cluster.replicas() == 1
        assert "KEDAScaleTargetDeactivated" not in cluster.reasons("web")
        cluster.redis.lists["jobs"] = 0
        await clock.sleep(300)
        assert cluster.replicas() == 0

    live(story, {"redis": 1}, jobs=3)


def test_several_triggers_of_one_budget_go_to_zero_though_they_are_never_read_at_once() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        triggers = [redis("jobs", address=f"redis-{n}:6379") for n in range(3)]
        await cluster.scaled_object("web", *triggers, pollingInterval=10, cooldownPeriod=60)
        await clock.sleep(200)
        assert cluster.replicas() == 1
        cluster.redis.lists["jobs"] = 0
        await clock.sleep(400)
        assert cluster.replicas() == 0

    live(story, {"redis": 1}, jobs=3)


def test_an_hpa_is_answered_from_the_last_poll_and_told_when_that_has_failed() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object(pollingInterval=10)
        await clock.sleep(130)
        calls = _calls(cluster)
        for _ in range(12):
            told = await cluster.operator.external_metric("shop", METRIC, _labels())
            assert told == (3.0,)
            await clock.sleep(15)
        # Three minutes: three polls, one a minute.
        assert _calls(cluster) - calls == 3
        cluster.redis.trouble = Unreachable("connect", on="redis", answer="connection refused")
        await clock.sleep(61)
        told = await cluster.operator.external_metric("shop", METRIC, _labels())
        assert isinstance(told, Failure)
        assert "connection refused" in told.message

    live(story, {"redis": 1}, jobs=3)


def test_no_job_starts_twice_for_one_message_however_long_a_turn_takes() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.scaled_job(pollingInterval=10)
        await clock.sleep(70)
        (job,) = cluster.unfinished()
        await clock.sleep(10)
        cluster.redis.lists["jobs"] = 0
        await cluster.finish(job)
        await clock.sleep(300)
        assert len(cluster.jobs()) == 1
        cluster.redis.lists["jobs"] = 2
        await clock.sleep(62)
        assert len(cluster.unfinished()) == 2

    live(story, {"redis": 1}, jobs=1)


def test_jobs_of_several_triggers_start_when_all_have_been_read_again() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        triggers = [redis(name, address=f"{name}:6379") for name in ("one", "two")]
        await cluster.scaled_job("crunch", *triggers, pollingInterval=10)
        await clock.sleep(250)
        assert len(cluster.unfinished()) == 2
        cluster.redis.lists.update(one=0, two=0)
        for job in cluster.unfinished():
            await cluster.finish(job)
        await clock.sleep(300)
        assert len(cluster.jobs()) == 2
        assert (await explained(cluster, "crunch", SCALED_JOBS))["triggers"][0]["stretched"]["every_s"] == 60

    live(story, {"redis": 1}, one=1, two=2)


def test_a_turn_that_is_far_holds_up_no_other_object() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        for number in range(20):
            await cluster.scaled_job(f"slow{number}", redis("jobs", address=f"far-{number}:6379"))
        await clock.sleep(65)
        for number in range(20):
            for job in cluster.unfinished(f"slow{number}"):
                await cluster.finish(job)
        await clock.sleep(1)
        await cluster.deployment("quick")
        await cluster.scaled_object("quick", {"type": "cron", "metadata": _always()})
        await clock.sleep(3)
        assert cluster.replicas("quick") == 1

    live(story, {"redis": 1}, jobs=3)


def test_a_budget_is_told_by_metrics() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.deployment()
        await cluster.scaled_object(pollingInterval=10)
        await clock.sleep(601)
        text = "".join(lines(await cluster.operator.figures().gather()))
        told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tidegate_budget_"))
        values = {name.partition("{")[0]: float(value) for name, value in told.items()}
        assert all('system="redis"' in name for name in told)
        assert values.pop("tidegate_budget_calls_total") in (20, 21)
        assert values == {
            "tidegate_budget_calls_per_minute": 2,
            "tidegate_budget_wanted_calls_per_minute": 6,
            "tidegate_budget_waiting_triggers": 0,
        }

    live(story, {"redis": 2}, jobs=3)


def _calls(cluster: Cluster) -> int:
    return sum(one.calls for one in cluster.operator.rounds.servers())


def _labels() -> dict[str, str]:
    return {"scaledobject.keda.sh/name": "web"}


def _always() -> dict[str, str]:
    return {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "1"}
