"""What would change a number: the values named are the ones at which it truly changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.decisions import BROKEN, at, cpu, scaled_object, trigger
from tidegate.base.errors import Failure
from tidegate.core.decide import Seen
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.modifiers import Composite
from tidegate.core.outlook import SENTENCES, Measure, Prospect, Reach, Turn, outlook
from tidegate.core.replicas import MILLI, Sample, Tolerance, wanted_by
from tidegate.core.values import ExternalMetric, Memory, TriggerView

EXACT = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"tolerance": "0"}}}}


def found(
    current: Any, *views: TriggerView, memory: Memory | None = None, object: Any = None, **spec: Any
) -> tuple[Prospect, ...]:
    memory = memory or Memory(last_active=at(1000), is_active=True)
    return outlook(object or scaled_object(**spec), Seen(current), views, memory, at(1000))


def texts(prospects: tuple[Prospect, ...]) -> list[str]:
    return [one.text for one in prospects]


def messages(value: Any, index: int = 0, **more: Any) -> TriggerView:
    return trigger(value, index, when=at(1000), target=10.0, **more)


@pytest.mark.parametrize(
    ("value", "current", "spec", "expected"),
    [
        # 61 of 60 is within the HPA's tolerance of 10 %, 67 is not
        (30.0, 6, {}, ["s0-redis at 67 (30 now): 7 replicas"]),
        (30.0, 6, {"advanced": EXACT}, ["s0-redis at 61 (30 now): 7 replicas"]),
        (30.5, 6, {"advanced": EXACT}, ["s0-redis at 60.001 (30.5 now): 7 replicas"]),
        (30.0, 6, {"maxReplicaCount": 6}, ["s0-redis raises no further: the maximum is 6 replicas"]),
        # the step is more than one replica where the tolerance is
        (300.0, 30, {}, ["s0-redis at 331 (300 now): 34 replicas"]),
        (300.0, 30, {"maxReplicaCount": 32}, ["s0-redis at 331 (300 now): 32 replicas"]),
    ],
)
def test_the_next_value_up(value: float, current: int, spec: Any, expected: list[str]) -> None:
    prospects = found(current, messages(value), **spec)
    assert [one.text for one in prospects if one.code in ("MoreReplicas", "AtMaximum")] == expected


@pytest.mark.parametrize(
    ("values", "current", "spec", "expected"),
    [
        ((60.0,), 6, {}, "s0-redis at most 50: 5 replicas, 300 s after the last higher recommendation"),
        (
            (60.0, 12.0),
            6,
            {},
            "s0-redis at most 50 and s1-redis at most 50: 5 replicas, 300 s after the last higher "
            "recommendation",
        ),
        ((300.0,), 30, {}, "s0-redis at most 269: 27 replicas, 300 s after the last higher recommendation"),
        ((10.0,), 1, {}, "the HPA lowers no further: the minimum is 1 replica"),
        ((10.0,), 3, {"minReplicaCount": 3}, "the HPA lowers no further: the minimum is 3 replicas"),
    ],
)
def test_the_next_values_down(values: Any, current: int, spec: Any, expected: str) -> None:
    views = tuple(messages(value, index) for index, value in enumerate(values))
    prospects = found(current, *views, **spec)
    assert [one.text for one in prospects if one.code in ("FewerReplicas", "AtMinimum")] == [expected]


def test_a_trigger_that_cannot_be_read_forbids_lowering_and_the_others_still_raise() -> None:
    prospects = found(6, messages(60.0), messages(BROKEN, 1))
    assert [one.code for one in prospects] == ["Readable", "Deactivates", "MoreReplicas"]
    assert texts(prospects)[0] == (
        f"s1-redis must be readable again before anything is lowered: {BROKEN.message}"
    )


def test_an_inactive_object_names_the_distance_to_activity_and_the_end_of_the_cooldown() -> None:
    memory = Memory(last_active=at(900), is_active=False)
    prospects = found(1, messages(3.0, activation=5), memory=memory)
    assert texts(prospects) == [
        "s0-redis activates above 5 (3 now): 1 replica at least",
        "s0-redis at 12 (3 now): 2 replicas",
        "the HPA lowers no further: the minimum is 1 replica",
        "at 2026-03-02T08:20:00Z: 0 replicas, if nothing becomes active before",
    ]
    assert prospects[-1].at is not None


def test_an_idle_count_is_what_a_cooldown_leads_to() -> None:
    memory = Memory(last_active=at(900), is_active=False)
    prospects = found(4, messages(0.0), memory=memory, minReplicaCount=3, idleReplicaCount=2)
    assert dict(prospects[-1].numbers)["replicas"] == 2


def test_at_zero_only_activation_matters() -> None:
    assert [one.code for one in found(0, messages(0.0), memory=Memory())] == ["Activates"]
    assert [one.code for one in found(0, trigger(None), memory=Memory())] == ["Measured"]


def test_the_way_into_the_fallback_and_out_of_it() -> None:
    object = scaled_object(fallback={"failureThreshold": 3, "replicas": 10})
    failing = replace(messages(BROKEN), failed_polls=2)
    pending = found(4, failing, object=object)
    assert [one.code for one in pending] == ["Readable", "FallsBack"]
    assert pending[1].text == (
        "after 2 more failed polls of s0-redis, at about 2026-03-02T08:17:40Z: the fallback counts"
    )
    fallen = found(4, replace(failing, failed_polls=4), object=object)
    assert [one.code for one in fallen] == ["Recovers", "Raising", "FewerReplicas"]


def test_a_raise_that_the_hpa_has_not_made_yet_is_named_as_such() -> None:
    """55 messages at 10 each ask for 6 replicas while there are 2: no value has to be reached any more."""
    [raising] = [one for one in found(2, messages(55.0)) if one.code in ("Raising", "MoreReplicas")]
    assert raising.code == "Raising"
    assert dict(raising.numbers) == {"metric": "s0-redis", "value": 55, "replicas": 6}


def test_a_pause_and_a_forced_activation_are_named() -> None:
    def codes(**annotations: str) -> list[str]:
        named = {f"autoscaling.keda.sh/{name.replace('_', '-')}": text for name, text in annotations.items()}
        return [one.code for one in found(0, messages(0.0), object=scaled_object(named), memory=Memory())]

    assert codes(paused="true") == ["Unpause"]
    assert codes(paused_replicas="3") == ["Unpause"]
    assert codes(paused_scale_in="true", paused_scale_out="true") == [
        "UnpauseScaleIn",
        "UnpauseScaleOut",
        "Activates",
    ]
    assert codes(force_activation="true") == ["StopForcing", "Activates"]


def test_a_composite_metric_is_looked_at_instead_of_its_sources() -> None:
    compiled = compile_formula("a + b", ("a", "b"))
    assert isinstance(compiled, Formula)
    metric = ExternalMetric("composite-metric", 2.0)
    composite = Composite(metric, compiled, frozenset(compiled.uses), 2.0)
    object = scaled_object(advanced={"scalingModifiers": {"formula": "a + b", "target": "2"}})
    views = (replace(messages(3.0), name="a"), replace(messages(2.0, 1), name="b"))
    memory = Memory(last_active=at(1000), is_active=True)
    prospects = outlook(object, Seen(3), views, memory, at(1000), composite)
    assert texts(prospects) == [
        "composite-metric becomes inactive at 2 or below (5 now)",
        "composite-metric at 7 (5 now): 4 replicas",
        "composite-metric at most 4: 2 replicas, 300 s after the last higher recommendation",
    ]


def test_cpu_is_the_hpas_and_no_lower_value_is_promised_beside_it() -> None:
    assert "FewerReplicas" not in [one.code for one in found(6, messages(60.0), cpu(1))]


def test_what_must_be_corrected_comes_first() -> None:
    seen = Seen(3, check=Failure("Misconfigured", "spec.triggers[1].type: no scaler found"))
    prospects = outlook(scaled_object(), seen, (messages(5.0),), Memory(), at(1000))
    assert prospects[0].text == "the object must be corrected: spec.triggers[1].type: no scaler found"


def test_every_turn_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Turn)


TYPES = st.sampled_from(["AverageValue", "Value"])
TARGETS = st.sampled_from([0.5, 1.0, 2.5, 3.333, 10.0, 47.0])


@given(st.integers(1, 40), st.integers(1, 40), TYPES, TARGETS, st.booleans())
def test_a_named_value_changes_the_number_and_the_one_before_does_not(
    current: int, ready: int, type: Any, target: float, is_whole: bool
) -> None:
    metric, reach = ExternalMetric("m", target, type), Reach(current, ready, None)
    step = 1.0 if is_whole else 1 / MILLI

    def wanted(value: float) -> int:
        return wanted_by(Sample("m", type, target, value, ready=ready), current, Tolerance())[0]

    one = Measure(metric, 3.0 if is_whole else 3.25)
    more, fewer = reach.more_at(one), reach.fewer_at(one)
    assert wanted(more) == reach.wanted(metric, more) > current
    assert wanted(more - step) <= current
    if wanted(0) < current:
        assert wanted(fewer) < current
        assert wanted(fewer + step) >= current
