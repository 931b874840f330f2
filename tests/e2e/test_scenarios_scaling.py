"""ScaledObjects in local mode, whole, on a clock that jumps: from nothing to many and back."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.town import living, pods_of

pytestmark = pytest.mark.e2e


def test_without_load_a_target_at_zero_stays_there() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment()
            await town.scaled_object("web", pods_of("monitored"), pollingInterval=5, maxReplicaCount=4)
            await town.keeps(0, 60)

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
