"""Sources that are down while something else changes, in local mode whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, living
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import SCALED_OBJECTS

pytestmark = pytest.mark.e2e

DOWN = Unreachable("ask", answer="connection refused")
AT_ONCE: Object = {
    "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
}
QUICK: Object = {"pollingInterval": 5, "cooldownPeriod": 1, "maxReplicaCount": 10, "advanced": AT_ONCE}
P: Object = {**redis("first", address="one:6379"), "name": "p"}
Q: Object = {**redis("second", address="two:6379"), "name": "q"}
NIL: Object = {"failureThreshold": 3, "replicas": 4, "behavior": "scalingModifiers"}


def formula(text: str, **more: str) -> Object:
    return {**AT_ONCE, "scalingModifiers": {"formula": text, "target": "2", **more}}


@pytest.mark.parametrize(("replicas", "activation"), [(3, "10"), (0, "0")])
def test_a_formula_whose_sources_are_all_down_never_goes_to_zero(replicas: int, activation: str) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, first=20, second=20) as town:
            await town.deployment()
            spec = {**QUICK, "advanced": formula("p ?? q", activationTarget=activation)}
            await town.scaled_object("web", P, Q, fallback={**NIL, "replicas": replicas}, **spec)
            await town.reaches(10, 120)
            town.redis.trouble = DOWN
            await town.reaches(max(1, replicas), 120)
            await town.keeps(max(1, replicas), 600)
            assert town.condition(SCALED_OBJECTS, "web", "Active")[0] == "True"

    virtualtime.run(story)
