"""Fallbacks and formulas in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.rollouts import ROLLOUTS, add_rollout
from parts.town import Object, Town, living, pods_of
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import DEPLOYMENTS, SCALED_OBJECTS, Resource

pytestmark = pytest.mark.e2e

DOWN = Unreachable("ask", answer="connection refused")
AT_ONCE: Object = {
    "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
}
QUICK: Object = {"pollingInterval": 5, "cooldownPeriod": 1, "maxReplicaCount": 5, "advanced": AT_ONCE}


def queue(metric_type: str | None) -> Object:
    return {**redis("jobs", listLength="5"), **({"metricType": metric_type} if metric_type else {})}


@pytest.mark.parametrize(
    ("metric_type", "target"), [("AverageValue", DEPLOYMENTS), ("Value", DEPLOYMENTS), (None, ROLLOUTS)]
)
def test_a_source_that_goes_away_leads_to_the_fallback_and_back(
    metric_type: str | None, target: Resource
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, served=(ROLLOUTS,), jobs=50) as town:
            if target == ROLLOUTS:
                await add_rollout(town)
            else:
                await town.deployment()
            reference = {"apiVersion": target.api_version, "kind": target.kind, "name": "web"}
            fallback = {"failureThreshold": 3, "replicas": 3}
            await town.scaled_object(
                "web", queue(metric_type), scaleTargetRef=reference, fallback=fallback, **QUICK
            )
            await town.reaches(5, 180, resource=target)
            town.redis.trouble = DOWN
            await town.reaches(3, 180, resource=target)
            await town.keeps(3, 30, resource=target)
            assert town.condition(SCALED_OBJECTS, "web", "Fallback")[:2] == ("True", "FallbackExists")
            assert town.condition(SCALED_OBJECTS, "web", "Ready")[:2] == ("True", "ScaledObjectReady")
            town.redis.trouble = None
            await town.reaches(5, 180, resource=target)
            assert town.condition(SCALED_OBJECTS, "web", "Fallback")[0] == "False"

    virtualtime.run(story)


@pytest.mark.parametrize("ending_s", [1.0, 60.0])
def test_the_fallback_of_a_value_is_kept_while_the_pods_it_took_away_are_ending(ending_s: float) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=50) as town:
            town.node.ending_s = ending_s
            await town.deployment()
            fallback = {"failureThreshold": 1, "replicas": 6}
            spec = {**QUICK, "maxReplicaCount": 10}
            await town.scaled_object("web", queue("Value"), fallback=fallback, **spec)
            await town.reaches(10, 200)
            town.redis.trouble = DOWN
            await town.reaches(6, 60)
            await town.keeps(6, 300)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("behavior", "replicas"),
    [
        ("currentReplicasIfHigher", 4),
        ("currentReplicasIfLower", 3),
        ("currentReplicas", 4),
        ("static", 3),
    ],
)
@pytest.mark.parametrize("metric_type", [None, "AverageValue"])
def test_the_fallback_of_four_replicas_follows_its_behaviour(
    behavior: str, replicas: int, metric_type: str | None
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=20) as town:
            await town.deployment()
            fallback = {"failureThreshold": 1, "replicas": 3, "behavior": behavior}
            await town.scaled_object("web", queue(metric_type), fallback=fallback, **QUICK)
            await town.reaches(4, 180)
            town.redis.trouble = DOWN
            await town.becomes(
                "it falls back", lambda: town.condition(SCALED_OBJECTS, "web", "Fallback")[0] == "True", 60
            )
            await town.reaches(replicas, 180)
            await town.keeps(replicas, 60)

    virtualtime.run(story)


def test_a_fallback_wakes_a_target_whose_source_was_never_there() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            town.redis.trouble = DOWN
            await town.deployment()
            fallback = {"failureThreshold": 3, "replicas": 3, "behavior": "static"}
            await town.scaled_object("web", queue(None), fallback=fallback, **QUICK)
            await town.reaches(3, 180)
            await town.keeps(3, 60)

    virtualtime.run(story)


# --- formulas


def named(name: str, trigger: Object) -> Object:
    return {**trigger, "name": name}


def formula(text: str, **more: str) -> Object:
    return {**AT_ONCE, "scalingModifiers": {"formula": text, "target": "2", **more}}


def test_a_formula_falls_back_from_one_source_to_the_next_and_to_a_constant() -> None:
    primary = named("primary", redis("first", address="one:6379"))
    secondary = named("secondary", redis("second", address="two:6379"))

    async def story(clock: Any) -> None:
        async with living(clock, first=16, second=12) as town:
            await town.deployment()
            fallback = {"failureThreshold": 3, "replicas": 4, "behavior": "scalingModifiers"}
            spec = {**QUICK, "maxReplicaCount": 10, "advanced": formula("primary ?? secondary ?? 8")}
            await town.scaled_object("web", primary, secondary, fallback=fallback, **spec)
            await stable(town, 8)
            town.redis.unreachable.add("one:6379")
            await stable(town, 6)
            town.redis.unreachable.add("two:6379")
            await stable(town, 4)
            town.redis.unreachable.clear()
            await stable(town, 8)

    virtualtime.run(story)


async def stable(town: Town, replicas: int) -> None:
    await town.reaches(replicas, 180)
    await town.keeps(replicas, 30)


def test_a_sum_of_two_sources_activates_above_its_own_target() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment("monitored")
            await town.deployment()
            triggers = [named("metrics_api", redis("jobs")), named("kw_trig", pods_of("monitored"))]
            spec = {**QUICK, "maxReplicaCount": 10}
            spec["advanced"] = formula("metrics_api + kw_trig", activationTarget="2")
            await town.scaled_object(
                "web", *triggers, fallback={"failureThreshold": 3, "replicas": 5}, **spec
            )
            await town.keeps(0, 60)
            town.redis.lists["jobs"] = 2
            await town.keeps(0, 60)
            town.redis.lists["jobs"] = 3
            await town.scale(2, "monitored")
            await stable(town, 3)
            town.redis.trouble = DOWN
            await town.reaches(5, 180)
            await town.keeps(5, 60)
            town.redis.trouble = None
            town.redis.lists["jobs"] = 2
            await stable(town, 2)

    virtualtime.run(story)


def test_a_formula_may_count_the_sources_that_say_more_than_one() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment("monitored", 2)
            await town.deployment()
            await clock.sleep(5)
            triggers = [named("metrics_api", redis("jobs")), named("kw_trig", pods_of("monitored"))]
            spec = {**QUICK, "advanced": formula("count([kw_trig,metrics_api],{#>1}) > 1 ? 5 : 0")}
            await town.scaled_object("web", *triggers, **spec)
            await town.keeps(0, 60)
            town.redis.lists["jobs"] = 2
            await stable(town, 3)

    virtualtime.run(story)
