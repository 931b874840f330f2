"""scalingModifiers: one composite metric, computed by a formula from the values of the named triggers.

    a source not measured yet         nothing is known
    a source failing                  a failure: held, never inactive
    a source in fallback              the fallback speaks for the whole (no formula)
      … behaviour scalingModifiers    it is nil in the formula
    the formula gives nil             the fallback's replicas, a failure where there is no fallback
      … because a source is missing   active, as every trigger in fallback is
    the formula fails, NaN, infinity  a failure: held, never inactive

Only the triggers that the formula names matter. Their own activation targets do not: the object is
active while the composite metric is above `activationTarget`.

Source: KEDA's documentation, "Scaling modifiers".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from tidegate.api.scaledobject import ScaledObjectSpec, ScalingModifiers
from tidegate.base.errors import Failure
from tidegate.core.hpa.replicas import MILLI, milli
from tidegate.core.triggers import fallback
from tidegate.core.triggers.fallback import SafetyNet
from tidegate.core.triggers.state import Composed, Summary, TriggerState
from tidegate.core.values import ExternalMetric, Seen, TriggerView

_THOUSANDTH = Decimal("0.001")
# Beyond this a float has no thousandths left.
_COARSE = 1e15


class Formula(Protocol):
    """A compiled formula."""

    def evaluate(self, values: Mapping[str, float | None], /) -> float | Failure | None:
        """The result; None where the formula gives nil."""


@dataclass(frozen=True, slots=True)
class Composite:
    """An object's composite metric, ready to be computed from the triggers named in `sources`."""

    metric: ExternalMetric
    formula: Formula
    sources: frozenset[str]
    activation: float = 0.0


def modifiers_of(spec: ScaledObjectSpec) -> ScalingModifiers | None:
    """The scalingModifiers of an object; None where they say nothing."""
    modifiers = spec.advanced.scaling_modifiers if spec.advanced is not None else None
    return modifiers if modifiers is not None and modifiers.is_set else None


def compose(
    composite: Composite | None,
    net: SafetyNet | None,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    summary: Summary,
) -> Composed:
    """What the composite metric says. `composite` None: it was declared, and wrongly."""
    if composite is None:
        text = "spec.advanced.scalingModifiers cannot be used as they are written; correct them"
        return Composed(failure=Failure("Misconfigured", text))
    sources = [
        (trigger, state)
        for trigger, state in zip(triggers, summary.states, strict=True)
        if trigger.name in composite.sources
    ]
    if net is not None and not net.is_nil and any(state.is_fallen for _, state in sources):
        return _told(fallback.value_of(net, composite.metric, seen), is_active=True)
    for trigger, state in sources:
        failure = _failure_of(trigger, state)
        if failure is not None:
            return Composed(failure=failure)
    if any(trigger.reading is None for trigger, _ in sources):
        return Composed()
    result = composite.formula.evaluate({trigger.name: _value(trigger, state) for trigger, state in sources})
    if isinstance(result, Failure):
        return Composed(failure=result, is_own=True)
    if result is None:
        return _nil(composite, net, seen, is_known=not any(state.is_fallen for _, state in sources))
    if not math.isfinite(result):
        text = f"the formula of spec.advanced.scalingModifiers gives {result}, which is not a finite number"
        return Composed(failure=Failure("Malformed", text), is_own=True)
    value = thousandths(result)
    return Composed(value, is_active=value > composite.activation)


def thousandths(number: float) -> float:
    """`number` as a quantity carries it: three decimals, the rest cut off."""
    if abs(number) >= _COARSE:
        return number
    return float(Decimal(repr(number)).quantize(_THOUSANDTH, rounding=ROUND_DOWN))


def _nil(composite: Composite, net: SafetyNet | None, seen: Seen, *, is_known: bool) -> Composed:
    """The fallback's replicas, if there are any. `is_known`: no source is missing, the formula says nil of
    itself. Else it is active as every trigger in fallback is: what is unknown never goes to zero."""
    if net is None:
        text = "the formula of spec.advanced.scalingModifiers gives nil, and there is no fallback"
        return Composed(failure=Failure("Malformed", text), is_own=True)
    replicas, metric = net.fallback.replicas, composite.metric
    is_active = not is_known or milli(metric.target) * replicas / MILLI > composite.activation
    return _told(fallback.worth(metric, replicas, seen.ready), is_active=is_active)


def _told(value: float | Failure, *, is_active: bool) -> Composed:
    if isinstance(value, Failure):
        return Composed(failure=value, is_active=is_active, is_fallen=True)
    return Composed(value, is_active=is_active, is_fallen=True)


def _failure_of(trigger: TriggerView, state: TriggerState) -> Failure | None:
    if state.failure is not None and not state.is_fallen:
        return state.failure
    if not state.is_fallen and trigger.reading is not None and not trigger.reading.values:
        return Failure("Malformed", f"trigger {trigger.name} returned no value for the formula")
    return None


def _value(trigger: TriggerView, state: TriggerState) -> float | None:
    """The trigger's (last) value, nil while the fallback leaves it to the formula."""
    if state.is_fallen or trigger.reading is None:
        return None
    return trigger.reading.values[-1]
