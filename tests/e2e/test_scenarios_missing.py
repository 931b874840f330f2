"""Sources that are down while something else changes, in local mode whole, on a clock that jumps."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import SCALED_OBJECTS, SECRETS, TRIGGER_AUTHENTICATIONS

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


# --- the count of failures goes on


def encoded(text: str) -> Object:
    return {"password": base64.b64encode(text.encode()).decode()}


async def protect(town: Town) -> None:
    await town.create(SECRETS, "pw", data=encoded("one"))
    reference = {"parameter": "password", "name": "pw", "key": "password"}
    await town.create(TRIGGER_AUTHENTICATIONS, "auth", spec={"secretTargetRef": [reference]})


async def pause(town: Town) -> None:
    for replicas in ("0", None):
        annotations = {"autoscaling.keda.sh/paused-replicas": replicas}
        await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
        await town.clock.sleep(60)


async def pause_and_restart(town: Town) -> None:
    annotations = {"autoscaling.keda.sh/paused-replicas": "0"}
    await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
    await town.reaches(0, 60)
    await town.kill_operator()
    town.start_operator()
    await town.clock.sleep(60)
    annotations = {"autoscaling.keda.sh/paused-replicas": None}
    await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": annotations}})
    await town.clock.sleep(60)


async def edit(town: Town) -> None:
    triggers = [{**redis("jobs", listLength="2"), "authenticationRef": {"name": "auth"}}]
    await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": triggers}})


async def rotate(town: Town) -> None:
    await town.patch(SECRETS, "pw", {"data": encoded("two")})


@pytest.mark.parametrize("happens", [pause, pause_and_restart, edit, rotate])
def test_a_fallback_in_use_stays_in_use(happens: Callable[[Town], Awaitable[None]]) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=20) as town:
            town.redis.trouble = DOWN
            await town.deployment()
            await protect(town)
            trigger = {**redis("jobs"), "authenticationRef": {"name": "auth"}}
            fallback = {"failureThreshold": 3, "replicas": 4}
            await town.scaled_object("web", trigger, fallback=fallback, **{**QUICK, "pollingInterval": 300})
            await town.reaches(4, 2400)
            await happens(town)
            await town.becomes("it is as before", lambda: town.count() == 4, 60)
            await town.keeps(4, 600)
            told = [reason for reason in town.reasons("web") if "Fallback" in reason]
            assert told == ["ScaledObjectFallbackActivated"]
            town.redis.trouble = None
            await town.reaches(10, 600)
            assert town.condition(SCALED_OBJECTS, "web", "Fallback")[0] == "False"
            # What was counted before is over with the first success.
            town.redis.trouble = DOWN
            await town.keeps(10, 600)

    virtualtime.run(story)


def test_a_source_that_is_down_stays_nil_in_the_formula_after_a_pause() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, first=16, second=12) as town:
            await town.deployment()
            spec = {**QUICK, "pollingInterval": 300, "advanced": formula("p ?? q")}
            await town.scaled_object("web", P, Q, fallback=NIL, **spec)
            await town.reaches(8, 180)
            town.redis.unreachable.add("one:6379")
            await town.reaches(6, 2400)
            await pause(town)
            await town.reaches(6, 30)

    virtualtime.run(story)


# --- a Secret that is gone


PROTECTED: Object = {**redis("jobs"), "authenticationRef": {"name": "auth"}}
FALLBACK: Object = {"failureThreshold": 2, "replicas": 4}


def fallback(town: Town) -> tuple[str, str]:
    return town.condition(SCALED_OBJECTS, "web", "Fallback")[:2]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_secret_that_goes_during_a_fallback_does_not_end_it(is_restarted: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=20) as town:
            town.redis.trouble = DOWN
            await town.deployment()
            await protect(town)
            await town.scaled_object("web", PROTECTED, fallback=FALLBACK, **QUICK)
            await town.reaches(4, 120)
            await town.objects.delete(SECRETS, "shop", "pw")
            if is_restarted:
                await clock.sleep(10)
                await town.kill_operator()
                town.start_operator()
            await town.keeps(4, 120)
            assert fallback(town) == ("True", "FallbackExists")
            ready = town.condition(SCALED_OBJECTS, "web", "Ready")
            assert ready[:2] == ("False", "ScaledObjectCheckFailed")
            assert "pw" in ready[2]
            await town.scale(0)
            await town.reaches(4, 120)
            town.redis.trouble = None
            await town.create(SECRETS, "pw", data=encoded("one"))
            await town.reaches(10, 120)
            assert fallback(town)[0] == "False"
            told = [reason for reason in town.reasons("web") if "Fallback" in reason]
            assert told == ["ScaledObjectFallbackActivated", "ScaledObjectFallbackDeactivated"]

    virtualtime.run(story)


def test_a_secret_that_is_missing_leads_to_the_fallback_at_the_pace_of_polls() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=20) as town:
            await town.deployment()
            await protect(town)
            await town.objects.delete(SECRETS, "shop", "pw")
            await town.scaled_object("web", PROTECTED, fallback=FALLBACK, **{**QUICK, "pollingInterval": 60})
            await town.keeps(0, 60)
            await town.reaches(4, 180)
            await town.create(SECRETS, "pw", data=encoded("one"))
            await town.reaches(10, 180)

    virtualtime.run(story)


def test_without_a_fallback_a_missing_secret_holds_what_is_there() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=6) as town:
            await town.deployment()
            await protect(town)
            await town.scaled_object("web", PROTECTED, **QUICK)
            await town.reaches(6, 120)
            await town.objects.delete(SECRETS, "shop", "pw")
            await town.keeps(6, 300)
            assert fallback(town)[0] == "False"

    virtualtime.run(story)


def test_metadata_that_is_wrong_is_in_no_fallback() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=20) as town:
            town.redis.trouble = DOWN
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), fallback=FALLBACK, **QUICK)
            await town.reaches(4, 120)
            wrong = redis("jobs", listLength="many")
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [wrong]}})
            await town.becomes("no fallback", lambda: fallback(town)[0] == "False", 30)
            await town.keeps(4, 300)

    virtualtime.run(story)
