"""What a scaler is: a declared, typed value that can say its metric's name and measure it.

A scaler module subclasses one of these, declares its settings with `tidegate.kit.settings`, and
is registered by existing in `tidegate.scalers`. It never opens a socket, reads a clock, logs,
retries or keeps state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.core.values import ResourceMetric
from tidegate.kit.question import Ask


@dataclass(frozen=True, slots=True)
class Scope:
    """What a scaler may know of its object. `is_metric_source`: a formula consumes its value."""

    namespace: str
    is_metric_source: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """One value per metric of the trigger; `active` None lets the framework compare with activation."""

    values: tuple[float, ...]
    active: bool | None = None


class Scaler:
    """Base of every scaler; subclass `Polled`, `Clocked` or `Native`.

    `types` are the trigger types this class reads, written nowhere else.
    """

    types: ClassVar[tuple[str, ...]] = ()

    type: str
    scope: Scope

    def check(self) -> Iterator[Problem]:
        """Problems between settings; changes nothing, may run twice. `path` is the setting's name."""
        return iter(())


class Polled(Scaler):
    """Asks a server."""

    def metric_name(self) -> str:
        """The metric's name without its index prefix, already normalised."""
        raise NotImplementedError

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        raise NotImplementedError


class Clocked(Polled):
    """Depends on the clock alone: asks nothing, is never polled, says when its value changes next."""

    def next_change(self, now: datetime) -> datetime | None:
        """The first moment after `now` at which `measure` may say something else; None: never."""
        raise NotImplementedError


class Native(Scaler):
    """A metric that the HPA reads itself (cpu, memory); nothing is measured here."""

    def resource_metric(self) -> ResourceMetric:
        raise NotImplementedError
