"""Splunk Observability Cloud: programs in SignalFlow, and what becomes of the values that they publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

AGGREGATORS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "avg": lambda values: sum(values) / len(values),
}


@dataclass(frozen=True, slots=True)
class SignalflowServer:
    """The streams of a realm, and a token."""

    system: ClassVar[str] = "signalflow"

    origin: str
    token: str = field(repr=False)

    def label(self) -> str:
        return f"Splunk Observability {self.origin}"


@dataclass(frozen=True, slots=True)
class Program:
    """All values that a program publishes while it is listened to for `duration_s` seconds; never none."""

    server: SignalflowServer
    text: str
    duration_s: int
