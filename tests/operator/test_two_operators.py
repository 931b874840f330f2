"""Two who act on the same objects: for a moment, as at a change of leaders, or for good, as beside a KEDA."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, redis, running
from parts.memory_objects import MemoryObjects
from tidegate.kube.resource import EVENTS, HPAS, JOBS, SCALED_OBJECTS, ApiError


class AnotherAutoscaler:
    """Writes an HPA back as it wants it, whenever it changes."""

    def __init__(self, objects: MemoryObjects, spec: Mapping[str, Any]) -> None:
        self.objects = objects
        self.spec = dict(spec)
        self.writes = 0
        self._news = asyncio.Event()
        objects.subscribe((HPAS,), lambda change: self._news.set())

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for hpa in self.objects.list(HPAS, "shop"):
                if any(hpa["spec"].get(key) != value for key, value in self.spec.items()):
                    mark = {"manager": "keda", "operation": "Update", "time": "2026-01-05T08:00:00Z"}
                    metadata = {**hpa["metadata"], "managedFields": [mark]}
                    body = {**hpa, "metadata": metadata, "spec": {**hpa["spec"], **self.spec}}
                    try:
                        await self.objects.update(HPAS, body)
                        self.writes += 1
                    except ApiError:
                        self._news.set()
            await asyncio.sleep(0.05)


def test_beside_another_autoscaler_nobody_fights_and_it_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        other = AnotherAutoscaler(cluster.objects, {"maxReplicas": 7})
        task = asyncio.create_task(other.run())
        await cluster.deployment("web")
        await cluster.scaled_object("web", maxReplicaCount=4)
        async with running(cluster.operator):
            await clock.sleep(3600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        replaced = [one for one in cluster.client.writes if (one.verb, one.resource) == ("replace", HPAS)]
        # Three at first, then one burst after each pause of a minute, two, four, eight, ten …
        assert 3 <= len(replaced) <= 40
        assert other.writes <= 41
        told = [text for _, reason, text, _ in cluster.events("web") if "written back by keda" in text]
        assert len(told) == 1
        assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"

    virtualtime.run(story)
    assert [one.getMessage() for one in caplog.records if "HPA" in one.getMessage()] == [
        "HPA is written back by another"
    ]


def test_an_edit_of_the_object_is_written_at_once_whatever_was_contested_before() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        other = AnotherAutoscaler(cluster.objects, {"maxReplicas": 7})
        task = asyncio.create_task(other.run())
        await cluster.deployment("web")
        await cluster.scaled_object("web", maxReplicaCount=4)
        async with running(cluster.operator):
            await clock.sleep(100)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": 5}})
            await clock.sleep(2)
            hpa = cluster.hpa()
            assert hpa is not None
            assert hpa["spec"]["maxReplicas"] == 5

    virtualtime.run(story)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lag_s", [0.0, 0.3])
def test_two_leaders_at_a_time_make_nothing_twice(seed: int, lag_s: float) -> None:
    """As when a leader has stood still and goes on before it knows that it leads no more."""

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.client.lag_s = lag_s
        cluster.redis.lists |= {"jobs": 3}
        await cluster.deployment("web")
        await cluster.scaled_object("web", redis("jobs"))
        await cluster.scaled_job("crunch", redis("jobs"), pollingInterval=5)
        async with AsyncExitStack() as stack:
            for operator in (cluster.operator, cluster.new_operator()):
                await stack.enter_async_context(running(operator))
            await clock.sleep(30)
        assert len(cluster.jobs()) == 3
        assert len(cluster.objects.list(HPAS, "shop")) == 1
        assert cluster.replicas() == 1
        for kind, name in ((SCALED_OBJECTS, "web"),):
            assert cluster.condition(kind, name, "Ready")[0] == "True"

    virtualtime.run(story, seed=seed)


@pytest.mark.parametrize("step", range(12))
@pytest.mark.parametrize("is_done", [True, False])
def test_whoever_follows_a_leader_that_died_at_any_step_finishes_its_work(step: int, is_done: bool) -> None:
    """`step` is the write at which it dies; it was carried out, or was not."""

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.redis.lists |= {"jobs": 3}
        await cluster.deployment("web")
        await cluster.scaled_object("web", redis("jobs"))
        await cluster.scaled_job("crunch", redis("jobs"))
        dead = asyncio.Event()
        count = 0

        async def die(write: Any) -> None:
            nonlocal count
            if write.resource == EVENTS:
                return
            count += 1
            if count > step:
                if is_done and not dead.is_set():
                    dead.set()
                    return
                dead.set()
                await asyncio.Event().wait()

        cluster.client.before = die
        first = asyncio.create_task(cluster.operator.run())
        waiting = asyncio.create_task(dead.wait())
        await asyncio.wait([first, waiting], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

        async def live(write: Any) -> None:
            return

        cluster.client.before = live
        async with running(cluster.new_operator()):
            await clock.sleep(60)
        assert cluster.replicas() == 1
        assert len(cluster.jobs()) == 3
        assert len(cluster.objects.list(HPAS, "shop")) == 1
        assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
        owners = {one["metadata"]["ownerReferences"][0]["name"] for one in cluster.objects.list(JOBS, "shop")}
        assert owners == {"crunch"}

    virtualtime.run(story)
