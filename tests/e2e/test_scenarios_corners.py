"""Corners of ScaledObjects in local mode, whole, on a clock that jumps: failures, cooldowns, other people."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living, pods_of, workload
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS, ApiError

pytestmark = pytest.mark.e2e

DOWN = Unreachable("ask", answer="connection refused")
AT_ONCE: Object = {
    "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
}
QUICK: Object = {"pollingInterval": 5, "cooldownPeriod": 5, "maxReplicaCount": 5, "advanced": AT_ONCE}
BROKEN: Object = {"type": "redis", "metadata": {"listName": "jobs"}}


def condition(town: Town, type: str) -> tuple[str, str]:
    return town.condition(SCALED_OBJECTS, "web", type)[:2]


def last_active(town: Town) -> str:
    found = town.objects.get(SCALED_OBJECTS, "shop", "web") or {}
    return str(found["status"].get("lastActiveTime", ""))


# --- going to zero


def test_a_target_that_was_never_active_goes_to_zero_at_the_first_poll_without_a_cooldown() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=0) as town:
            await town.deployment(replicas=3)
            await town.scaled_object("web", redis("jobs"), pollingInterval=30, cooldownPeriod=300)
            await town.reaches(0, 31)
            assert [one[3] for one in town.written if one[3] not in (0, 3)] == []

    virtualtime.run(story)


def test_without_a_cooldown_the_first_idle_poll_sets_zero() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **{**QUICK, "cooldownPeriod": 0})
            await town.reaches(1, 30)
            town.redis.lists["jobs"] = 0
            await town.reaches(0, 6)

    virtualtime.run(story)


def test_a_cooldown_is_told_and_keeps_the_target() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **{**QUICK, "cooldownPeriod": 100})
            await town.reaches(1, 30)
            assert condition(town, "Active") == ("True", "ScalerActive")
            town.redis.lists["jobs"] = 0
            told = ("False", "ScalerCooldown")
            await town.becomes("the cooldown is told", lambda: condition(town, "Active") == told, 10)
            await town.keeps(1, 89)
            assert condition(town, "Active") == told
            await town.reaches(0, 20)
            assert condition(town, "Active") == ("False", "ScalerNotActive")

    virtualtime.run(story)


def test_a_queue_that_fills_between_two_polls_is_seen_before_its_target_is_put_to_sleep() -> None:
    """The cooldown ends 100 s after the poll that saw none first, 20 s before a poll is due."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            spec = {**QUICK, "pollingInterval": 60, "cooldownPeriod": 100}
            await town.scaled_object("web", redis("jobs"), **spec)
            await town.reaches(1, 30)
            town.redis.lists["jobs"] = 0
            told = ("False", "ScalerCooldown")
            await town.becomes("a poll saw none", lambda: condition(town, "Active") == told, 70)
            await town.keeps(1, 80)
            town.redis.lists["jobs"] = 1
            await town.keeps(1, 300)
            assert "KEDAScaleTargetDeactivated" not in town.reasons("web")

    virtualtime.run(story)


