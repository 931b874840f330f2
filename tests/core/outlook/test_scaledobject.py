"""What would change a number: the values named are the ones at which it truly changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.decisions import BROKEN, at, cpu, scaled_object, trigger
from tidegate.api.conditions import Condition
from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.hpa.replicas import MILLI, Sample, Tolerance, wanted_by
from tidegate.core.outlook.hpa import Reach
from tidegate.core.outlook.scaledobject import SENTENCES, Prospect, Turn, outlook
from tidegate.core.scaledobject.hpa_demand import MetricValue
from tidegate.core.triggers.scaling_modifiers import Composite
from tidegate.core.values import ExternalMetric, HpaView, Memory, NextReading, ResourceUse, Seen, TriggerView

UP = ("MoreReplicas", "AtMaximum", "AboveMaximum", "ScaleUpDisabled", "Raising")
DOWN = ("FewerReplicas", "Lowering", "AtMinimum", "ScaleDownDisabled")
WINDOW = "300 s after the last higher recommendation"
EXACT = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleUp": {"tolerance": "0"}}}}


def still(direction: str) -> dict[str, Any]:
    """An HPA that does not move in that direction."""
    return {"horizontalPodAutoscalerConfig": {"behavior": {direction: {"selectPolicy": "Disabled"}}}}


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
        (60.0, 6, {"maxReplicaCount": 6}, ["the HPA raises no further: the maximum is 6 replicas"]),
        (90.0, 6, {"maxReplicaCount": 6}, ["the HPA raises no further: the maximum is 6 replicas"]),
        (30.0, 6, {"maxReplicaCount": 6}, []),
        (
            30.0,
            6,
            {"maxReplicaCount": 5},
            ["6 replicas are above the maximum 5: lowered at the HPA's next sync"],
        ),
        (
            90.0,
            6,
            {"advanced": still("scaleUp")},
            ["the HPA raises nothing: behavior.scaleUp.selectPolicy is Disabled"],
        ),
        # the step is more than one replica where the tolerance is
        (300.0, 30, {}, ["s0-redis at 331 (300 now): 34 replicas"]),
        (300.0, 30, {"maxReplicaCount": 32}, ["s0-redis at 331 (300 now): 32 replicas"]),
    ],
)
def test_the_next_value_up(value: float, current: int, spec: Any, expected: list[str]) -> None:
    prospects = found(current, messages(value), **spec)
    assert [one.text for one in prospects if one.code in UP] == expected


@pytest.mark.parametrize(
    ("values", "current", "spec", "expected"),
    [
        ((60.0,), 6, {}, f"s0-redis at most 50 (60 now): 5 replicas, {WINDOW}"),
        (
            (60.0, 55.0),
            6,
            {},
            f"s0-redis at most 50 (60 now) and s1-redis at most 50 (55 now): 5 replicas, {WINDOW}",
        ),
        # the other is low enough already
        ((60.0, 12.0), 6, {}, f"s0-redis at most 50 (60 now): 5 replicas, {WINDOW}"),
        ((300.0,), 30, {}, f"s0-redis at most 269 (300 now): 27 replicas, {WINDOW}"),
        # what is below already is waited for by nobody
        ((0.0,), 2, {}, f"s0-redis: 0 now asks for 1 replica: lowered at the HPA's next syncs, {WINDOW}"),
        (
            (12.0, 21.0),
            6,
            {},
            "s0-redis: 12 and s1-redis: 21 now ask for 3 replicas: lowered at the HPA's next syncs, "
            f"{WINDOW}",
        ),
        (
            (12.0,),
            6,
            {"minReplicaCount": 4},
            f"s0-redis: 12 now asks for 4 replicas: lowered at the HPA's next syncs, {WINDOW}",
        ),
        (
            (10.0,),
            1,
            {},
            "the HPA lowers no further: its minimum is 1 replica; "
            "0 comes when nothing is active and the cooldown is over",
        ),
        ((10.0,), 3, {"minReplicaCount": 3}, "the HPA lowers no further: its minimum is 3 replicas"),
        (
            (10.0,),
            3,
            {"minReplicaCount": 3, "idleReplicaCount": 0},
            "the HPA lowers no further: its minimum is 3 replicas; "
            "idleReplicaCount 0 comes when nothing is active and the cooldown is over",
        ),
        (
            (10.0,),
            3,
            {"advanced": still("scaleDown")},
            "the HPA lowers nothing: behavior.scaleDown.selectPolicy is Disabled",
        ),
    ],
)
def test_the_next_values_down(values: Any, current: int, spec: Any, expected: str) -> None:
    views = tuple(messages(value, index) for index, value in enumerate(values))
    prospects = found(current, *views, **spec)
    assert [one.text for one in prospects if one.code in DOWN] == [expected]


def test_a_trigger_that_cannot_be_read_forbids_lowering_and_the_others_still_raise() -> None:
    prospects = found(6, messages(60.0), messages(BROKEN, 1))
    assert [one.code for one in prospects] == ["Readable", "MoreReplicas"]
    assert texts(prospects)[0] == "s1-redis must be readable again before anything is lowered"
    assert dict(prospects[0].numbers)["failure"] == BROKEN.message


def test_an_inactive_object_names_the_distance_to_activity_and_the_end_of_the_cooldown() -> None:
    memory = Memory(last_active=at(900), is_active=False)
    prospects = found(3, messages(28.0, activation=50), memory=memory)
    assert texts(prospects) == [
        "s0-redis above 50 (28 now): it is active again, the cooldown ends and the count stays 3",
        "s0-redis at 34 (28 now): 4 replicas",
        f"s0-redis at most 20 (28 now): 2 replicas, {WINDOW}",
        "at 2026-03-02T08:20:00Z: 0 replicas, if nothing becomes active before",
    ]
    assert prospects[-1].at is not None
    [never] = [
        one.text
        for one in found(3, messages(28.0, activation=50), memory=Memory(), initialCooldownPeriod=9000)
        if one.code == Turn.STAYS
    ]
    assert "it is active, the cooldown ends" in never


def test_an_idle_count_is_what_a_cooldown_leads_to() -> None:
    memory = Memory(last_active=at(900), is_active=False)
    prospects = found(4, messages(0.0), memory=memory, minReplicaCount=3, idleReplicaCount=2)
    assert prospects[-1].text == (
        "at 2026-03-02T08:20:00Z: 2 replicas (idleReplicaCount), if nothing becomes active before"
    )


def test_at_zero_only_activation_matters() -> None:
    assert [one.code for one in found(0, messages(0.0), memory=Memory())] == ["Activates"]
    assert [one.code for one in found(0, trigger(None), memory=Memory())] == ["Measured"]


def test_the_way_into_the_fallback_and_out_of_it() -> None:
    object = scaled_object(fallback={"failureThreshold": 3, "replicas": 10})
    failing = replace(messages(BROKEN), failed_polls=2)
    pending = found(4, failing, object=object)
    assert [one.code for one in pending] == ["Readable", "FallsBack"]
    assert pending[1].text == (
        "after 2 more failed polls of s0-redis, at about 2026-03-02T08:17:40Z: 10 replicas by the fallback"
    )
    assert pending[1].at is not None
    fallen = found(4, replace(failing, failed_polls=4), object=object)
    assert texts(fallen) == [
        "s0-redis is in fallback until it can be read again",
        "the fallback asks for 10 replicas now: raised at the HPA's next syncs, "
        "as fast as its policies allow",
    ]
    settled = found(10, replace(failing, failed_polls=4), object=object)
    assert [one.code for one in settled] == ["Recovers"], "no value of the source would change it"
    beside = found(10, replace(failing, failed_polls=4), messages(20.0, 1), object=object)
    assert texts(beside)[1:] == ["s1-redis at 111 (20 now): 12 replicas"]


def test_a_raise_that_the_hpa_has_not_made_yet_is_named_as_such() -> None:
    """55 messages at 10 each ask for 6 replicas while there are 2: no value has to be reached any more."""
    [raising] = [one for one in found(2, messages(55.0)) if one.code in ("Raising", "MoreReplicas")]
    assert raising.code == "Raising"
    assert raising.text.startswith("s0-redis asks for 6 replicas now (55): raised")
    both = [one for one in found(2, messages(55.0), messages(90.0, 1)) if one.code in UP]
    assert [dict(one.numbers)["replicas"] for one in both] == [9], "the highest is what happens"


def test_a_pause_and_a_forced_activation_are_named() -> None:
    def codes(**annotations: str) -> list[str]:
        named = {f"autoscaling.keda.sh/{name.replace('_', '-')}": text for name, text in annotations.items()}
        return [one.code for one in found(0, messages(0.0), object=scaled_object(named), memory=Memory())]

    assert codes(paused="true") == ["Unpause"]
    assert codes(paused_replicas="3") == ["Unpause"]
    assert codes(paused_scale_in="true", paused_scale_out="true") == [
        "UnpauseScaleIn",
        "UnpauseScaleOut",
    ]
    assert codes(paused_scale_in="true") == ["UnpauseScaleIn", "Activates"]
    assert codes(force_activation="true") == ["StopForcing"]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (
            {"paused": "true"},
            "nothing changes until the annotation autoscaling.keda.sh/paused is removed",
        ),
        (
            {"paused": "true", "paused-replicas": "3"},
            "nothing changes until the annotations autoscaling.keda.sh/paused-replicas and "
            "autoscaling.keda.sh/paused are removed",
        ),
    ],
)
def test_all_annotations_of_a_pause_are_named(annotations: dict[str, str], expected: str) -> None:
    named = {f"autoscaling.keda.sh/{name}": text for name, text in annotations.items()}
    assert texts(found(3, messages(0.0), object=scaled_object(named))) == [expected]


@pytest.mark.parametrize(
    ("half", "value", "expected"),
    [
        # raising and the next value up are forbidden
        ("paused-scale-out", 60.0, ["UnpauseScaleOut", "Deactivates", "FewerReplicas"]),
        ("paused-scale-out", 30.0, ["UnpauseScaleOut", "Deactivates", "FewerReplicas"]),
        # lowering, the end of activity and the minimum are
        ("paused-scale-in", 30.0, ["UnpauseScaleIn", "MoreReplicas"]),
        ("paused-scale-in", 0.0, ["UnpauseScaleIn", "MoreReplicas"]),
    ],
)
def test_nothing_is_promised_that_a_paused_half_forbids(half: str, value: float, expected: list[str]) -> None:
    object = scaled_object({f"autoscaling.keda.sh/{half}": "true"})
    assert [one.code for one in found(3, messages(value), object=object)] == expected


@pytest.mark.parametrize(
    ("views", "current", "spec", "expected"),
    [
        (
            (messages(30.0),),
            3,
            {},
            "s0-redis at 0 or below (30 now): nothing is active, 0 replicas 300 s later",
        ),
        (
            (messages(30.0), messages(7.5, 1, activation=2)),
            3,
            {"cooldownPeriod": 0},
            "s0-redis at 0 or below (30 now) and s1-redis at 2 or below (7.5 now): "
            "nothing is active, 0 replicas at once",
        ),
        # one that is inactive already has nothing to become
        (
            (messages(30.0), messages(1.0, 1, activation=2)),
            3,
            {"minReplicaCount": 2, "idleReplicaCount": 1},
            "s0-redis at 0 or below (30 now): nothing is active, 1 replica 300 s later",
        ),
        (
            (messages(3.0, active=True),),
            3,
            {},
            "s0-redis inactive: nothing is active, 0 replicas 300 s later",
        ),
        # cpu is the HPA's, and does not make it active
        (
            (messages(30.0), cpu(1)),
            3,
            {},
            "s0-redis at 0 or below (30 now): nothing is active, 0 replicas 300 s later",
        ),
        ((cpu(),), 3, {}, None),
        # with a minimum inactivity changes nothing; what is unknown or in fallback would still hold it
        ((messages(30.0),), 3, {"minReplicaCount": 2}, None),
        ((messages(30.0), messages(BROKEN, 1)), 3, {}, None),
        ((messages(30.0),), 0, {}, None),
    ],
)
def test_what_ends_all_activity_is_told_with_the_count_it_leads_to(
    views: tuple[TriggerView, ...], current: int, spec: dict[str, Any], expected: str | None
) -> None:
    told = [one.text for one in found(current, *views, **spec) if one.code == Turn.DEACTIVATES]
    assert told == ([expected] if expected else [])


def clock(value: float, index: int = 0, *, next: float | None, local: str = "") -> TriggerView:
    """A window that asks for `value` now and for `next` from 11:00 on; None: it never changes."""
    moment = at(10_800) if next is not None else None
    next_reading = NextReading(moment, (next or 0.0,), bool(next), local)
    return replace(messages(value, index, active=value > 0), next_reading=replace(next_reading))


@pytest.mark.parametrize(
    ("views", "current", "spec", "expected"),
    [
        (
            (clock(30.0, next=0.0, local="12:00 Europe/Berlin"),),
            3,
            {"cooldownPeriod": 60},
            "s0-redis: the window closes at 2026-03-02T11:00:00Z (12:00 Europe/Berlin): "
            "0 asked; 0 replicas 60 s later",
        ),
        (
            (clock(30.0, next=0.0),),
            3,
            {"minReplicaCount": 2},
            "s0-redis: the window closes at 2026-03-02T11:00:00Z: "
            "0 asked; 2 replicas by the HPA, 300 s later at the earliest",
        ),
        (
            (clock(30.0, next=0.0), messages(20.0, 1)),
            3,
            {},
            "s0-redis: the window closes at 2026-03-02T11:00:00Z: 0 asked; 2 replicas by the other triggers",
        ),
        (
            (clock(30.0, next=0.0), messages(BROKEN, 1)),
            3,
            {},
            "s0-redis: the window closes at 2026-03-02T11:00:00Z: 0 asked",
        ),
        (
            (clock(0.0, next=30.0),),
            0,
            {},
            "s0-redis: the window opens at 2026-03-02T11:00:00Z: 30 asked; 3 replicas",
        ),
        (
            (clock(0.0, next=30.0),),
            0,
            {"maxReplicaCount": 2},
            "s0-redis: the window opens at 2026-03-02T11:00:00Z: 30 asked; 2 replicas",
        ),
        (
            (clock(0.0, next=30.0), messages(70.0, 1)),
            7,
            {},
            "s0-redis: the window opens at 2026-03-02T11:00:00Z: 30 asked; 7 replicas by the other triggers",
        ),
        # another window opens at the same moment
        (
            (clock(30.0, next=0.0), clock(0.0, 1, next=10.0)),
            3,
            {},
            "s0-redis: the window closes at 2026-03-02T11:00:00Z: 0 asked; 1 replica by the other triggers",
        ),
        (
            (clock(30.0, next=50.0),),
            3,
            {},
            "s0-redis changes at 2026-03-02T11:00:00Z: 50 asked; 5 replicas",
        ),
        ((clock(30.0, next=None),), 3, {}, "s0-redis follows a clock that will never change it"),
    ],
)
def test_a_clock_tells_its_next_moment_and_no_value_is_waited_for(
    views: tuple[TriggerView, ...], current: int, spec: dict[str, Any], expected: str
) -> None:
    prospects = found(current, *views, **spec)
    own = [one for one in prospects if one.code in ("Opens", "Closes", "Changes", "NeverChanges")]
    assert texts(tuple(own))[0] == expected
    assert own[0].at == (at(10_800) if "at 2026" in expected else None)
    others = [text for text in texts(prospects) if text != expected]
    assert not any(text.startswith(("s0-redis at ", "s0-redis above ")) for text in others), others


@pytest.mark.parametrize(
    ("half", "view", "current"),
    [
        ("paused-scale-out", clock(0.0, next=30.0), 0),
        ("paused-scale-in", clock(30.0, next=0.0), 3),
    ],
)
def test_a_window_promises_nothing_that_a_pause_forbids(half: str, view: TriggerView, current: int) -> None:
    object = scaled_object({f"autoscaling.keda.sh/{half}": "true"})
    [own] = [one.text for one in found(current, view, object=object) if one.at is not None]
    assert own.endswith(" asked")


def test_a_window_in_a_formula_is_told_with_what_the_formula_makes_of_it() -> None:
    compiled = compile_formula("a + b", ("a", "b"))
    assert isinstance(compiled, Formula)
    composite = Composite(ExternalMetric("composite-metric", 10.0), compiled, frozenset(compiled.uses))
    object = scaled_object(advanced={"scalingModifiers": {"formula": "a + b", "target": "10"}})
    views = (replace(clock(0.0, next=30.0), name="a"), replace(messages(12.0, 1), name="b"))
    prospects = outlook(object, Seen(2), views, Memory(at(1000), is_active=True), at(1000), composite)
    assert texts(prospects)[-1] == (
        "s0-redis: the window opens at 2026-03-02T11:00:00Z: "
        "its value is 30, composite-metric is 42; 5 replicas"
    )


def test_a_formula_that_fails_is_named_as_such() -> None:
    compiled = compile_formula("a / b", ("a", "b"))
    assert isinstance(compiled, Formula)
    composite = Composite(ExternalMetric("composite-metric", 10.0), compiled, frozenset(compiled.uses))
    object = scaled_object(advanced={"scalingModifiers": {"formula": "a / b", "target": "10"}})
    views = (replace(messages(3.0), name="a"), replace(messages(0.0, 1), name="b"))
    prospects = outlook(object, Seen(2), views, Memory(at(1000), is_active=True), at(1000), composite)
    assert texts(prospects) == ["the formula must give a number before anything is raised or lowered"]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("FailedGetExternalMetric", ["HpaBlind"]),
        # from when there were no replicas
        ("ScalingDisabled", ["Raising", "FewerReplicas"]),
    ],
)
def test_an_hpa_that_reads_nothing_is_said_to_do_nothing(reason: str, expected: list[str]) -> None:
    hpa = HpaView("keda-hpa-web", Condition(type="ScalingActive", status="False", reason=reason))
    prospects = outlook(scaled_object(), Seen(3, hpa), (messages(90.0),), Memory(at(1000)), at(1000))
    assert [one.code for one in prospects if one.code != Turn.DEACTIVATES] == expected


def test_without_an_hpa_nothing_is_promised_of_it() -> None:
    refused = Failure("Denied", "spec.behavior: Invalid value")
    seen = Seen(3, refused, refused)
    prospects = outlook(scaled_object(), seen, (messages(90.0),), Memory(at(1000)), at(1000))
    assert [one.code for one in prospects] == ["Corrected", "Deactivates"]


def test_nothing_but_the_target_matters_while_its_count_is_unknown() -> None:
    missing = Failure("Misconfigured", "Deployment shop/web not found")
    assert texts(outlook(scaled_object(), Seen(missing), (messages(5.0),), Memory(), at(1000))) == [
        "the target must be there with a readable replica count before anything changes"
    ]
    seen = Seen(missing, check=Failure("Misconfigured", f"target: {missing.message}"))
    told = outlook(scaled_object(), seen, (messages(5.0),), Memory(), at(1000))
    assert [one.code for one in told] == ["TargetReadable"], "its failure stands among the reasons"


@pytest.mark.parametrize(
    ("views", "current", "what"),
    [
        ((messages(BROKEN),), 0, "raised from 0"),
        ((messages(BROKEN),), 3, "raised or lowered"),
        ((messages(BROKEN), messages(0.0, 1)), 3, "lowered"),
        ((messages(BROKEN), cpu(1)), 3, "lowered"),
    ],
)
def test_a_failing_trigger_names_what_it_stands_against(
    views: tuple[TriggerView, ...], current: int, what: str
) -> None:
    told = found(current, *views, memory=Memory(last_active=at(500)))
    assert told[0].text == f"s0-redis must be readable again before anything is {what}"


def test_a_problem_of_the_object_is_not_told_again_as_one_of_its_trigger() -> None:
    seen = Seen(0, check=Failure("Misconfigured", f"triggers: {BROKEN.message}"))
    prospects = outlook(scaled_object(), seen, (messages(BROKEN),), Memory(), at(1000))
    assert texts(prospects) == ["s0-redis must be corrected before anything is raised from 0"]
    both = Failure("Misconfigured", f"triggers: spec.maxReplicaCount is 0; {BROKEN.message}")
    prospects = outlook(scaled_object(), replace(seen, check=both), (messages(BROKEN),), Memory(), at(1000))
    assert [one.code for one in prospects] == ["Corrected", "TriggerCorrected"]


def test_what_the_hpa_tells_of_cpu_counts_for_where_it_goes() -> None:
    def codes(percent: float) -> list[str]:
        hpa = HpaView("keda-hpa-web", None, (ResourceUse("cpu", "Utilization", 50.0, percent),))
        seen = Seen(4, hpa)
        prospects = outlook(scaled_object(), seen, (cpu(),), Memory(at(1000)), at(1000))
        return [one.code for one in prospects]

    assert codes(90.0) == ["Raising"]
    assert codes(20.0) == ["Lowering"]
    assert codes(50.0) == []


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
        "composite-metric at 2 or below (5 now): nothing is active, 0 replicas 300 s later",
        "composite-metric at 7 (5 now): 4 replicas",
        f"composite-metric at most 4 (5 now): 2 replicas, {WINDOW}",
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

    one = MetricValue(metric, 3.0 if is_whole else 3.25)
    more, fewer = reach.more_at(one), reach.fewer_at(one)
    assert wanted(more) == reach.wanted(metric, more) > current
    assert wanted(more - step) <= current
    if wanted(0) < current:
        assert wanted(fewer) < current
        assert wanted(fewer + step) >= current
