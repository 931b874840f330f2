"""scalingModifiers of a manifest: compiled once, or refused with every problem; the HPA they give."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_object
from tidegate.base.errors import Misconfigured
from tidegate.core.values import ExternalMetric
from tidegate.kit.reading import Sources
from tidegate.review.hpa import wanted_hpa
from tidegate.review.manifest import Review, review
from tidegate.review.scaling_modifiers import formula_problems

FORMULA = "spec.advanced.scalingModifiers.formula"


def workload(name: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"podSelector": "app=load", "value": "1"}
    return {"type": "kubernetes-workload", "metadata": metadata, **({"name": name} if name else {}), **more}


CRON = {
    "type": "cron",
    "name": "cron_trig",
    "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 18 * * *", "desiredReplicas": "4"},
}
CPU = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
MEMORY = {
    "type": "memory",
    "metricType": "AverageValue",
    "metadata": {"value": "512Mi", "containerName": "worker"},
}
AB = [workload("a"), workload("b")]


def modified(triggers: list[dict[str, Any]], fallback: Any = None, **modifiers: str) -> Any:
    spec = {"fallback": fallback} if fallback else {}
    return scaled_object(triggers=triggers, advanced={"scalingModifiers": modifiers}, **spec)


def reviewed(object: Any) -> Review:
    return review(object, lambda index: Sources(object.spec.triggers[index].metadata))


@pytest.mark.parametrize(
    "formula",
    [
        "a + b",
        "float(a + b)",
        "float(a) + float(b)",
        "a > 1 ? b : 0",
        "a > 1 ? float(b) : 0.0",
        "count([a, b], {# > 1}) > 1 ? 5 : 0",
        "a > 1 ? (b > 1 ? 2 : 1) : 0",
        "a ?? b ?? 5",
        "a",
    ],
)
def test_formulas_over_named_triggers_are_compiled(formula: str) -> None:
    found = reviewed(modified(AB, formula=formula, target="2"))
    assert found.problems == ()
    assert found.composite is not None
    assert found.composite.metric == ExternalMetric("composite-metric", 2.0, "AverageValue")


def test_a_composite_has_its_own_target_activation_and_type() -> None:
    object = modified(AB, formula="a + b", target="2.0005", activationTarget="3.5", metricType="Value")
    composite = reviewed(object).composite
    assert composite is not None
    # as a quantity carries it, the rest cut off
    assert composite.metric == ExternalMetric("composite-metric", 2.0, "Value")
    assert composite.activation == 3.5
    assert composite.sources == {"a", "b"}


def test_only_the_triggers_that_a_formula_names_are_its_sources() -> None:
    found = reviewed(modified([*AB, workload("c")], formula="a + b", target="2"))
    assert found.composite is not None
    assert found.composite.sources == {"a", "b"}


@pytest.mark.parametrize(
    ("triggers", "modifiers", "paths", "text"),
    [
        (AB, {"formula": "a + c", "target": "2"}, [FORMULA], "c"),
        ([workload(), workload()], {"formula": "a + b", "target": "2"}, [FORMULA, FORMULA], "a"),
        (AB, {"formula": "a +", "target": "2"}, [FORMULA], ""),
        ([workload("a"), {**CPU, "name": "b"}], {"formula": "a + b", "target": "2"}, [FORMULA], "b"),
        (AB, {"target": "2"}, [FORMULA], "mandatory"),
        (AB, {"formula": "a"}, ["spec.advanced.scalingModifiers.target"], "target is empty"),
        (AB, {"formula": "a", "target": "0"}, ["spec.advanced.scalingModifiers.target"], "above 0"),
        (AB, {"formula": "a", "target": "nan"}, ["spec.advanced.scalingModifiers.target"], "above 0"),
        (AB, {"formula": "a", "target": "0.0001"}, ["spec.advanced.scalingModifiers.target"], "0.001"),
        (
            AB,
            {"formula": "a + c", "target": "x", "activationTarget": "y"},
            [
                FORMULA,
                "spec.advanced.scalingModifiers.target",
                "spec.advanced.scalingModifiers.activationTarget",
            ],
            "c",
        ),
    ],
)
def test_mistakes_in_modifiers_are_told_all_at_once(
    triggers: Any, modifiers: Any, paths: list[str], text: str
) -> None:
    found = reviewed(modified(triggers, **modifiers))
    assert [problem.path for problem in found.problems] == paths
    assert text in found.problems[0].message
    assert found.composite is None
    # the triggers are measured all the same
    assert all(plan.scaler is not None for plan in found.triggers)


def test_admission_refuses_formulas_that_do_not_compile_and_no_others() -> None:
    assert formula_problems(modified(AB, formula="a + b", target="2")) == ()
    assert [one.path for one in formula_problems(modified(AB, formula="a + c", target="2"))] == [FORMULA]
    assert formula_problems(modified(AB, target="2")) == ()
    assert formula_problems(scaled_object()) == ()


def test_an_unnamed_trigger_takes_no_part_and_that_is_told() -> None:
    found = reviewed(modified([*AB, workload(), CPU], formula="a + b", target="2"))
    assert found.problems == ()
    assert [notice.path for notice in found.notices] == ["spec.triggers[2].name"]


def test_the_behaviour_scaling_modifiers_needs_a_formula() -> None:
    fallback = {"failureThreshold": 3, "replicas": 2, "behavior": "scalingModifiers"}
    found = reviewed(scaled_object(triggers=[workload("a")], fallback=fallback))
    assert [problem.path for problem in found.problems] == ["spec.fallback.behavior"]
    assert reviewed(modified(AB, fallback, formula="a ?? b ?? 5", target="2")).problems == ()


def test_one_metric_stands_for_all_external_ones_in_the_hpa() -> None:
    object = modified([*AB, CPU, MEMORY], formula="a + b", target="2.5")
    found = reviewed(object)
    metrics = wanted_hpa(object, found.triggers, found.composite)["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["ContainerResource", "External", "Resource"]
    assert metrics[1]["external"] == {
        "metric": {
            "name": "composite-metric",
            "selector": {"matchLabels": {"scaledobject.keda.sh/name": "web"}},
        },
        "target": {"type": "AverageValue", "averageValue": "2500m"},
    }


def test_a_value_target_stays_one_in_the_hpa() -> None:
    object = modified(AB, formula="a", target="3", metricType="Value")
    found = reviewed(object)
    metric = wanted_hpa(object, found.triggers, found.composite)["spec"]["metrics"][0]
    assert metric["external"]["target"] == {"type": "Value", "value": "3"}


def test_modifiers_that_cannot_be_used_never_become_single_metrics() -> None:
    object = modified(AB, formula="a + c", target="2")
    found = reviewed(object)
    with pytest.raises(Misconfigured):
        wanted_hpa(object, found.triggers, found.composite)
