"""Clock triggers, cpu and memory in local mode, whole, on a clock that jumps: a Monday from 8:00 UTC on."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.town import Object, Town, living
from tidegate.kube.resource import SCALED_OBJECTS

pytestmark = pytest.mark.e2e

MINUTE_S = 60
GIB = float(2**30)
REQUESTS: Object = {"requests": {"cpu": "1", "memory": "1Gi"}}
CPU: Object = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
MEMORY: Object = {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "512Mi"}}


def hours(start: str, end: str, replicas: int, timezone: str = "UTC") -> Object:
    metadata = {"timezone": timezone, "start": start, "end": end, "desiredReplicas": str(replicas)}
    return {"type": "cron", "metadata": metadata}


def active(town: Town) -> tuple[str, str]:
    return town.condition(SCALED_OBJECTS, "web", "Active")[:2]


@pytest.mark.parametrize(
    ("start", "end", "timezone"),
    [("0 9 * * *", "30 9 * * *", "UTC"), ("0 10 * * 1-5", "30 10 * * 1-5", "Europe/Berlin")],
)
def test_a_clock_raises_at_its_start_and_lowers_a_cooldown_after_its_end(
    start: str, end: str, timezone: str
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment()
            trigger = hours(start, end, 4, timezone)
            await town.scaled_object("web", trigger, cooldownPeriod=300)
            await town.keeps(0, 59 * MINUTE_S)
            await town.reaches(4, 2 * MINUTE_S)
            begun_s = clock.monotonic()
            assert begun_s <= 61 * MINUTE_S
            await town.keeps(4, 90 * MINUTE_S - begun_s)
            # The HPA, whose window is as long as the cooldown, has looked up to 15 s before the end.
            await town.keeps(4, 280)
            await town.stays("it is awake", lambda: town.count() > 0, 15)
            await town.reaches(0, 15)
            await town.keeps(0, 60 * MINUTE_S)

    virtualtime.run(story)


def test_a_clock_under_a_minimum_works_through_the_hpa_alone() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment(replicas=1)
            trigger = hours("10 8 * * *", "20 8 * * *", 3)
            await town.scaled_object("web", trigger, minReplicaCount=1)
            await town.keeps(1, 10 * MINUTE_S - 1)
            await town.reaches(3, 60)
            await town.keeps(3, 20 * MINUTE_S - clock.monotonic())
            # The HPA's own patience: five minutes.
            await town.reaches(1, 6 * MINUTE_S)

    virtualtime.run(story)


def test_beside_a_clock_out_of_hours_load_on_the_cpu_does_not_keep_the_target() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment(replicas=3, resources=REQUESTS)
            town.used["cpu"]["web"] = 1.0
            trigger = hours("0 20 * * *", "0 21 * * *", 2)
            await town.scaled_object("web", CPU, trigger, minReplicaCount=0, cooldownPeriod=30)
            await town.reaches(0, 60)
            await town.keeps(0, 10 * MINUTE_S)

    virtualtime.run(story)


@pytest.mark.parametrize(("trigger", "resource", "unit"), [(CPU, "cpu", 0.5), (MEMORY, "memory", 0.5 * GIB)])
def test_cpu_and_memory_alone_leave_the_target_to_the_hpa(
    trigger: Object, resource: str, unit: float
) -> None:
    """`unit` is what a replica should use."""

    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment(replicas=2, resources=REQUESTS)
            town.used[resource]["web"] = unit
            await town.scaled_object("web", trigger, minReplicaCount=1, maxReplicaCount=10)
            await town.keeps(2, 5 * MINUTE_S)
            assert active(town) == ("True", "ScalerActive")
            town.used[resource]["web"] = 2 * unit
            await town.reaches(4, 60)
            town.used[resource]["web"] = unit
            await town.keeps(4, 10 * MINUTE_S)
            town.used[resource]["web"] = 0.0
            await town.reaches(1, 20 * MINUTE_S)
            await town.keeps(1, 10 * MINUTE_S)
            assert active(town) == ("True", "ScalerActive")

    virtualtime.run(story)


def test_a_target_under_cpu_alone_that_somebody_sets_to_zero_is_woken() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment(replicas=2, resources=REQUESTS)
            town.used["cpu"]["web"] = 0.5
            await town.scaled_object("web", CPU, minReplicaCount=1)
            await town.keeps(2, 60)
            await town.scale(0)
            await town.reaches(1, 30)

    virtualtime.run(story)
