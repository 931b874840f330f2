"""Laws of the outlook: what it promises is what a decision then does, and never what something forbids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from parts.decisions import BROKEN, at, codes, cpu, replicas_set, scaled_object, trigger
from tidegate.core.outlook.scaledobject import Turn, outlook
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.values import HpaView, Memory, NextReading, Reading, Seen, TriggerView

NOW = at(1000)
HPA = HpaView("keda-hpa-web")
RAISES = {Turn.ACTIVATES, Turn.MORE, Turn.RAISING, Turn.MOST}
LOWERS = {Turn.DEACTIVATES, Turn.FEWER, Turn.LOWERING, Turn.LEAST, Turn.COOLED}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"cooldownPeriod": draw(st.sampled_from([0, 60, 300]))}
    minimum = draw(st.sampled_from([None, 0, 1, 3]))
    if minimum is not None:
        spec["minReplicaCount"] = minimum
    if minimum == 3 and draw(st.booleans()):
        spec["idleReplicaCount"] = draw(st.integers(0, 2))
    if draw(st.booleans()):
        spec["maxReplicaCount"] = draw(st.sampled_from([3, 6, 20]))
    if draw(st.booleans()):
        spec["fallback"] = {"failureThreshold": 2, "replicas": draw(st.integers(0, 9))}
    return spec


@st.composite
def views(draw: st.DrawFn) -> tuple[TriggerView, ...]:
    found = []
    for index in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["value", "value", "failing", "unread", "clock", "cpu"]))
        more = {
            "activation": float(draw(st.sampled_from([0, 5]))),
            "target": draw(st.sampled_from([2.5, 5.0])),
        }
        value = float(draw(st.integers(0, 60)))
        if kind == "cpu":
            found.append(cpu(index))
        elif kind == "failing":
            view = trigger(BROKEN, index, when=at(999), **more)
            found.append(replace(view, failed_polls=draw(st.integers(1, 4))))
        elif kind == "clock":
            view = trigger(value, index, when=at(900), active=value > 0, **more)
            next = float(draw(st.integers(0, 20)))
            found.append(
                replace(view, next_reading=NextReading(at(draw(st.integers(1001, 9000))), (next,), next > 0))
            )
        else:
            found.append(trigger(None if kind == "unread" else value, index, when=at(999), **more))
    return tuple(found)


MEMORIES = st.sampled_from([Memory(), Memory(at(1000), is_active=True), Memory(at(900), is_active=False)])
PAUSES = st.sets(st.sampled_from(["paused-scale-in", "paused-scale-out", "force-activation"]))


@given(specs(), views(), st.integers(0, 9), MEMORIES, PAUSES)
def test_nothing_is_promised_that_a_pause_forbids_or_that_is_past(
    spec: dict[str, Any], found: tuple[TriggerView, ...], current: int, memory: Memory, pauses: set[str]
) -> None:
    object = scaled_object({f"autoscaling.keda.sh/{name}": "true" for name in pauses}, **spec)
    told = outlook(object, Seen(current, HPA), found, memory, NOW)
    named = {one.code for one in told}
    if "paused-scale-out" in pauses:
        assert not named & RAISES
    if "paused-scale-in" in pauses:
        assert not named & LOWERS
    assert all(one.at is None or one.at >= NOW for one in told)
    assert not {Turn.RAISING, Turn.LOWERING} <= named, "the HPA goes one way"
    if current == 0:
        assert not named & {Turn.MORE, Turn.FEWER, Turn.RAISING, Turn.LOWERING, Turn.DEACTIVATES}
    for one in told:
        if one.code in (Turn.MORE, Turn.RAISING):
            assert current < int(dict(one.numbers)["replicas"]) <= object.spec.replicas_max
        if one.code in (Turn.FEWER, Turn.LOWERING):
            assert max(1, object.spec.replicas_min) <= int(dict(one.numbers)["replicas"]) < current


def with_value(found: tuple[TriggerView, ...], metric: str, value: float) -> tuple[TriggerView, ...]:
    return tuple(
        replace(view, reading=Reading(NOW, (value,)))
        if metric in [one.name for one in view.metrics]
        else view
        for view in found
    )


@given(specs(), views(), st.integers(0, 9), MEMORIES)
def test_above_the_named_value_it_is_raised_or_stays(
    spec: dict[str, Any], found: tuple[TriggerView, ...], current: int, memory: Memory
) -> None:
    object, seen = scaled_object(**spec), Seen(current, HPA)
    for one in outlook(object, seen, found, memory, NOW):
        if one.code not in (Turn.ACTIVATES, Turn.STAYS):
            continue
        numbers = dict(one.numbers)
        metric, activation = str(numbers["metric"]), float(numbers["activation"])
        above = decide_scaled_object(object, seen, with_value(found, metric, activation + 1), memory, NOW)
        level = decide_scaled_object(object, seen, with_value(found, metric, activation), memory, NOW)
        if one.code == Turn.ACTIVATES:
            assert replicas_set(above) == numbers["replicas"]
            assert codes(above)[-1] == "Activated"
        else:
            assert codes(above)[-1] == "LeftToHpa"
            assert current == numbers["replicas"]
        assert codes(level)[-1] not in ("Activated", "LeftToHpa")


@given(specs(), views(), st.integers(1, 9))
def test_where_all_named_values_hold_nothing_is_active_and_the_cooldown_leads_to_the_named_count(
    spec: dict[str, Any], found: tuple[TriggerView, ...], current: int
) -> None:
    object, seen, memory = scaled_object(**spec), Seen(current, HPA), Memory(NOW, is_active=True)
    for one in outlook(object, seen, found, memory, NOW):
        if one.code != Turn.DEACTIVATES:
            continue
        idle = tuple(
            view
            if view.reading is None or (view.next_reading is not None and not view.reading.active)
            else replace(view, reading=Reading(NOW, (0.0,), False))
            for view in found
        )
        first = decide_scaled_object(object, seen, idle, memory, NOW)
        later = at(1000 + object.spec.cooldown_s + 1)
        decision = decide_scaled_object(object, seen, idle, first.memory, later)
        assert replicas_set(decision) == dict(one.numbers)["replicas"]
