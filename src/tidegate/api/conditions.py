"""Conditions and the other small things that the status of our objects is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from tidegate.api.wire import Int32, Wire

Status = Literal["True", "False", "Unknown"]


class Condition(Wire, frozen=True):
    """KEDA's conditions know neither a transition time nor a generation."""

    type: Annotated[str, Meta(description="Ready, Active, Fallback, Paused or HPAActive.")]
    status: Annotated[str, Meta(description="True, False or Unknown.")]
    reason: Annotated[str | None, Meta(description="A word for programs.")] = None
    message: Annotated[str | None, Meta(description="A sentence for people.")] = None


class HealthStatus(Wire, frozen=True):
    number_of_failures: Annotated[Int32 | None, Meta(description="Failures in a row.")] = None
    status: Annotated[str | None, Meta(description="Happy or Failing.")] = None


class TriggerActivity(Wire, frozen=True):
    is_active: Annotated[bool | None, Meta(description="Whether the last value was above activation.")] = None


def find(conditions: tuple[Condition, ...], type: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((one for one in conditions if one.type == type), None)
