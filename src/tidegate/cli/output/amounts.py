"""Metric values and targets as people write them: `794 % of requests`, `512Mi per pod`, `5 per replica`."""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]
BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")


def amount(metric: Entry, value: float | None) -> str:
    """A value of this metric; `?` where it is not known."""
    if value is None:
        return "?"
    if metric["targetType"] == "Utilization":
        return f"{value:g} % of requests"
    if "container" in metric:
        return f"{usage(metric['name'], value)} per pod"
    return f"{value:g}"


def aim(metric: Entry, worker: str = "replica") -> str:
    """Its target, with what it is for: a replica, or a Job."""
    target = metric["target"]
    if metric["targetType"] == "Utilization":
        return f"{target:g} %"
    if "container" in metric:
        return usage(metric["name"], target)
    return f"{target:g} per {worker}" if metric["targetType"] == "AverageValue" else f"{target:g}"


def usage(name: str, value: float) -> str:
    """Cores or bytes, short."""
    if name == "cpu":
        return f"{value * 1000:.0f}m" if value < 1 else f"{value:.3g}"
    step = 0
    while value >= 1024 and step < len(BINARY) - 1:
        value, step = value / 1024, step + 1
    return f"{value:.3g}{BINARY[step]}"
