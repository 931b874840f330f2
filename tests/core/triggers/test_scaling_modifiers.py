"""One metric of several triggers: what the formula is given, what it says, what the HPA is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from parts.decisions import (
    BROKEN,
    at,
    codes,
    condition,
    cpu,
    events,
    replicas_set,
    scaled_object,
    status_after,
    trigger,
)
from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.triggers.external_metric import asked, external_metric, max_age_s
from tidegate.core.triggers.scaling_modifiers import Composite, thousandths
from tidegate.core.values import Decision, ExternalMetric, Memory, Seen, TriggerView

LONG_AGO = Memory(last_active=at(0), is_active=False)
NIL = {"failureThreshold": 3, "replicas": 7, "behavior": "scalingModifiers"}
STATIC = {"failureThreshold": 3, "replicas": 5}


def composite(formula: str, target: float = 2.0, activation: float = 0.0, type: Any = "AverageValue") -> Any:
    compiled = compile_formula(formula, ("a", "b", "c"))
    assert isinstance(compiled, Formula)
    metric = ExternalMetric("composite-metric", target, type)
    return Composite(metric, compiled, frozenset(compiled.uses), activation)


def modified(**spec: Any) -> Any:
    modifiers = {"formula": "as compiled", "target": "2"}
    return scaled_object(advanced={"scalingModifiers": modifiers}, **spec)


def views(a: Any, b: Any = 1, c: Any = None) -> tuple[TriggerView, ...]:
    """Triggers a, b and perhaps c: a value, None (not measured), or ("down", polls)."""
    found = []
    for index, (name, value) in enumerate({"a": a, "b": b, "c": c}.items()):
        if name == "c" and c is None:
            continue
        if isinstance(value, tuple):
            view = replace(trigger(BROKEN, index, when=at(1000)), failed_polls=value[1])
        else:
            view = trigger(value, index, when=at(1000))
        found.append(replace(view, name=name))
    return tuple(found)


def down(polls: int) -> tuple[str, int]:
    return ("down", polls)


def decide(object: Any, current: int, seen: tuple[TriggerView, ...], of: Any) -> Decision:
    return decide_scaled_object(object, Seen(current), seen, LONG_AGO, at(1000), of)


def told(
    object: Any, seen: tuple[TriggerView, ...], of: Any, name: str = "composite-metric", ready: Any = None
) -> Any:
    return external_metric(name, object, Seen(4, ready=ready), seen, LONG_AGO, of)


@pytest.mark.parametrize(
    ("formula", "triggers", "activation", "current", "value", "written", "code"),
    [
        ("a + b", views(2, 5), 0, 4, 7.0, None, "LeftToHpa"),
        ("a + b", views(2, 5), 0, 0, 7.0, 1, "Activated"),
        # activationTarget is exceeded, not met
        ("a + b", views(1, 1), 2, 0, 2.0, None, "Resting"),
        ("a + b", views(1, 1), 2, 4, 2.0, 0, "Deactivated"),
        ("a + b", views(3, 2), 2, 0, 5.0, 1, "Activated"),
        ("count([a, b], {# > 1}) > 1 ? 5 : 0", views(0, 2), 0, 0, 0.0, None, "Resting"),
        ("count([a, b], {# > 1}) > 1 ? 5 : 0", views(2, 2), 0, 0, 5.0, 1, "Activated"),
        # the triggers' own activation does not matter
        ("a - b", views(5, 5), 0, 4, 0.0, 0, "Deactivated"),
        ("a - b", views(1, 5), 0, 4, -4.0, 0, "Deactivated"),
        ("a / 3", views(10), 0, 4, 3.333, None, "LeftToHpa"),
        ("a / 3", views(11), 0, 4, 3.666, None, "LeftToHpa"),
        ("a ?? b ?? 8", views(16, 12), 0, 4, 16.0, None, "LeftToHpa"),
        # a failing source: unknown, never inactive
        ("a + b", views(down(1), 0), 0, 4, BROKEN, None, "CompositeHeld"),
        ("a + b", views(down(9), 0), 0, 4, BROKEN, None, "CompositeHeld"),
        ("a + b", views(None, 0), 0, 4, Failure, None, "NotMeasuredYet"),
        ("a / b", views(1, 0), 0, 4, Failure, None, "CompositeHeld"),
        ("a / b", views(0, 0), 0, 4, Failure, None, "CompositeHeld"),
        ("(a > 0 ? a : nil) ?? nil", views(0), 0, 4, Failure, None, "CompositeHeld"),
        # what the formula does not read does not matter
        ("a", views(0, down(9)), 0, 4, 0.0, 0, "Deactivated"),
        ("a", views(3, None), 0, 0, 3.0, 1, "Activated"),
    ],
)
def test_the_formula_speaks_for_all(
    formula: str,
    triggers: tuple[TriggerView, ...],
    activation: float,
    current: int,
    value: Any,
    written: int | None,
    code: str,
) -> None:
    object, of = modified(), composite(formula, activation=activation)
    decision = decide(object, current, triggers, of)
    assert replicas_set(decision) == written
    assert codes(decision)[-1] == code
    answer = told(object, triggers, of)
    if value is Failure:
        assert isinstance(answer, Failure)
    else:
        assert answer == (value if isinstance(value, Failure) else (value,))


@pytest.mark.parametrize(
    ("formula", "fallback", "triggers", "expected", "code"),
    [
        # below the threshold a failing source fails the whole
        ("a + b", STATIC, views(down(3), 2), BROKEN, "CompositeHeld"),
        ("a + b", STATIC, views(down(4), 2), 10.0, "LeftToHpa"),
        ("a + b", STATIC, views(down(4), down(1)), 10.0, "LeftToHpa"),
        ("a + b", {**STATIC, "behavior": "currentReplicas"}, views(down(4)), 8.0, "LeftToHpa"),
        ("a + b", {**STATIC, "behavior": "currentReplicasIfHigher"}, views(down(4)), 10.0, "LeftToHpa"),
        ("a + b", {**STATIC, "behavior": "currentReplicasIfLower"}, views(down(4)), 8.0, "LeftToHpa"),
        ("b", STATIC, views(down(4), 2), 2.0, "LeftToHpa"),
        # behaviour scalingModifiers: the real value up to the threshold, then nil
        ("a ?? b ?? 8", NIL, views(16, 12), 16.0, "LeftToHpa"),
        ("a ?? b ?? 8", NIL, views(down(2), 12), BROKEN, "CompositeHeld"),
        ("a ?? b ?? 8", NIL, views(down(3), 12), BROKEN, "CompositeHeld"),
        ("a ?? b ?? 8", NIL, views(down(4), 12), 12.0, "LeftToHpa"),
        ("a ?? b ?? 8", NIL, views(down(5), 12), 12.0, "LeftToHpa"),
        ("a ?? b ?? 8", NIL, views(down(4), down(5)), 8.0, "LeftToHpa"),
        ("a ?? b ?? 8", NIL, views(down(4), down(2)), BROKEN, "CompositeHeld"),
        ("a ?? b", NIL, views(down(4), down(4)), 14.0, "LeftToHpa"),
        # arithmetic on nil: a failure, and never "nothing to do"
        ("a + b", NIL, views(down(4), 12), Failure, "CompositeHeld"),
    ],
)
def test_fallback_and_formula(
    formula: str, fallback: dict[str, Any], triggers: Any, expected: Any, code: str
) -> None:
    object, of = modified(fallback=fallback), composite(formula)
    answer = told(object, triggers, of)
    if expected is Failure:
        assert isinstance(answer, Failure)
    else:
        assert answer == (expected if isinstance(expected, Failure) else (expected,))
    decision = decide(object, 4, triggers, of)
    assert codes(decision)[-1] == code
    assert replicas_set(decision) is None


@pytest.mark.parametrize(
    ("formula", "triggers", "replicas", "activation", "current", "written"),
    [
        # all sources are down: active whatever the fallback is worth, as every trigger in fallback
        ("a ?? b", views(down(4), down(4)), 7, 20, 4, None),
        ("a ?? b", views(down(4), down(4)), 0, 0, 4, None),
        ("a ?? b", views(down(4), down(4)), 7, 20, 0, 1),
        ("(a > 0 ? a : nil) ?? nil", views(down(4)), 0, 0, 4, None),
        # nil that the formula says of what it knows: the fallback's worth is compared
        ("(a > 0 ? a : nil) ?? nil", views(0), 7, 20, 4, 0),
        ("(a > 0 ? a : nil) ?? nil", views(0), 7, 10, 4, None),
    ],
)
def test_nil_for_want_of_sources_is_unknown_and_never_goes_to_zero(
    formula: str, triggers: Any, replicas: int, activation: float, current: int, written: int | None
) -> None:
    object = modified(fallback={**NIL, "replicas": replicas})
    decision = decide(object, current, triggers, composite(formula, activation=activation))
    assert replicas_set(decision) == written


@pytest.mark.parametrize("fallback", [STATIC, NIL])
@pytest.mark.parametrize("polls", [1, 9])
def test_a_failing_trigger_that_the_formula_does_not_read_is_in_no_fallback(
    fallback: dict[str, Any], polls: int
) -> None:
    entry = {"s1-redis": {"numberOfFailures": 4, "status": "Failing"}}
    object = modified(fallback=fallback, status={"health": entry})
    decision = decide(object, 4, views(3, down(polls)), composite("a"))
    after = status_after(object, decision)
    assert condition(after, "Fallback")[:2] == ("False", "NoFallbackFound")
    assert condition(after, "Ready")[:2] == ("Unknown", "PartialTriggerError")
    assert not after.status.triggers_activity["s1-redis"].is_active
    assert not any("Fallback" in code for code in codes(decision))
    assert told(object, views(3, down(polls)), composite("a")) == (3.0,)


def test_a_value_composite_in_fallback_is_shared_by_the_ready_pods() -> None:
    object, of = modified(fallback=STATIC), composite("a", type="Value")
    assert told(object, views(down(4)), of, ready=4) == (2.5,)
    assert isinstance(told(object, views(down(4)), of, ready=0), Failure)
    # it is active all the same: without a first pod it would never get further
    assert replicas_set(decide(object, 0, views(down(4)), of)) == 1


def test_modifiers_that_cannot_be_used_hold_what_is_there() -> None:
    decision = decide(modified(), 4, views(0, 0), None)
    assert replicas_set(decision) is None
    assert codes(decision) == ["CompositeUnknown", "CompositeHeld"]
    assert isinstance(told(modified(), views(0, 0), None), Failure)


def test_the_hpa_may_ask_for_a_single_metric_too() -> None:
    object, of = modified(fallback=STATIC), composite("a + b")
    assert told(object, views(2, 5), of, "s1-redis") == (5.0,)
    assert told(object, views(2, 5), of, "COMPOSITE-METRIC") == (7.0,)
    assert told(object, views(down(4), 5), of, "s0-redis") == (25.0,)
    assert told(object, views(down(4), 5), of, "s1-redis") == (5.0,)
    nil = modified(fallback=NIL)
    assert told(nil, views(down(4), 5), composite("a ?? b"), "s0-redis") == BROKEN
    plain = told(scaled_object(), views(2, 5), None)
    assert isinstance(plain, Failure)
    assert plain.message == "no matching metrics found for composite-metric of shop/web"


def test_an_answer_needs_the_readings_of_its_sources_and_no_others() -> None:
    seen = views(1, 2, 3)
    assert asked("composite-metric", modified(), seen, composite("a + c")) == (0, 2)
    assert asked("S1-redis", modified(), seen, composite("a + c")) == (1,)
    assert asked("s1-redis", scaled_object(), seen) == (1,)
    assert asked("composite-metric", scaled_object(), seen) == ()
    assert asked("composite-metric", modified(), seen, None) == ()


@pytest.mark.parametrize(
    ("polling_s", "is_cached", "expected"),
    [(30, False, 15.0), (5, False, 5.0), (30, True, 30.0), (300, True, 300.0)],
)
def test_cached_metrics_are_answered_from_the_last_poll(
    polling_s: int, is_cached: bool, expected: float
) -> None:
    assert max_age_s(polling_s, is_cached=is_cached) == expected


def test_the_status_shows_the_composite_and_forgets_it_with_the_modifiers() -> None:
    after = status_after(modified(), decide(modified(), 0, views(3, 0), composite("a + b")))
    assert after.status.composite_scaler_name == "composite-metric"
    assert after.status.external_metric_names == ("s0-redis", "s1-redis")
    # each for itself: KEDA shows false for all
    assert [after.status.triggers_activity[name].is_active for name in ("s0-redis", "s1-redis")] == [
        True,
        False,
    ]
    plain = scaled_object(status={"compositeScalerName": "composite-metric"})
    assert status_after(plain, decide(plain, 4, views(3, 0), None)).status.composite_scaler_name is None


def test_the_chain_shows_the_formulas_numbers() -> None:
    decision = decide(modified(), 0, views(3, 2), composite("a + b", activation=2))
    assert codes(decision) == ["Composite", "Active", "Activated"]
    assert decision.reasons[0].text == "the formula gives 5 (a = 3, b = 2), active above 2"
    text = "Scaled apps/v1.Deployment shop/web from 0 to 1, triggered by composite-metric"
    object = modified()
    set_replicas = next(one for one in decision.actions if hasattr(one, "then"))
    assert set_replicas.then is not None
    assert set_replicas.then.message == text
    nil = decide(modified(fallback=NIL), 4, views(down(4), 12), composite("a ?? b"))
    assert codes(nil) == ["FallbackLeftToFormula", "Composite", "Active", "Asked", "LeftToHpa"]
    assert "(a = nil, b = 12)" in nil.reasons[1].text
    fallen = decide(modified(fallback=STATIC), 4, views(down(4), 12), composite("a + b"))
    assert codes(fallen) == ["FallbackActive", "CompositeFallback", "LeftToHpa"]
    assert condition(status_after(object, decision), "Active")[0] == "True"


def test_failures_of_sources_and_formula_are_told_once_by_their_own_event() -> None:
    object, of = modified(), composite("a / b")
    first = decide(object, 4, views(down(1), 2), of)
    assert ("Warning", "KEDAMetricSourceFailed", BROKEN.message) in events(first)
    assert condition(status_after(object, first), "Ready")[1] == "TriggerError"
    second = decide_scaled_object(object, Seen(4), views(down(2), 2), first.memory, at(1000), of)
    assert not any(reason == "KEDAMetricSourceFailed" for _, reason, _ in events(second))
    broken = decide(object, 4, views(1, 0), of)
    assert [reason for _, reason, _ in events(broken) if reason.startswith("KEDA")] == [
        "KEDAMetricSourceFailed"
    ]
    ready = condition(status_after(object, broken), "Ready")
    assert ready[:2] == ("False", "TriggerError")
    assert "evaluate the formula" in (ready[2] or "")


def test_a_formula_that_fails_is_no_reason_to_wait_for_the_fallback() -> None:
    object = modified(fallback=STATIC)
    after = status_after(object, decide(object, 4, views(1, 0), composite("a / b")))
    assert condition(after, "Ready")[:2] == ("False", "TriggerError")
    assert condition(after, "Fallback")[0] == "False"


def test_the_condition_of_a_fallback_left_to_the_formula_does_not_flap() -> None:
    object, of = modified(fallback=NIL), composite("a ?? b")
    first = decide(object, 4, views(down(4), 12), of)
    object = status_after(object, first)
    assert condition(object, "Fallback")[:2] == ("True", "FallbackExists")
    assert ("Normal", "ScaledObjectFallbackActivated", "ScaledObject fallback is active") in events(first)
    again = decide_scaled_object(object, Seen(4), views(down(5), 12), first.memory, at(1000), of)
    assert again.actions == ()


def test_cpu_beside_a_formula_takes_no_part() -> None:
    seen = (*views(0, 0), replace(cpu(2), name="cpu_trig"))
    assert replicas_set(decide(modified(), 4, seen, composite("a + b"))) == 0


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (7.0, 7.0),
        (3.6669, 3.666),
        (-3.6669, -3.666),
        (0.29, 0.29),
        (1.001, 1.001),
        (1e-9, 0.0),
        (1e300, 1e300),
        (123456789012.3456, 123456789012.345),
    ],
)
def test_a_value_is_cut_to_thousandths(number: float, expected: float) -> None:
    assert thousandths(number) == expected
