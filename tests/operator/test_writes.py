"""What is written: one status for each change, and none where nothing changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operating, redis, running
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS

Change = Callable[[Cluster], Awaitable[None]]
DOWN = Unreachable("ask", answer="connection refused")
PAUSED = "autoscaling.keda.sh/paused"
INTERVAL_S = 60


def queue_of(length: int) -> Change:
    async def change(cluster: Cluster) -> None:
        cluster.redis.lists["jobs"] = length

    return change


def server(trouble: Unreachable | None) -> Change:
    async def change(cluster: Cluster) -> None:
        cluster.redis.trouble = trouble

    return change


def annotated(**annotations: str | None) -> Change:
    async def change(cluster: Cluster) -> None:
        wanted = {f"autoscaling.keda.sh/{key.replace('_', '-')}": text for key, text in annotations.items()}
        for resource, name in ((SCALED_OBJECTS, "web"), (SCALED_JOBS, "crunch")):
            if cluster.objects.get(resource, "shop", name) is not None:
                await cluster.patch(resource, name, {"metadata": {"annotations": wanted}})

    return change


def specified(**spec: Any) -> Change:
    async def change(cluster: Cluster) -> None:
        for resource, name in ((SCALED_OBJECTS, "web"), (SCALED_JOBS, "crunch")):
            if cluster.objects.get(resource, "shop", name) is not None:
                await cluster.patch(resource, name, {"spec": spec})

    return change


STORY: list[tuple[str, Change, int]] = [
    # what changes, how, and how many status writes it is worth
    ("nothing", queue_of(0), 0),
    ("it becomes active", queue_of(3), 1),
    ("its value changes", queue_of(7), 0),
    ("a spec that the status does not tell of", specified(pollingInterval=INTERVAL_S - 1), 0),
    ("a paused scale-in", annotated(paused_scale_in="true"), 1),
    ("it goes on", annotated(paused_scale_in=None), 1),
    ("a pause", annotated(paused="true"), 1),
    ("its end", annotated(paused=None), 1),
    ("a trigger more", specified(triggers=[redis("jobs"), redis("mails")]), 1),
    ("a trigger fewer", specified(triggers=[redis("jobs")]), 1),
    ("its server is gone", server(DOWN), 1),
    ("its server is back", server(None), 1),
]


@pytest.mark.parametrize("kind", ["ScaledObject", "ScaledJob"])
def test_each_change_is_worth_one_status_write_at_most(kind: str) -> None:
    """`lastActiveTime` alone is written once a minute while it is active: looked at for less than that."""

    async def story(clock: Any) -> None:
        async with operating(clock, jobs=0) as cluster:
            if kind == "ScaledObject":
                await cluster.deployment()
                await cluster.scaled_object("web", pollingInterval=INTERVAL_S)
            else:
                await cluster.scaled_job("crunch", pollingInterval=INTERVAL_S, maxReplicaCount=20)
            await clock.sleep(INTERVAL_S)
            assert len(cluster.status_writes()) == 1, "the first sight"
            for what, change, worth in STORY:
                before = len(cluster.status_writes())
                await change(cluster)
                await clock.sleep(INTERVAL_S + 1)
                fields = [set(one.body["status"]) for one in cluster.status_writes()[before:]]
                telling = [one for one in fields if one != {"lastActiveTime"}]
                assert len(telling) <= worth, (what, fields)

    virtualtime.run(story)


def test_a_fallback_is_told_step_by_step_and_its_end_once() -> None:
    """Each failed poll below the threshold counts one more in status.health: that is a change of its own."""

    async def story(clock: Any) -> None:
        async with operating(clock, jobs=3) as cluster:
            await cluster.deployment(replicas=2)
            fallback = {"failureThreshold": 3, "replicas": 6}
            await cluster.scaled_object("web", pollingInterval=10, fallback=fallback)
            await clock.sleep(20)
            cluster.redis.trouble = DOWN
            before = len(cluster.status_writes())
            await clock.sleep(600)
            told = [
                one
                for one in cluster.status_writes()[before:]
                if set(one.body["status"]) != {"lastActiveTime"}
            ]
            assert len(told) == 4
            cluster.redis.trouble = None
            before = len(cluster.status_writes())
            await clock.sleep(15)
            assert len(cluster.status_writes()) == before + 1

    virtualtime.run(story)


def test_a_restart_writes_no_status_and_tells_no_event() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.redis.lists.update(jobs=3)
        async with running(cluster.operator):
            await cluster.deployment()
            await cluster.scaled_object("web")
            await cluster.scaled_job("crunch")
            await clock.sleep(10)
        told = cluster.reasons("web"), cluster.reasons("crunch")
        before = len(cluster.client.writes)
        async with running(cluster.new_operator()):
            await clock.sleep(10)
        assert cluster.client.writes[before:] == []
        assert (cluster.reasons("web"), cluster.reasons("crunch")) == told
        assert told[0].count("KEDAScalersStarted") == told[1].count("KEDAScalersStarted") == 2

    virtualtime.run(story)


def test_a_pause_that_ends_after_a_restart_tells_that_watching_has_begun() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        async with running(cluster.operator):
            await cluster.deployment()
            await cluster.scaled_object("web", metadata={"annotations": {PAUSED: "true"}})
            await clock.sleep(10)
        async with running(cluster.new_operator()):
            await clock.sleep(10)
            assert "KEDAScalersStarted" not in cluster.reasons("web")
            await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": {PAUSED: None}}})
            await clock.sleep(10)
            assert cluster.reasons("web").count("KEDAScalersStarted") == 2

    virtualtime.run(story)


def test_a_first_status_waits_for_no_answer_longer_than_a_moment() -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=3) as cluster:
            cluster.redis.delay_s = 8
            await cluster.deployment()
            await cluster.scaled_object("web")
            await clock.sleep(4)
            assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
            assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "Unknown"

    virtualtime.run(story)
