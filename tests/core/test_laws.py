"""What holds for every situation: the laws of the decision core."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from parts.decisions import (
    BROKEN,
    at,
    condition,
    cpu,
    finished,
    job,
    jobs_after,
    replicas_set,
    scaled_job,
    scaled_object,
    status_after,
    trigger,
)
from tidegate.api.hpa import HpaSpec, decode_hpa_spec
from tidegate.base.errors import Failure
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.hpa.autoscaler import Sample, step
from tidegate.core.hpa.autoscaler import memory_from as hpa_memory_from
from tidegate.core.hpa.behavior import Change, HpaMemory, Recommendation, recommended
from tidegate.core.hpa.replicas import Tolerance, wanted_by
from tidegate.core.memory import memory_from
from tidegate.core.reasons import SENTENCES, Code, because
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.scaledobject.decide import decide_scaled_object
from tidegate.core.triggers.external_metric import external_metric
from tidegate.core.triggers.fallback import replicas_of, value_of
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.triggers.summary import net_of, summary_of
from tidegate.core.values import (
    CreateJobs,
    Decision,
    EmitEvent,
    ExternalMetric,
    JobView,
    Memory,
    Seen,
    TriggerView,
)

NOW_S = 100_000
VALUES = st.one_of(
    st.integers(0, 40).map(float), st.just(BROKEN), st.none(), st.just(float("nan")), st.just(float("inf"))
)
COUNTS = st.integers(0, 12)
KINDS = st.sampled_from(["AverageValue", "Value"])
# Rising in each trigger, as a law about load asks for; `/` and nil fail now and then.
FORMULAS = ("t0", "t0 ?? t1 ?? 3", "t0 + t1", "max(t0, t1)", "t0 / (t1 - t1)", "t0 > 5 ? nil : t0")
BEHAVIORS = (
    "static",
    "currentReplicas",
    "currentReplicasIfHigher",
    "currentReplicasIfLower",
    "scalingModifiers",
)
SWITCHES = st.sampled_from(["force-activation", "paused-scale-in", "paused-scale-out", "paused"])


@st.composite
def objects(draw: st.DrawFn) -> Any:
    """A ScaledObject that admission would let through, with a status of some age."""
    minimum = draw(st.integers(0, 5))
    spec: dict[str, Any] = {
        "minReplicaCount": minimum,
        "maxReplicaCount": draw(st.integers(max(1, minimum), 9)),
        "cooldownPeriod": draw(st.sampled_from([0, 1, 60, 300])),
        "initialCooldownPeriod": draw(st.sampled_from([0, NOW_S - 50, NOW_S + 50])),
    }
    if minimum and draw(st.booleans()):
        spec["idleReplicaCount"] = draw(st.integers(0, minimum - 1))
    formula = draw(st.sampled_from([None, None, *FORMULAS]))
    if formula is not None:
        spec["advanced"] = {"scalingModifiers": {"formula": formula, "target": "5"}}
    if draw(st.booleans()):
        behavior = draw(st.sampled_from(BEHAVIORS))
        spec["fallback"] = {
            "failureThreshold": draw(st.integers(0, 3)),
            "replicas": draw(st.integers(0, 12)),
            "behavior": behavior,
        }
    annotations = {f"autoscaling.keda.sh/{name}": "true" for name in draw(st.sets(SWITCHES))}
    if draw(st.booleans()):
        annotations.pop("autoscaling.keda.sh/paused", None)
    return scaled_object(annotations, **spec)


@st.composite
def triggers(draw: st.DrawFn) -> tuple[TriggerView, ...]:
    count = draw(st.integers(1, 4))
    return tuple(
        cpu(index) if draw(st.integers(0, 5)) == 0 else polled(draw(VALUES), index, draw(st.integers(0, 5)))
        for index in range(count)
    )


def polled(value: Any, index: int, failed_polls: int = 0) -> TriggerView:
    """A trigger named t<index>; its failures count only while it fails."""
    view = trigger(value, index, when=at(NOW_S), name=f"t{index}")
    is_failing = view.reading is not None and view.reading.failure is not None
    return replace(view, failed_polls=failed_polls if is_failing else 0)


def composite_of(object: Any) -> Composite | None:
    modifiers = modifiers_of(object.spec)
    return COMPOSITES[modifiers.formula] if modifiers is not None and modifiers.formula else None


MEMORIES = st.builds(
    Memory,
    last_active=st.one_of(st.none(), st.integers(0, 400).map(lambda age: at(NOW_S - age))),
    is_active=st.sampled_from([None, True, False]),
)


def decided(object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory) -> Decision:
    return decide_scaled_object(object, Seen(current), views, memory, at(NOW_S), composite_of(object))


def is_unknown(view: TriggerView) -> bool:
    reading = view.reading
    if reading is None:
        return view.resource is None
    return reading.failure is not None or not all(abs(value) < float("inf") for value in reading.values)


def compiled(text: str) -> Composite:
    formula = compile_formula(text, ("t0", "t1"))
    assert isinstance(formula, Formula)
    return Composite(ExternalMetric("composite-metric", 5.0), formula, frozenset(formula.uses))


COMPOSITES = {text: compiled(text) for text in FORMULAS}


@given(objects(), COUNTS, triggers(), MEMORIES)
def test_what_is_unknown_never_lowers(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory
) -> None:
    """Whatever the fallback says, in it and on the way to it."""
    composite = composite_of(object)
    if composite is not None:
        # what the formula does not read does not matter
        sources = [view for view in views if view.name in composite.sources]
        assume(any(is_unknown(view) for view in sources))
    elif not any(is_unknown(view) for view in views):
        views = (*views, trigger(BROKEN, len(views)))
    written = replicas_set(decided(object, current, views, memory))
    assert written is None or written > current


@given(objects(), COUNTS, st.integers(0, 35), triggers(), MEMORIES)
def test_the_hpa_is_told_what_the_decision_saw(
    object: Any, current: int, ready: int, views: tuple[TriggerView, ...], memory: Memory
) -> None:
    """A finite number or a failure for every metric, and never zero for what is unknown."""
    composite, seen = composite_of(object), Seen(current, ready=ready)
    summary = summary_of(object, seen, views, memory, composite)
    composed = summary.composed
    if composed is not None:
        answer = external_metric("composite-metric", object, seen, views, memory, composite)
        assert isinstance(answer, Failure) == (composed.value is None)
        if not isinstance(answer, Failure):
            assert composed.is_active == (answer[0] > 0) or composed.is_fallen
    for view, state in zip(views, summary.states, strict=True):
        for metric in view.metrics:
            answer = external_metric(metric.name, object, seen, views, memory, composite)
            if is_unknown(view) and not state.is_fallen:
                assert isinstance(answer, Failure)
            if not isinstance(answer, Failure):
                assert len(answer) == 1
                assert abs(answer[0]) < float("inf")


@given(objects(), st.integers(1, 12), st.integers(1, 12), st.sampled_from([0.5, 1, 2.5, 3.333, 47]), KINDS)
def test_a_fallback_is_worth_exactly_its_replicas(
    object: Any, current: int, ready: int, target: float, kind: Any
) -> None:
    net = net_of(object, Memory())
    assume(net is not None)
    assert net is not None
    metric, seen = ExternalMetric("m", target, kind), Seen(current, ready=ready)
    value, replicas = value_of(net, metric, seen), replicas_of(net.fallback, current)
    assert isinstance(value, float)
    assert isinstance(replicas, int)
    sample = Sample("m", kind, target, value, ready=ready)
    exact = Tolerance(Fraction(0), Fraction(0))
    if kind == "AverageValue":
        assert wanted_by(sample, current, exact)[0] == replicas
    else:
        assert wanted_by(sample, current, exact)[0] in (replicas, current)


@given(objects(), COUNTS, triggers(), MEMORIES)
def test_acting_twice_is_acting_once(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory
) -> None:
    first = decided(object, current, views, memory)
    written = replicas_set(first)
    now = current if written is None else written
    object = status_after(object, first)
    second = decided(object, now, views, first.memory)
    settled = status_after(object, second)
    assert replicas_set(second) is None
    third = decided(settled, now, views, second.memory)
    assert third.actions == ()
    assert (third.memory, third.reasons) == (second.memory, second.reasons)


@given(objects(), COUNTS, triggers(), MEMORIES, st.randoms())
def test_the_order_of_triggers_is_irrelevant(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory, random: Any
) -> None:
    shuffled = list(views)
    random.shuffle(shuffled)
    one, other = decided(object, current, views, memory), decided(object, current, tuple(shuffled), memory)
    assert replicas_set(one) == replicas_set(other)
    assert one.due == other.due
    for type in ("Ready", "Active", "Paused"):
        assert condition(status_after(object, one), type) == condition(status_after(object, other), type)


@given(objects(), COUNTS, triggers(), MEMORIES, st.integers(0, 20), st.floats(0, 50))
def test_more_load_never_means_fewer_replicas(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory, load: int, more: float
) -> None:
    def count(value: float) -> int:
        loaded = trigger(value, len(views), when=at(NOW_S))
        decision = decided(object, current, (*views, loaded), memory)
        written = replicas_set(decision)
        if decision.reasons[-1].code == "LeftToHpa":
            return max(current, object.spec.replicas_min)  # the HPA keeps at least its minimum
        return current if written is None else written

    assert count(load + more) >= count(load)


@given(objects(), COUNTS, triggers(), MEMORIES)
def test_a_written_count_lies_within_the_bounds_and_has_a_reason(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory
) -> None:
    decision = decided(object, current, views, memory)
    written = replicas_set(decision)
    assert decision.reasons
    assert all(Code(reason.code) in SENTENCES and reason.text for reason in decision.reasons)
    if written is not None:
        assert 0 <= written <= object.spec.replicas_max
        assert written != current
        assert {"Activated", "Deactivated", "RaisedToMinimum"} & {one.code for one in decision.reasons}
    else:
        assert not {"Activated", "Deactivated", "RaisedToMinimum"} & {one.code for one in decision.reasons}


@given(objects(), COUNTS, triggers(), triggers(), MEMORIES, st.integers(0, 400))
def test_a_restart_never_lowers_earlier(
    object: Any,
    current: int,
    before: tuple[TriggerView, ...],
    views: tuple[TriggerView, ...],
    memory: Memory,
    later_s: int,
) -> None:
    first = decided(object, current, before, memory)
    written = replicas_set(first)
    standing = current if written is None else written
    object = status_after(object, first)
    now = at(NOW_S + later_s)
    composite = composite_of(object)
    kept = decide_scaled_object(object, Seen(standing), views, first.memory, now, composite)
    rebuilt = memory_from(object, now)
    restarted = decide_scaled_object(object, Seen(standing), views, rebuilt, now, composite)
    counts = [standing if (n := replicas_set(one)) is None else n for one in (kept, restarted)]
    assert counts[1] >= min(counts[0], standing)


def moved_by(views: tuple[TriggerView, ...], by: timedelta) -> tuple[TriggerView, ...]:
    return tuple(
        replace(view, reading=replace(view.reading, at=view.reading.at + by)) if view.reading else view
        for view in views
    )


@given(objects(), COUNTS, triggers(), MEMORIES, st.integers(1, 10_000))
def test_moving_the_clock_and_the_memory_together_changes_nothing(
    object: Any, current: int, views: tuple[TriggerView, ...], memory: Memory, by_s: int
) -> None:
    by, last_active = timedelta(seconds=by_s), memory.last_active or at(NOW_S - 100)
    memory = replace(memory, last_active=last_active)
    moved = replace(memory, last_active=last_active + by)
    one = decided(object, current, views, memory)
    later, composite = moved_by(views, by), composite_of(object)
    other = decide_scaled_object(object, Seen(current), later, moved, at(NOW_S) + by, composite)
    assert replicas_set(one) == replicas_set(other)
    assert [reason.code for reason in one.reasons] == [reason.code for reason in other.reasons]
    assert (one.due and one.due + by) == other.due


@given(st.integers(1, 9), st.integers(0, 400), st.integers(0, 400), st.booleans())
def test_at_its_due_moment_a_cooldown_is_over(
    current: int, cooldown_s: int, idle_s: int, was_active: bool
) -> None:
    object = scaled_object(cooldownPeriod=cooldown_s)
    memory = Memory(at(NOW_S - idle_s), was_active)
    first = decided(object, current, (trigger(0),), memory)
    assert (replicas_set(first) == 0) == (first.due is None)
    if first.due is not None:
        second = decide_scaled_object(object, Seen(current), (trigger(0),), first.memory, first.due)
        assert replicas_set(second) == 0


def test_every_reason_has_a_sentence_and_only_its_own_numbers() -> None:
    assert set(SENTENCES) == set(Code)
    with pytest.raises(KeyError):
        because(Code.COOLDOWN, current=1)


# --- the HPA

HPA_VALUES = st.one_of(st.integers(0, 200).map(float), st.just(None))


@st.composite
def hpas(draw: st.DrawFn) -> HpaSpec:
    minimum = draw(st.integers(1, 5))

    def rules() -> dict[str, Any]:
        policies = st.fixed_dictionaries(
            {
                "type": st.sampled_from(["Pods", "Percent"]),
                "value": st.integers(1, 150),
                "periodSeconds": st.sampled_from([1, 15, 60, 600]),
            }
        )
        return {
            "stabilizationWindowSeconds": draw(st.sampled_from([0, 30, 300])),
            "selectPolicy": draw(st.sampled_from(["Max", "Min", "Disabled"])),
            "policies": draw(st.lists(policies, max_size=2)),
        }

    behavior = {"scaleUp": rules(), "scaleDown": rules()} if draw(st.booleans()) else None
    return decode_hpa_spec(
        {"minReplicas": minimum, "maxReplicas": draw(st.integers(minimum, 30)), "behavior": behavior}
    )


HPA_MEMORIES = st.builds(
    HpaMemory,
    recommendations=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 700)), min_size=1, max_size=5).map(
        lambda pairs: tuple(Recommendation(n, at(-age)) for n, age in sorted(pairs, key=lambda p: -p[1]))
    ),
    changes=st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(0, 700)), max_size=4).map(
        lambda pairs: tuple(Change(by, at(-age)) for by, age in sorted(pairs, key=lambda p: -p[1]))
    ),
)


def samples(values: list[float | None], kind: Any, ready: int) -> tuple[Sample, ...]:
    return tuple(
        Sample(f"s{index}", kind, 5, value, BROKEN if value is None else None, ready)
        for index, value in enumerate(values)
    )


LISTS = st.lists(HPA_VALUES, min_size=1, max_size=3)


@given(hpas(), st.integers(0, 35), LISTS, KINDS, st.integers(0, 35), HPA_MEMORIES)
def test_an_hpa_keeps_its_bounds_and_gives_reasons(
    spec: HpaSpec, current: int, values: list[float | None], kind: Any, ready: int, memory: HpaMemory
) -> None:
    decision = step(spec, current, samples(values, kind, ready), memory, at(0))
    assert decision.reasons
    assert decision.replicas == 0 if current == 0 else 1 <= decision.replicas <= spec.max_replicas
    if current and decision.replicas < (spec.min_replicas or 1):
        pytest.fail("below the minimum")
    assert decision.due is None or decision.due > at(0)
    if None in values and (spec.min_replicas or 1) <= current <= spec.max_replicas:
        assert decision.replicas >= current


@given(hpas(), st.integers(1, 30), LISTS, KINDS, st.integers(0, 35), HPA_MEMORIES, st.integers(0, 100))
def test_an_hpa_never_wants_fewer_for_more(
    spec: HpaSpec,
    current: int,
    values: list[float | None],
    kind: Any,
    ready: int,
    memory: HpaMemory,
    more: int,
) -> None:
    raised = [None if value is None else value + more for value in values]
    one = step(spec, current, samples(values, kind, ready), memory, at(0))
    other = step(spec, current, samples(raised, kind, ready), memory, at(0))
    assert other.replicas >= one.replicas


@given(hpas(), st.integers(1, 30), LISTS, KINDS, HPA_MEMORIES, st.randoms())
def test_the_order_of_metrics_is_irrelevant(
    spec: HpaSpec, current: int, values: list[float | None], kind: Any, memory: HpaMemory, random: Any
) -> None:
    read = list(samples(values, kind, current))
    one = step(spec, current, tuple(read), memory, at(0)).replicas
    random.shuffle(read)
    assert step(spec, current, tuple(read), memory, at(0)).replicas == one


@given(hpas(), st.integers(1, 30), LISTS, KINDS, HPA_MEMORIES)
def test_an_hpa_that_restarts_never_lowers_earlier(
    spec: HpaSpec, current: int, values: list[float | None], kind: Any, memory: HpaMemory
) -> None:
    read = samples(values, kind, current)
    last = max((change.at for change in memory.changes), default=None)
    text = last.strftime("%Y-%m-%dT%H:%M:%SZ") if last else None
    kept = step(spec, current, read, memory, at(0)).replicas
    restarted = step(spec, current, read, hpa_memory_from(text, current, at(0)), at(0)).replicas
    assert restarted >= min(current, kept)


@given(hpas(), st.integers(1, 30), LISTS, HPA_MEMORIES)
def test_an_hpa_that_looks_again_at_once_moves_no_further(
    spec: HpaSpec, current: int, values: list[float | None], memory: HpaMemory
) -> None:
    current = min(max(current, spec.min_replicas or 1), spec.max_replicas)
    read = samples(values, "AverageValue", current)
    first = step(spec, current, read, memory, at(0))
    second = step(spec, first.replicas, read, first.memory, at(0))
    assert second.replicas == first.replicas
    assert second.events == ()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), min_size=1, max_size=30),
    st.integers(0, 9),
    st.integers(0, 400),
)
def test_a_dropped_recommendation_was_never_the_highest_or_lowest(
    steps: list[tuple[int, int]], wanted: int, window_s: int
) -> None:
    everything: list[Recommendation] = []
    memory, now = HpaMemory(), at(0)
    for count, gap_s in steps:
        now += timedelta(seconds=gap_s)
        everything.append(Recommendation(count, now))
        memory = replace(memory, recommendations=recommended(memory, count, now))
    start = now - timedelta(seconds=window_s)
    full = [one.replicas for one in everything if one.at >= start]
    kept = [one.replicas for one in memory.recommendations if one.at >= start]
    assert (max(full), min(full)) == (max(kept), min(kept))


# --- Jobs


@st.composite
def job_specs(draw: st.DrawFn) -> Any:
    strategy: dict[str, Any] = {
        "strategy": draw(st.sampled_from(["default", "custom", "accurate", "eager"])),
        "customScalingQueueLengthDeduction": draw(st.integers(-5, 5)),
        "customScalingRunningJobPercentage": draw(st.sampled_from(["0", "0.5", "1", "x"])),
        "multipleScalersCalculation": draw(st.sampled_from(["max", "min", "avg", "sum"])),
    }
    spec: dict[str, Any] = {"scalingStrategy": strategy, "maxReplicaCount": draw(st.integers(1, 8))}
    if draw(st.booleans()):
        spec["minReplicaCount"] = draw(st.integers(0, 9))
    limits = draw(st.sampled_from([{}, {"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 0}]))
    return scaled_job(**spec, **limits)


@settings(max_examples=25)
@given(job_specs(), st.data())
def test_unfinished_jobs_never_exceed_the_maximum(object: Any, data: st.DataObject) -> None:
    """Jobs end, are shown late and vanish; readings come late and fail; the process restarts."""
    memory, jobs = Memory(), tuple[JobView, ...]()
    for moment in range(data.draw(st.integers(1, 8))):
        second = moment * 10
        snapshot: Any = data.draw(st.sampled_from([jobs, jobs, jobs, Failure("Unreachable", "no list")]))
        value = data.draw(VALUES)
        views = (
            trigger(
                value, target=data.draw(st.sampled_from([1, 2, 0.5])), when=at(second), snapshot=snapshot
            ),
            trigger(data.draw(VALUES), 1, target=1, when=at(second), snapshot=snapshot),
        )
        made_since = 0
        for look in range(2):
            jobs = tuple(
                finished(one, at(second)) if not one.is_finished and data.draw(st.booleans()) else one
                for one in jobs
            )
            decision = decide_scaled_job(object, jobs, views, memory, at(second + 1 + look))
            memory = decision.memory
            made = [one for one in decision.actions if isinstance(one, CreateJobs)]
            assert len(made) <= 1
            assert decision.reasons
            jobs = jobs_after(object, jobs, decision)
            assert sum(not one.is_finished for one in jobs) <= object.spec.max_replica_count
            assert len({one.name for one in jobs}) == len(jobs)
            made_since += sum(one.count for one in made)
        # the minimum comes first and the events next; then these readings ask for nothing more
        again = decide_scaled_job(object, jobs, views, memory, at(second + 3))
        minimum = object.spec.replicas_min
        if sum(not one.is_finished for one in jobs) >= minimum and (made_since == 0 or not minimum):
            assert not any(isinstance(one, CreateJobs) for one in again.actions)
        if data.draw(st.integers(0, 3)) == 0:
            claimed = {"tidegate.dev/round": str(memory.round)}
            memory = memory_from(_annotated(object, claimed), at(second + 9))


@given(
    job_specs(), st.lists(st.integers(0, 20), min_size=1, max_size=3), st.integers(0, 8), st.integers(0, 9)
)
def test_more_messages_never_mean_fewer_jobs(object: Any, values: list[int], busy: int, more: int) -> None:
    jobs = tuple(job(f"j{number}") for number in range(busy))
    strategy = object.spec.scaling_strategy
    if strategy is not None and strategy.multiple_scalers_calculation in ("min", "avg"):
        # A queue that becomes active joins the minimum or the mean with its small length, as in KEDA.
        values = [max(1, value) for value in values]

    def made(of: list[int]) -> int:
        views = tuple(trigger(value, index, target=1) for index, value in enumerate(of))
        decision = decide_scaled_job(object, jobs, views, Memory(), at(0))
        return sum(one.count for one in decision.actions if isinstance(one, CreateJobs))

    assert made([value + more for value in values]) >= made(values)


@given(st.lists(VALUES, min_size=1, max_size=3))
def test_a_scaled_job_says_nothing_twice(values: list[Any]) -> None:
    object = scaled_job()
    views = tuple(trigger(value, index, target=1) for index, value in enumerate(values))
    first = decide_scaled_job(object, (), views, Memory(), at(0))
    object, jobs = status_after(object, first), jobs_after(object, (), first)
    second = decide_scaled_job(object, jobs, views, first.memory, at(1))
    assert second.actions == ()
    assert any(isinstance(one, EmitEvent) for one in first.actions) or values == [None] * len(values)


def _annotated(object: Any, annotations: dict[str, str]) -> Any:

    return msgspec.structs.replace(
        object, metadata=msgspec.structs.replace(object.metadata, annotations=annotations)
    )
