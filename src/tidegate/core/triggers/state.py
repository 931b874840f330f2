"""Readings → what the triggers say together: each is active, inactive or unknown.

Three states, because "I do not know" is not "nothing to do": unknown never scales to zero. A NaN or
an infinity is a failure. cpu and memory triggers are read by the HPA and say nothing here; an object
that has no others is active. Where a formula composes one metric, that metric alone speaks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tidegate.base.errors import Failure
from tidegate.core.values import TriggerView

COMPOSITE_METRIC = "composite-metric"

State = Literal["active", "inactive", "unknown", "native"]


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What one trigger says. `failure` is None for an unknown one that was not measured yet.

    `active_metrics` are its metrics above activation. `failed` counts its failures in a row towards a
    fallback (0 where there is none, or it does not take part). `is_fallen`: there were too many, so the
    fallback speaks for it, and it is active.
    """

    index: int
    state: State
    active_metrics: tuple[str, ...] = ()
    failure: Failure | None = None
    failed: int = 0
    is_fallen: bool = False

    @property
    def is_unread(self) -> bool:
        """Not measured yet."""
        return self.state == "unknown" and self.failure is None


@dataclass(frozen=True, slots=True)
class Composed:
    """What the composite metric says: a value, or a failure, or (both None) that a source is unread.

    `is_active` may be known where the value is not. `is_fallen`: the value is the fallback's.
    `is_own`: the failure is the formula's, and not one of a trigger.
    """

    value: float | None = None
    is_active: bool = False
    failure: Failure | None = None
    is_fallen: bool = False
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """What all triggers say, in their order; `composed` where a formula speaks for them."""

    states: tuple[TriggerState, ...]
    composed: Composed | None = None

    @property
    def is_active(self) -> bool:
        """One trigger is active, or all are cpu or memory and none has failed."""
        if self.composed is not None:
            return self.composed.is_active
        return bool(self.active) or self.is_native_only

    @property
    def active(self) -> frozenset[int]:
        """The indexes of the triggers that are active."""
        return frozenset(one.index for one in self.states if one.state == "active")

    @property
    def is_native_only(self) -> bool:
        """All are cpu or memory: nothing but the HPA reads them."""
        is_native = bool(self.states) and all(one.state == "native" for one in self.states)
        return is_native and self.composed is None

    @property
    def is_unknown(self) -> bool:
        """Nothing is known to be active, and something could be."""
        if self.composed is not None:
            return self.composed.value is None and not self.composed.is_active
        return not self.is_active and any(one.state == "unknown" for one in self.states)

    @property
    def is_unread(self) -> bool:
        """Unknown only because the first measurements are still to come."""
        failed = self.failures if self.composed is None else self.composed.failure
        return self.is_unknown and not failed

    @property
    def is_told(self) -> bool:
        """Whether activity can be told: not while a trigger that may be active is still to be measured."""
        if self.composed is not None:
            return not self.is_unread
        return self.is_active or not self.unread

    @property
    def is_guess(self) -> bool:
        """Whether all is measured that can be, nothing is active, and something could be."""
        return self.is_unknown and not self.unread

    @property
    def failures(self) -> tuple[tuple[int, Failure], ...]:
        """The failing triggers by index, but for those that the fallback speaks for."""
        return tuple(
            (one.index, one.failure) for one in self.states if one.failure is not None and not one.is_fallen
        )

    @property
    def errors(self) -> tuple[Failure, ...]:
        """What keeps the object from being ready: failing triggers, and a failing formula."""
        own = tuple(failure for index, failure in self.broken if index < 0)
        return (*(failure for _, failure in self.failures), *own)

    @property
    def broken(self) -> tuple[tuple[int, Failure], ...]:
        """All failures by index, those with a fallback too; a formula's own has index -1."""
        found = [(one.index, one.failure) for one in self.states if one.failure is not None]
        if self.composed is not None and self.composed.is_own and self.composed.failure is not None:
            found.append((-1, self.composed.failure))
        return tuple(found)

    @property
    def unread(self) -> int:
        """How many triggers were not measured yet."""
        return sum(one.is_unread for one in self.states)

    @property
    def active_metrics(self) -> tuple[str, ...]:
        """The metrics that make the object active."""
        if self.composed is not None:
            return (COMPOSITE_METRIC,) if self.composed.is_active else ()
        return self.busy_metrics

    @property
    def busy_metrics(self) -> tuple[str, ...]:
        """The triggers' metrics that are active each for itself, formula or not."""
        return tuple(name for one in self.states for name in one.active_metrics)


def interpret(triggers: tuple[TriggerView, ...]) -> Summary:
    """What the triggers' kept readings say."""
    return Summary(tuple(state_of(trigger) for trigger in triggers))


def state_of(trigger: TriggerView) -> TriggerState:
    """What one trigger says: active when a value is above the activation target, or its scaler says so.

    Source: KEDA's documentation, "Activating and scaling thresholds" (strictly greater).
    """
    reading = trigger.reading
    failure = failure_of(trigger)
    if failure is not None:
        return TriggerState(trigger.index, "unknown", failure=failure)
    if trigger.resource is not None:
        return TriggerState(trigger.index, "native")
    if reading is None:
        return TriggerState(trigger.index, "unknown")
    if reading.active is None:
        above = [value > trigger.activation for value in reading.values]
    else:
        above = [reading.active] * len(reading.values)
    names = tuple(metric.name for metric, is_above in zip(trigger.metrics, above, strict=False) if is_above)
    is_active = any(above) if above else bool(reading.active)
    return TriggerState(trigger.index, "active" if is_active else "inactive", names)


def failure_of(trigger: TriggerView) -> Failure | None:
    """Why a trigger's reading cannot be used; None where it can, or does not exist yet."""
    reading = trigger.reading
    if reading is None:
        return None
    if reading.failure is not None:
        return reading.failure
    for value in reading.values:
        if not math.isfinite(value):
            return Failure(
                "Malformed", f"trigger {trigger.index} ({trigger.type}) returned {value}, not a number"
            )
    if not reading.values and reading.active is None and trigger.resource is None:
        return Failure("Malformed", f"trigger {trigger.index} ({trigger.type}) returned no value")
    return None
