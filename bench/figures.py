"""A figure: what was measured, what it means, and what it should be."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Limit:
    """`value` compared by `sign`; `is_promise`: a count that must hold, not a goal in seconds or bytes.

    `least`: not below it either, for a count that nobody asked anything would keep as well.
    """

    sign: str
    value: float
    is_promise: bool = False
    least: float | None = None

    def holds(self, value: float) -> bool:
        return _HOLDS[self.sign](value, self.value) and (self.least is None or value >= self.least)

    def text(self, unit: str) -> str:
        word = "must be" if self.is_promise else "goal"
        least = f">= {shown(self.least)} and " if self.least is not None else ""
        return f"{word} {least}{self.sign} {shown(self.value)}{' ' + unit if unit else ''}"


def goal(sign: str, value: float) -> Limit:
    """What we want on an ordinary machine; reported only."""
    return Limit(sign, value)


def must(sign: str, value: float) -> Limit:
    """What holds on every machine; broken, it fails the run."""
    return Limit(sign, value, is_promise=True)


def between(least: float, most: float) -> Limit:
    """The same for a count with a bar on either side."""
    return Limit("<=", most, is_promise=True, least=least)


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table; `part` is the heading it stands under."""

    part: str
    name: str
    value: float
    unit: str
    means: str
    limit: Limit | None = None

    @property
    def is_met(self) -> bool:
        return self.limit is None or self.limit.holds(self.value)

    @property
    def is_broken(self) -> bool:
        return self.limit is not None and self.limit.is_promise and not self.is_met

    def verdict(self) -> str:
        if self.limit is None:
            return ""
        if self.is_met:
            return "ok"
        return "BROKEN" if self.limit.is_promise else "missed"

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict()}


def table(figures: Sequence[Figure]) -> str:
    """The figures as Markdown, one table per part."""
    lines: list[str] = []
    for part in dict.fromkeys(figure.part for figure in figures):
        lines += ["", f"## {part}", "", "| figure | value | should be | | definition |"]
        lines += ["| --- | ---: | --- | --- | --- |"]
        for one in figures:
            if one.part == part:
                value = f"{shown(one.value)} {one.unit}".strip()
                wanted = one.limit.text(one.unit) if one.limit is not None else ""
                lines.append(f"| {one.name} | {value} | {wanted} | {one.verdict()} | {one.means} |")
    return "\n".join(lines).strip() + "\n"


def shown(value: float) -> str:
    """Three digits that count; whole numbers whole."""
    if math.isfinite(value) and value == int(value):
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def quantile(values: Iterable[float], share: float) -> float:
    """The least value that `share` (0 … 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
