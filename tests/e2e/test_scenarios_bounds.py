"""Targets of ScaledObjects outside of their bounds in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, living
from tidegate.kube.resource import SCALED_OBJECTS

pytestmark = pytest.mark.e2e

QUICK: Object = {
    "pollingInterval": 5,
    "cooldownPeriod": 5,
    "maxReplicaCount": 5,
    "advanced": {
        "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
    },
}


@pytest.mark.parametrize(
    ("load", "spec", "path"),
    [
        pytest.param(3, {"maxReplicaCount": 4}, [10, 4, 3], id="active, above the maximum"),
        pytest.param(4, {"minReplicaCount": 4}, [2, 4], id="active, below the minimum"),
        pytest.param(0, {"minReplicaCount": 4}, [2, 4], id="idle, below the minimum"),
    ],
)
def test_a_target_outside_of_its_bounds_comes_back_into_them(
    load: int, spec: Object, path: list[int]
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=load) as town:
            await town.deployment(replicas=path[0])
            await clock.sleep(5)
            await town.scaled_object("web", redis("jobs"), **{**QUICK, "maxReplicaCount": 8, **spec})
            await town.reaches(path[-1], 120)
            await town.keeps(path[-1], 60)
            assert list(dict.fromkeys(one[3] for one in town.written if one[2] == "web")) == path
            assert "KEDAScaleTargetActivated" not in town.reasons("web")

    virtualtime.run(story)


def test_with_an_idle_count_a_busy_target_is_raised_to_its_minimum_at_once() -> None:
    """Without waiting for the HPA, which looks every 15 s."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), minReplicaCount=4, idleReplicaCount=0, **QUICK)
            await town.reaches(4, 60)
            before = town.reasons("web").count("KEDAScaleTargetActivated")
            for replicas in (2, 0, 3):
                await clock.sleep(20)
                await town.scale(replicas)
                await town.reaches(4, 2)
            assert town.reasons("web").count("KEDAScaleTargetActivated") == before + 3

    virtualtime.run(story)


def test_without_an_idle_count_an_idle_target_is_raised_to_its_minimum_at_once() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment(replicas=4)
            await town.scaled_object("web", redis("jobs"), minReplicaCount=4, **QUICK)
            for replicas in (2, 0, 3):
                await town.keeps(4, 20)
                await town.scale(replicas)
                await town.reaches(4, 2)

    virtualtime.run(story)


def test_without_an_idle_count_a_busy_target_below_its_minimum_is_left_to_the_hpa() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment(replicas=4)
            await town.scaled_object("web", redis("jobs"), minReplicaCount=4, **QUICK)
            await town.keeps(4, 20)
            await town.scale(2)
            await town.reaches(4, 20)
            assert town.condition(SCALED_OBJECTS, "web", "Active")[:2] == ("True", "ScalerActive")
            assert "KEDAScaleTargetActivated" not in town.reasons("web")

    virtualtime.run(story)
