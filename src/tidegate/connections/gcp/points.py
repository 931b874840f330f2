"""What Cloud Monitoring answers, taken apart.

Source: Google, Cloud Monitoring API v3, `TypedValue`, `projects.timeSeries.list`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any


def incomplete(answer: Any) -> int:
    """How many errors the answer tells of beside what it found."""
    errors = answer.get("executionErrors") or answer.get("partialErrors")
    return len(errors) if isinstance(errors, list) else int(bool(errors))


def number(value: Any) -> float | None:
    """A double, or an integer, which JSON has as a text."""
    if not isinstance(value, Mapping):
        return None
    double, integer = value.get("doubleValue"), value.get("int64Value")
    if isinstance(double, int | float) and not isinstance(double, bool):
        return float(double) if math.isfinite(double) else None
    text = str(integer) if type(integer) in (int, str) else ""
    return (
        float(int(text)) if text.removeprefix("-").isdecimal() and text.isascii() and len(text) < 21 else None
    )


def list_of(answer: Any, name: str) -> Sequence[Any]:
    """What an answer lists: JSON leaves out what is empty. ValueError where it is no list."""
    found = answer.get(name)
    if not isinstance(found or [], list):
        raise ValueError(f"no list of {name}")
    return found or []


def at(tree: Any, *path: str | int) -> Any:
    """What the path leads to in JSON, None where it leads nowhere."""
    for step in path:
        if isinstance(step, int):
            tree = tree[step] if isinstance(tree, list) and step < len(tree) else None
        else:
            tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


def stamp(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def no_number(value: Any) -> str:
    """What a point holds instead of one."""
    kinds = ", ".join(value) if isinstance(value, Mapping) else "nothing"
    return f"its newest point is no number but {kinds[:60]}"


def text(name: str) -> str:
    """A text in a filter."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
