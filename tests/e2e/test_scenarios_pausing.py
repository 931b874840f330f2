"""Pauses and forced activation in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from parts import virtualtime
from parts.town import Town, living, pods_of
from tidegate.kube.resource import SCALED_OBJECTS

pytestmark = pytest.mark.e2e

PAUSED = "autoscaling.keda.sh/paused"
REPLICAS = "autoscaling.keda.sh/paused-replicas"
SCALE_IN = "autoscaling.keda.sh/paused-scale-in"
SCALE_OUT = "autoscaling.keda.sh/paused-scale-out"
FORCE = "autoscaling.keda.sh/force-activation"
AT_ONCE = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}


async def annotate(town: Town, **annotations: str | None) -> None:
    """By the last word of the annotations' names: `paused_replicas="3"`; None takes one away."""
    wanted = {f"autoscaling.keda.sh/{key.replace('_', '-')}": text for key, text in annotations.items()}
    await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": wanted}})


async def begin(town: Town, *, replicas: int = 0, monitored: int = 0, **spec: Any) -> None:
    """`web` follows the pods of `monitored`, one for one."""
    annotations = spec.pop("annotations", {})
    await town.deployment("monitored", monitored)
    await town.deployment(replicas=replicas)
    await town.clock.sleep(5)
    wanted = {"pollingInterval": 5, "cooldownPeriod": 5, "maxReplicaCount": 10, "advanced": AT_ONCE, **spec}
    metadata = {"annotations": annotations}
    await town.scaled_object("web", pods_of("monitored"), metadata=metadata, **wanted)


async def has_hpa(town: Town, *, is_there: bool) -> None:
    await town.becomes(f"HPA: {is_there}", lambda: (town.hpa() is not None) == is_there, 30)


def test_a_pause_at_zero_holds_under_load_and_ends_with_the_annotation() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, maxReplicaCount=1, annotations={REPLICAS: "0"})
            await town.scale(2, "monitored")
            await town.keeps(0, 60)
            await annotate(town, paused_replicas=None)
            await town.reaches(1, 60)

    virtualtime.run(story)


def test_a_pause_may_lie_above_the_maximum() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, maxReplicaCount=1, annotations={REPLICAS: "5"})
            await town.reaches(5, 60)
            await town.keeps(5, 30)
            await annotate(town, paused_replicas=None)
            await town.reaches(0, 120)

    virtualtime.run(story)


@pytest.mark.parametrize("end", [None, "false"])
def test_a_pause_without_a_count_keeps_what_is_there(end: str | None) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, annotations={PAUSED: "true"})
            await town.scale(2, "monitored")
            await town.keeps(0, 60)
            await town.scale(5, "monitored")
            await annotate(town, paused=end)
            await town.reaches(5, 120)
            await annotate(town, paused="true")
            await town.scale(0, "monitored")
            await town.keeps(5, 60)
            await annotate(town, paused=end)
            await town.reaches(0, 120)

    virtualtime.run(story)


@pytest.mark.parametrize("order", list(permutations([("paused", "true"), ("paused_replicas", "5")])))
def test_both_pauses_in_either_order_keep_the_count_without_an_hpa(order: Any) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, monitored=10)
            for name, text in order:
                await annotate(town, **{name: text})
                await clock.sleep(10)
            await town.reaches(5, 60)
            await town.keeps(5, 60)
            assert town.hpa() is None
            await annotate(town, paused=None, paused_replicas=None)
            await town.reaches(10, 120)
            await town.scale(0, "monitored")
            await town.reaches(0, 120)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("name", "text", "replicas"), [("paused", "true", None), ("paused_replicas", "3", 3)]
)
def test_the_hpa_goes_with_a_pause_and_comes_back_after_it(
    name: str, text: str, replicas: int | None
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, monitored=2)
            await town.reaches(2, 60)
            await has_hpa(town, is_there=True)
            await annotate(town, **{name: text})
            await has_hpa(town, is_there=False)
            await town.reaches(replicas or 2, 30)
            await town.stays("there is no HPA", lambda: town.hpa() is None, 60)
            assert town.condition(SCALED_OBJECTS, "web", "Paused")[0] == "True"
            await annotate(town, **{name: None})
            await has_hpa(town, is_there=True)
            assert town.condition(SCALED_OBJECTS, "web", "Paused")[0] == "False"

    virtualtime.run(story)


@pytest.mark.parametrize("half", ["paused_scale_in", "paused_scale_out"])
@pytest.mark.parametrize("is_full_first", [True, False])
def test_a_full_pause_wins_over_half_of_one(half: str, is_full_first: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, monitored=2)
            names = ["paused", half] if is_full_first else [half, "paused"]
            for name in names:
                await annotate(town, **{name: "true"})
                await clock.sleep(10)
            await town.stays("there is no HPA", lambda: town.hpa() is None, 60)

    virtualtime.run(story)


def test_the_count_of_a_pause_may_change_and_stays_when_only_the_pause_does() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, annotations={REPLICAS: "3"})
            await town.reaches(3, 60)
            await annotate(town, paused_replicas="7")
            await town.reaches(7, 60)
            await annotate(town, paused_replicas="5")
            await town.reaches(5, 60)
            await annotate(town, paused_replicas=None, paused="true")
            await town.keeps(5, 30)

    virtualtime.run(story)


def test_a_paused_scale_in_keeps_an_idle_target_until_it_alone_is_removed() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(
                town,
                replicas=2,
                maxReplicaCount=3,
                cooldownPeriod=0,
                annotations={SCALE_IN: "true", "other": "x"},
            )
            await town.keeps(2, 60)
            await annotate(town, paused_scale_in=None)
            await town.reaches(0, 120)
            kept = (town.objects.get(SCALED_OBJECTS, "shop", "web") or {})["metadata"]["annotations"]
            assert kept["other"] == "x"

    virtualtime.run(story)


def test_a_paused_scale_in_under_an_hpa_lets_it_raise_and_not_lower() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, monitored=2, annotations={SCALE_IN: "true"})
            await town.reaches(2, 60)
            await town.scale(6, "monitored")
            await town.reaches(6, 120)
            await town.scale(3, "monitored")
            await town.keeps(6, 120)
            await annotate(town, paused_scale_in=None)
            await town.reaches(3, 120)

    virtualtime.run(story)


def test_a_paused_scale_out_keeps_a_target_at_zero_under_load() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await begin(town, monitored=2, maxReplicaCount=5, annotations={SCALE_OUT: "true"})
            await town.keeps(0, 60)
            await annotate(town, paused_scale_out=None)
            await town.reaches(2, 120)

    virtualtime.run(story)


def test_a_forced_activation_takes_an_idle_target_to_its_minimum() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            spec = {"idleReplicaCount": 0, "minReplicaCount": 2, "maxReplicaCount": 5, "cooldownPeriod": 0}
            await begin(town, replicas=2, **spec)
            await town.reaches(0, 60)
            await annotate(town, force_activation="true")
            await town.reaches(2, 60)
            await town.keeps(2, 60)
            active = town.condition(SCALED_OBJECTS, "web", "Active")
            assert active[0] == "True"
            assert "forced" in active[2]
            await annotate(town, force_activation=None)
            await town.reaches(0, 60)
            assert town.condition(SCALED_OBJECTS, "web", "Active")[0] == "False"

    virtualtime.run(story)
