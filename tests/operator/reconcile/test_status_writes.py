"""What is written: one status for each change, and none where nothing changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, redis, running
from parts.memory_client import Write
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import DEPLOYMENTS, SCALED_JOBS, SCALED_OBJECTS

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


def unreachable(*addresses: str) -> Change:
    async def change(cluster: Cluster) -> None:
        cluster.redis.unreachable = set(addresses)

    return change


async def jobs_end(cluster: Cluster) -> None:
    for name in cluster.unfinished():
        await cluster.finish(name)


async def patched(cluster: Cluster, patch: dict[str, Any]) -> None:
    for resource, name in ((SCALED_OBJECTS, "web"), (SCALED_JOBS, "crunch")):
        if cluster.objects.get(resource, "shop", name) is not None:
            await cluster.patch(resource, name, patch)


def annotated(**annotations: str | None) -> Change:
    async def change(cluster: Cluster) -> None:
        wanted = {f"autoscaling.keda.sh/{key.replace('_', '-')}": text for key, text in annotations.items()}
        await patched(cluster, {"metadata": {"annotations": wanted}})

    return change


def specified(**spec: Any) -> Change:
    async def change(cluster: Cluster) -> None:
        await patched(cluster, {"spec": spec})

    return change


JOBS = redis("jobs")
MAILS = redis("mails", address="other:6379")
TELLING = {"advanced": {"scalingModifiers": {"formula": "a + b", "target": "2"}}}
STORY: list[tuple[str, Change, int, int]] = [
    # what changes, how, and the status writes it is worth: of a ScaledObject, of a ScaledJob
    ("nothing", queue_of(0), 0, 0),
    ("it becomes active; Jobs are created", queue_of(3), 1, 1),
    ("its value changes", queue_of(7), 0, 0),
    ("Jobs end, others are created", jobs_end, 0, 0),
    ("a spec that the status does not tell of", specified(maxReplicaCount=30), 0, 0),
    ("a paused scale-in", annotated(paused_scale_in="true"), 1, 0),
    ("it goes on", annotated(paused_scale_in=None), 1, 0),
    ("a pause", annotated(paused="true"), 1, 1),
    ("its end", annotated(paused=None), 1, 1),
    ("a trigger more", specified(triggers=[JOBS, MAILS]), 1, 1),
    ("one of two fails", unreachable("other:6379"), 1, 1),
    ("it recovers", unreachable(), 1, 1),
    ("a trigger fewer", specified(triggers=[JOBS]), 1, 1),
    ("its server is gone", server(DOWN), 1, 1),
    ("its server is back", server(None), 1, 1),
    ("a spec that cannot be used", specified(triggers=[redis("jobs", address="x")]), 1, 1),
    ("it can be used again", specified(triggers=[JOBS]), 1, 1),
    ("it becomes inactive", queue_of(0), 1, 1),
    ("it is left alone for an hour", specified(cooldownPeriod=1), 1, 0),
]


def telling(writes: list[Write]) -> list[Write]:
    """Without those of `lastActiveTime` alone, which are due once a minute while an object is active."""
    return [one for one in writes if set(one.body["status"]) != {"lastActiveTime"}]


@pytest.mark.parametrize("kind", ["ScaledObject", "ScaledJob"])
@operated(jobs=0)
async def test_each_change_is_worth_one_status_write(clock: Any, cluster: Cluster, kind: str) -> None:
    if kind == "ScaledObject":
        await cluster.deployment()
        await cluster.scaled_object("web", pollingInterval=INTERVAL_S, cooldownPeriod=300)
    else:
        await cluster.scaled_job("crunch", pollingInterval=INTERVAL_S, maxReplicaCount=20)
    await clock.sleep(INTERVAL_S)
    assert len(cluster.status_writes()) == 1, "the first sight"
    for what, change, of_object, of_job in STORY:
        before = len(cluster.status_writes())
        await change(cluster)
        await clock.sleep(INTERVAL_S + 1)
        told = telling(cluster.status_writes()[before:])
        worth = of_object if kind == "ScaledObject" else of_job
        assert len(told) == worth, (what, [one.body for one in told])


@operated(jobs=3)
async def test_the_time_of_activity_is_written_once_a_minute_whatever_values_come(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", pollingInterval=5)
    await clock.sleep(30)
    before = len(cluster.status_writes())
    for second in range(600):
        cluster.redis.lists["jobs"] = 3 + second
        await clock.sleep(1)
    fields = [set(one.body["status"]) for one in cluster.status_writes()[before:]]
    # It is due at the first poll after the minute.
    assert fields == [{"lastActiveTime"}] * 10


@operated(jobs=3)
async def test_a_fallback_is_told_step_by_step_and_its_end_once(clock: Any, cluster: Cluster) -> None:
    """Each failed poll below the threshold counts one more in status.health: that is a change of its own."""
    await cluster.deployment(replicas=2)
    fallback = {"failureThreshold": 3, "replicas": 6}
    await cluster.scaled_object("web", pollingInterval=10, fallback=fallback)
    await clock.sleep(20)
    cluster.redis.trouble = DOWN
    before = len(cluster.status_writes())
    await clock.sleep(600)
    told = telling(cluster.status_writes()[before:])
    assert len(told) == 4
    cluster.redis.trouble = None
    before = len(cluster.status_writes())
    await clock.sleep(15)
    assert len(cluster.status_writes()) == before + 1


STATES: list[tuple[str, Change, dict[str, Any]]] = [
    # the state in which the operator is restarted: what has happened, and to which spec
    ("active", queue_of(3), {}),
    ("inactive", queue_of(0), {}),
    ("one of two fails", unreachable("other:6379"), {}),
    ("both fail", server(DOWN), {}),
    ("a formula fails", server(DOWN), TELLING),
    ("in fallback", server(DOWN), {"fallback": {"failureThreshold": 1, "replicas": 2}}),
    ("in fallback for one", unreachable("other:6379"), {"fallback": {"failureThreshold": 1, "replicas": 2}}),
    ("a trigger is wrong", specified(triggers=[JOBS, redis("mails", address="x")]), {}),
    ("paused", annotated(paused="true"), {}),
    ("paused at a count", annotated(paused_replicas="2"), {}),
    ("scale-in paused", annotated(paused_scale_in="true"), {}),
    ("forced", annotated(force_activation="true"), {}),
    ("to be restored", queue_of(3), {"advanced": {"restoreToOriginalReplicaCount": True}}),
    ("broken", specified(scaleTargetRef={"name": "gone"}), {}),
]


@pytest.mark.parametrize(("change", "spec"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_a_restart_writes_no_status(change: Change, spec: dict[str, Any]) -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.redis.lists.update(jobs=3)
        named = {**JOBS, "name": "a"}, {**MAILS, "name": "b"}
        async with running(cluster.operator):
            await cluster.deployment()
            await cluster.scaled_object("web", *named, pollingInterval=5, **spec)
            await cluster.scaled_job("crunch", *named, pollingInterval=5, maxReplicaCount=5)
            await clock.sleep(10)
            await change(cluster)
            await clock.sleep(30)
        before = len(cluster.status_writes())
        async with running(cluster.new_operator()):
            await clock.sleep(10)
        assert [one.body for one in cluster.status_writes()[before:]] == []

    virtualtime.run(story)


@pytest.mark.parametrize("trouble", [None, DOWN])
def test_a_restart_tells_of_no_start_and_of_nothing_that_has_not_changed(trouble: Unreachable | None) -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.redis.lists.update(jobs=3)
        async with running(cluster.operator):
            await cluster.deployment()
            await cluster.scaled_object("web")
            await cluster.scaled_job("crunch")
            await clock.sleep(10)
            cluster.redis.trouble = trouble
            await clock.sleep(40)
        told = cluster.reasons("web"), cluster.reasons("crunch")
        async with running(cluster.new_operator()):
            await clock.sleep(10)
        # Who has just come does not know that failures were told.
        news = [] if trouble is None else ["KEDAScalerFailed"]
        assert sorted(cluster.reasons("web")) == sorted(told[0] + news)
        assert sorted(cluster.reasons("crunch")) == sorted(told[1] + news)
        assert told[0].count("KEDAScalersStarted") == told[1].count("KEDAScalersStarted") == 2

    virtualtime.run(story)


def test_a_restart_beside_a_failing_trigger_claims_neither_ready_nor_inactive() -> None:
    """Whoever watches sees one state all along, however slowly the second trigger answers."""

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.redis.lists.update(jobs=3)
        cluster.redis.unreachable = {"other:6379"}
        cluster.redis.slow["redis:6379"] = 3.0
        kinds = ((SCALED_OBJECTS, "web"), (SCALED_JOBS, "crunch"))

        def shown() -> list[tuple[str, str, str]]:
            return [cluster.condition(*kind, type) for kind in kinds for type in ("Ready", "Active")]

        async with running(cluster.operator):
            await cluster.deployment()
            await cluster.scaled_object("web", JOBS, MAILS)
            await cluster.scaled_job("crunch", JOBS, MAILS)
            await clock.sleep(40)
        before = shown()
        assert [reason for _, reason, _ in before] == ["PartialTriggerError", "ScalerActive"] * 2
        async with running(cluster.new_operator()):
            for _ in range(60):
                await clock.sleep(0.1)
                assert shown() == before

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


@operated(jobs=3)
async def test_a_first_status_waits_for_no_answer_longer_than_a_moment(clock: Any, cluster: Cluster) -> None:
    cluster.redis.delay_s = 8
    await cluster.deployment()
    await cluster.scaled_object("web")
    await clock.sleep(4)
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
    assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "Unknown"


@pytest.mark.parametrize("is_restored", [False, True])
@operated(jobs=3)
async def test_the_count_from_before_is_the_one_first_seen(
    clock: Any, cluster: Cluster, is_restored: bool
) -> None:
    """The HPA, which exists at once, may change the count while the first status waits for a reading."""
    cluster.redis.delay_s = 1.5
    await cluster.deployment(replicas=4)
    await cluster.scaled_object("web", advanced={"restoreToOriginalReplicaCount": is_restored})
    await clock.sleep(0.9)
    assert cluster.hpa() is not None
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 9}})
    await clock.sleep(5)
    found = cluster.objects.get(SCALED_OBJECTS, "shop", "web") or {}
    assert found["status"]["originalReplicaCount"] == 4
    # What must be restored is kept before it can change.
    assert len(cluster.status_writes()) == (2 if is_restored else 1)
