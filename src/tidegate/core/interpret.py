"""Readings → what the triggers say together: each is active, inactive or unknown.

Three states, because "I do not know" is not "nothing to do": unknown never scales to zero. A NaN or
an infinity is a failure. cpu and memory triggers are read by the HPA and say nothing here; an object
that has no others is active.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tidegate.base.errors import Failure
from tidegate.core.values import TriggerView

State = Literal["active", "inactive", "unknown", "native"]


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What one trigger says. `failure` is None for an unknown one that was not measured yet.

    `active_metrics` are its metrics above activation.
    """

    index: int
    state: State
    active_metrics: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """What all triggers say, in their order."""

    states: tuple[TriggerState, ...]

    @property
    def is_active(self) -> bool:
        """One trigger is active, or all are cpu or memory and none has failed."""
        return any(one.state == "active" for one in self.states) or self.is_native_only

    @property
    def is_native_only(self) -> bool:
        return bool(self.states) and all(one.state == "native" for one in self.states)

    @property
    def failures(self) -> tuple[tuple[int, Failure], ...]:
        """The failing triggers by index."""
        return tuple((one.index, one.failure) for one in self.states if one.failure is not None)

    @property
    def unread(self) -> int:
        """How many triggers were not measured yet."""
        return sum(one.state == "unknown" and one.failure is None for one in self.states)

    @property
    def active_metrics(self) -> tuple[str, ...]:
        return tuple(name for one in self.states for name in one.active_metrics)


def interpret(triggers: tuple[TriggerView, ...]) -> Picture:
    """What the triggers' kept readings say."""
    return Picture(tuple(state_of(trigger) for trigger in triggers))


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
