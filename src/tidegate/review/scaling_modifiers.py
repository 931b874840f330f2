"""scalingModifiers of a manifest: the composite metric, compiled once, or everything wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledobject import ScaledObject, ScalingModifiers
from tidegate.api.validation.scaledobject import decimal_of
from tidegate.api.validation.triggers import RESOURCE_TRIGGERS, invalid, required
from tidegate.base.problems import Problem
from tidegate.core.formula import Formula, compile_formula
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of, thousandths
from tidegate.core.triggers.state import COMPOSITE_METRIC
from tidegate.core.values import ExternalMetric

PATH = "spec.advanced.scalingModifiers"


def composite_of(object: ScaledObject) -> Composite | tuple[Problem, ...] | None:
    """The object's composite metric, or all that is wrong with it; None where it has none."""
    modifiers = modifiers_of(object.spec)
    if modifiers is None:
        return None
    compiled = _compiled(object, modifiers)
    problems = [*(compiled if isinstance(compiled, tuple) else ()), *_number_problems(modifiers)]
    if problems or isinstance(compiled, tuple):
        return tuple(problems)
    metric = ExternalMetric(
        COMPOSITE_METRIC,
        thousandths(decimal_of(modifiers.target or "") or 0.0),
        modifiers.metric_type or "AverageValue",
    )
    activation = decimal_of(modifiers.activation_target or "0") or 0.0
    return Composite(metric, compiled, frozenset(compiled.uses), activation)


def formula_problems(object: ScaledObject) -> tuple[Problem, ...]:
    """What keeps the formula of an object from being compiled, as admission refuses it; a formula that
    is missing is left to the rules of the manifest."""
    modifiers = modifiers_of(object.spec)
    if modifiers is None or not modifiers.formula:
        return ()
    compiled = _compiled(object, modifiers)
    return compiled if isinstance(compiled, tuple) else ()


def modifier_notices(object: ScaledObject, composite: Composite | None) -> Iterator[Problem]:
    """What is right and says nothing: a trigger that the formula does not read, a type or an activation
    that nothing looks at. `composite` is what the modifiers come to."""
    modifiers = modifiers_of(object.spec)
    if modifiers is None:
        return
    for index, trigger in enumerate(object.spec.triggers):
        if trigger.type in RESOURCE_TRIGGERS:
            continue
        path = f"spec.triggers[{index}]"
        if not trigger.name:
            message = "the trigger has no name, so the formula cannot read it and it has no effect"
            yield Problem(f"{path}.name", message, "FieldValueRequired")
        elif composite is not None and trigger.name not in composite.sources:
            yield Problem(
                f"{path}.name", f'the formula does not read "{trigger.name}": the trigger has no effect'
            )
        if trigger.metric_type:
            message = f'"{trigger.metric_type}" has no effect: the composite metric has its own metricType'
            yield Problem(f"{path}.metricType", message)
    if modifiers.activation_target and object.spec.replicas_min and object.spec.idle_replica_count is None:
        message = (
            f'"{modifiers.activation_target}" has no effect on replicas: with minReplicaCount '
            f"{object.spec.replicas_min} nothing starts from zero"
        )
        yield Problem(f"{PATH}.activationTarget", message)


def _compiled(object: ScaledObject, modifiers: ScalingModifiers) -> Formula | tuple[Problem, ...]:
    if not modifiers.formula:
        return (required(f"{PATH}.formula", "it is mandatory when scalingModifiers are set"),)
    names = [one.name for one in object.spec.triggers if one.name and one.type not in RESOURCE_TRIGGERS]
    return compile_formula(modifiers.formula, tuple(names))


def _number_problems(modifiers: ScalingModifiers) -> Iterator[Problem]:
    """An HPA counts in thousandths: a target below one of them would be zero."""
    target, activation = modifiers.target, modifiers.activation_target
    if not target:
        yield required(f"{PATH}.target", "formula is given but target is empty")
    elif (decimal_of(target) or 0.0) <= 0:
        yield invalid(f"{PATH}.target", target, "must be a number above 0")
    elif thousandths(decimal_of(target) or 0.0) <= 0:
        yield invalid(f"{PATH}.target", target, "must be at least 0.001, the least that an HPA can carry")
    if activation and decimal_of(activation) is None:
        yield invalid(f"{PATH}.activationTarget", activation, "must be a number")
