"""What a ScaledObject leaves behind, in local mode whole, on a clock that jumps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.memory_client import Write, nothing
from parts.town import Object, Town, living
from tidegate.base.errors import Unreachable
from tidegate.core.scaledobject.restore import COUNT_OF
from tidegate.kube.resource import SCALED_OBJECTS, ApiError

pytestmark = pytest.mark.e2e

RESTORE: Object = {"restoreToOriginalReplicaCount": True}
QUICK: Object = {"pollingInterval": 5, "maxReplicaCount": 10}
THEIRS = "example.com/theirs"


def told(town: Town, reason: str) -> list[str]:
    return [text for _, one, text, _ in town.events("web") if one == reason]


def is_gone(town: Town) -> bool:
    return town.objects.get(SCALED_OBJECTS, "shop", "web") is None


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_object_that_somebody_else_keeps_restores_its_count_once(is_restarted: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment(replicas=2)
            metadata = {"finalizers": [THEIRS]}
            await town.scaled_object("web", redis("jobs"), metadata=metadata, advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.reaches(2, 30)
            await town.scale(7)
            await town.patch(SCALED_OBJECTS, "web", {"metadata": {"labels": {"looked": "at"}}})
            if is_restarted:
                await town.kill_operator()
                town.start_operator()
            await town.keeps(7, 120)
            assert len(told(town, "ScaledObjectDeleted")) == 1
            await town.patch(SCALED_OBJECTS, "web", {"metadata": {"finalizers": None}})
            await town.becomes("it is gone", lambda: is_gone(town), 30)

    virtualtime.run(story)


def test_an_object_that_somebody_else_keeps_has_no_hpa_that_nobody_answers() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), metadata={"finalizers": [THEIRS]}, **QUICK)
            await town.reaches(4, 120)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.becomes("its HPA is gone", lambda: town.hpa() is None, 30)
            assert not is_gone(town)
            await town.keeps(4, 120)

    virtualtime.run(story)


@pytest.mark.parametrize(
    "trouble", [Unreachable("ask", answer="connection refused"), ApiError(503, "ServiceUnavailable", "down")]
)
def test_a_server_that_cannot_say_what_the_target_is_delays_restoring_it(trouble: Exception) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment(replicas=2)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            await town.kill_operator()
            town.client.undiscovered = trouble
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            town.start_operator()
            await town.keeps(4, 60)
            assert "original 2 replicas are not restored yet" in told(town, "ScaledObjectUpdateFailed")[-1]
            town.client.undiscovered = None
            await town.reaches(2, 300)
            await town.becomes("it is gone", lambda: is_gone(town), 30)
            await town.keeps(2, 120)

    virtualtime.run(story)


def test_a_count_that_may_not_be_written_keeps_no_object() -> None:
    async def refuse(write: Write) -> None:
        if write.subresource == "scale":
            raise ApiError(403, "Forbidden", "deployments.apps web is forbidden")

    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment(replicas=2)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            town.client.before = refuse
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.becomes("it is gone", lambda: is_gone(town), 30)
            assert "original 2 replicas were not restored" in told(town, "ScaledObjectUpdateFailed")[-1]

    virtualtime.run(story)


# --- another target


def original(town: Town) -> int | None:
    found = town.objects.get(SCALED_OBJECTS, "shop", "web") or {}
    count = (found.get("status") or {}).get("originalReplicaCount")
    return int(count) if count is not None else None


def aimed_at(name: str) -> Object:
    return {"spec": {"scaleTargetRef": {"name": name}}}


@pytest.mark.parametrize("pause", [None, "true"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_another_target_gets_its_own_count_back(is_restarted: bool, pause: str | None) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment("web", 2)
            await town.deployment("other", 7)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            assert original(town) == 2
            annotations = {"autoscaling.keda.sh/paused": pause}
            await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
            await clock.sleep(5)
            if is_restarted:
                await town.kill_operator()
            await town.patch(SCALED_OBJECTS, "web", aimed_at("other"))
            if is_restarted:
                town.start_operator()
            await town.becomes("the other's is kept", lambda: original(town) == 7, 30)
            annotations = {"autoscaling.keda.sh/paused": None}
            await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
            town.redis.lists["jobs"] = 9
            await town.reaches(9, 120, "other")
            assert original(town) == 7
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.reaches(7, 30, "other")
            await town.keeps(7, 60, "other")
            assert town.count("web") == 4

    virtualtime.run(story)


def test_a_target_that_was_mistyped_for_a_while_keeps_its_count() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment(replicas=2)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            await town.patch(SCALED_OBJECTS, "web", aimed_at("wbe"))
            await clock.sleep(60)
            await town.patch(SCALED_OBJECTS, "web", aimed_at("web"))
            await clock.sleep(60)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.reaches(2, 30)
            await town.keeps(2, 60)

    virtualtime.run(story)


def test_a_count_is_not_restored_into_a_target_that_it_is_not_of() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment("web", 2)
            await town.deployment("other", 7)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(4, 120)
            await town.kill_operator()
            await town.patch(SCALED_OBJECTS, "web", aimed_at("other"))
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            town.start_operator()
            await town.becomes("it is gone", lambda: is_gone(town), 30)
            assert (town.count("web"), town.count("other")) == (4, 7)

    virtualtime.run(story)


@pytest.mark.parametrize("how", ["one edit", "two edits", "replaced"])
def test_a_count_kept_before_restoring_was_asked_for_is_not_restored_into_another_target(how: str) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("web", 5)
            await town.deployment("other", 2)
            asked: Object = {"advanced": RESTORE}
            first = asked if how == "replaced" else {}
            await town.scaled_object("web", redis("jobs"), **QUICK, **first, minReplicaCount=1)
            await clock.sleep(30)
            edit = aimed_at("other")
            if how == "replaced":
                edit = {**edit, "metadata": {"annotations": {COUNT_OF: None}}}
            if how == "one edit":
                edit["spec"] |= asked
            await town.patch(SCALED_OBJECTS, "web", edit)
            await clock.sleep(30)
            await town.patch(SCALED_OBJECTS, "web", {"spec": asked})
            await clock.sleep(400)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.becomes("it is gone", lambda: is_gone(town), 30)
            assert town.count("other") == 2

    virtualtime.run(story)


def test_a_status_that_may_not_be_written_keeps_no_edited_target_from_scaling() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment("web", 0)
            await town.deployment("other", 0)
            await town.scaled_object("web", redis("jobs"), **QUICK, advanced=RESTORE)
            await clock.sleep(30)

            async def forbid(write: Write) -> None:
                if write.resource == SCALED_OBJECTS and write.subresource == "status":
                    raise ApiError(403, "Forbidden", "the status is not ours to write")

            town.client.before = forbid
            await town.patch(SCALED_OBJECTS, "web", aimed_at("other"))
            town.redis.lists["jobs"] = 5
            await clock.sleep(120)
            assert town.count("web") == 0
            assert town.count("other") > 0

    virtualtime.run(story)


@pytest.mark.parametrize("at_write", range(1, 7))
def test_an_operator_that_dies_on_its_way_to_another_target_loses_no_count(at_write: int) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=9) as town:
            await town.deployment("web", 2)
            await town.deployment("other", 7)
            await town.scaled_object("web", redis("jobs"), advanced=RESTORE, **QUICK)
            await town.reaches(9, 120)
            await town.keeps(9, 60)
            writes: list[Write] = []

            async def hang(write: Write) -> None:
                """Nothing more is written from the given write on."""
                writes.append(write)
                if len(writes) >= at_write:
                    await asyncio.Event().wait()

            town.client.before = hang
            await town.patch(SCALED_OBJECTS, "web", aimed_at("other"))
            await clock.sleep(10)
            await town.kill_operator()
            town.client.before = nothing
            town.start_operator()
            await town.reaches(9, 120, "other")
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.reaches(7, 30, "other")

    virtualtime.run(story)