@pytest.mark.parametrize("is_idle_first", [True, False])
def test_an_operator_that_is_restarted_lets_the_cooldown_go_on(is_idle_first: bool) -> None:
    """It dies in the cooldown, or the queue runs empty while it is dead."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **{**QUICK, "cooldownPeriod": 100})
            await town.reaches(1, 30)
            await clock.sleep(60)
            if is_idle_first:
                town.redis.lists["jobs"] = 0
                await town.keeps(1, 20)
            await town.kill_operator()
            town.redis.lists["jobs"] = 0
            await town.keeps(1, 20)
            town.start_operator()
            await town.keeps(1, 50 if is_idle_first else 90)
            await town.reaches(0, 30)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("activation", "asleep", "awake"), [({"activationListLength": "20"}, 20, 21), ({}, 0, 1)]
)
def test_a_value_that_equals_the_activation_target_wakes_nothing(
    activation: dict[str, str], asleep: int, awake: int
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=asleep) as town:
            await town.deployment()
            trigger = redis("jobs", listLength="100", **activation)
            await town.scaled_object("web", trigger, **QUICK)
            await town.keeps(0, 60)
            town.redis.lists["jobs"] = awake
            await town.reaches(1, 10)

    virtualtime.run(story)


# --- what fails


def test_a_trigger_with_a_mistake_does_not_disable_its_healthy_neighbour() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored")
            await town.deployment()
            await town.scaled_object("web", BROKEN, pods_of("monitored"), **QUICK)
            await town.keeps(0, 30)
            await town.scale(3, "monitored")
            await town.reaches(3, 120)
            assert condition(town, "Ready") == ("False", "ScaledObjectCheckFailed")
            await town.scale(0, "monitored")
            # Nobody knows what the broken one would ask for: its HPA only raises.
            await town.keeps(3, 600)

    virtualtime.run(story)


def test_an_edit_that_breaks_one_trigger_lowers_nothing_until_it_is_mended() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment("monitored", 1)
            await town.deployment()
            good = [redis("jobs"), pods_of("monitored")]
            await town.scaled_object("web", *good, **QUICK)
            await town.reaches(4, 120)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [BROKEN, good[1]]}})
            await town.keeps(4, 600)
            assert condition(town, "Ready") == ("False", "ScaledObjectCheckFailed")
            town.redis.lists["jobs"] = 2
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": good}})
            await town.reaches(2, 60)

    virtualtime.run(story)


def test_a_trigger_that_fails_beside_an_active_one_does_not_keep_the_target_asleep() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            town.redis.trouble = DOWN
            await town.deployment("monitored")
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pods_of("monitored"), **QUICK)
            await town.keeps(0, 30)
            assert condition(town, "Ready") == ("False", "TriggerError")
            await town.scale(2, "monitored")
            await town.reaches(2, 120)
            assert condition(town, "Ready") == ("Unknown", "PartialTriggerError")
            town.redis.trouble = None
            await town.becomes("it is ready", lambda: condition(town, "Ready")[0] == "True", 30)

    virtualtime.run(story)


def test_while_all_triggers_fail_nothing_is_lowered_and_nothing_counts_as_active() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **QUICK)
            await town.reaches(4, 120)
            town.redis.trouble = DOWN
            told = ("False", "TriggerError")
            await town.becomes("it is told", lambda: condition(town, "Ready") == told, 30)
            before = last_active(town)
            await town.keeps(4, 600)
            assert last_active(town) == before != ""
            town.redis.trouble = None
            town.redis.lists["jobs"] = 0
            await town.reaches(0, 60)

    virtualtime.run(story)


def test_a_fallback_of_no_replicas_does_not_take_a_failing_target_to_zero() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            fallback = {"failureThreshold": 3, "replicas": 0}
            await town.scaled_object("web", redis("jobs"), fallback=fallback, **QUICK)
            await town.reaches(4, 120)
            town.redis.trouble = DOWN
            await town.stays("it is awake", lambda: town.count() > 0, 600)
            assert condition(town, "Fallback") == ("True", "FallbackExists")
            town.redis.trouble = None
            town.redis.lists["jobs"] = 0
            await town.reaches(0, 60)

    virtualtime.run(story)


def test_below_the_threshold_of_its_fallback_a_failing_target_keeps_its_count() -> None:
    """Failures count once per polling interval, however often the HPA asks in between."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            spec = {**QUICK, "pollingInterval": 60, "fallback": {"failureThreshold": 3, "replicas": 2}}
            await town.scaled_object("web", redis("jobs"), **spec)
            await town.reaches(4, 120)
            town.redis.trouble = DOWN
            # The polling interval in which it broke counts as well: 30 s and two whole ones at least.
            await town.keeps(4, 145)
            assert condition(town, "Ready") == ("True", "ScaledObjectReady")
            assert condition(town, "Fallback")[0] == "False"
            await town.reaches(2, 120)
            assert condition(town, "Fallback") == ("True", "FallbackExists")

    virtualtime.run(story)


def test_a_metric_of_nobody_is_an_error_and_never_a_zero() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **QUICK)
            await town.reaches(4, 120)
            ours = {"scaledobject.keda.sh/name": "web"}
            assert await town.external_metric("shop", "s0-redis-jobs", ours) == (4.0,)
            for name, labels in (
                ("s1-redis-jobs", ours),
                ("s0-redis-jobs", {}),
                ("s0-redis-jobs", {"a": "b"}),
            ):
                assert isinstance(await town.external_metric("shop", name, labels), Failure)

    virtualtime.run(story)


# --- other people


def test_a_paused_target_that_somebody_scales_is_brought_back() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            metadata = {"annotations": {"autoscaling.keda.sh/paused-replicas": "3"}}
            await town.scaled_object("web", redis("jobs"), metadata=metadata, **QUICK)
            await town.reaches(3, 30)
            for replicas in (5, 0):
                await town.scale(replicas)
                await town.reaches(3, 30)
            await town.keeps(3, 60)

    virtualtime.run(story)


def test_a_workload_that_has_an_hpa_of_somebody_is_left_to_it() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment(replicas=2)
            spec = {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                "maxReplicas": 5,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
                    }
                ],
            }
            await town.create(HPAS, "theirs", spec=spec)
            with pytest.raises(ApiError, match="theirs"):
                await town.scaled_object("web", redis("jobs"))

    virtualtime.run(story)


def test_two_objects_do_not_scale_one_workload() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=1) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"))
            with pytest.raises(ApiError, match="web"):
                await town.scaled_object("other", redis("jobs"), scaleTargetRef={"name": "web"})

    virtualtime.run(story)


# --- the end


@pytest.mark.parametrize("is_target_there", [True, False])
def test_an_object_goes_with_or_without_its_target_whose_count_stays(is_target_there: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment(replicas=1)
            await town.scaled_object("web", redis("jobs"), **QUICK)
            await town.reaches(4, 120)
            if not is_target_there:
                await town.objects.delete(DEPLOYMENTS, "shop", "web")
                await clock.sleep(5)
            await town.objects.delete(SCALED_OBJECTS, "shop", "web")
            await town.becomes(
                "it is gone", lambda: town.objects.get(SCALED_OBJECTS, "shop", "web") is None, 30
            )
            await town.becomes("so is its HPA", lambda: town.hpa() is None, 30)
            if is_target_there:
                await town.keeps(4, 600)

    virtualtime.run(story)


def test_a_workload_that_is_made_again_is_scaled_again() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), **QUICK)
            await town.reaches(4, 120)
            await town.objects.delete(DEPLOYMENTS, "shop", "web")
            await clock.sleep(60)
            await town.create(DEPLOYMENTS, "web", spec=workload("web", 0))
            await town.reaches(4, 60)

    virtualtime.run(story)
