"""What a ScaledObject leaves behind, in local mode whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.memory_client import Write
from parts.town import Object, Town, living
from tidegate.base.errors import Unreachable
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
