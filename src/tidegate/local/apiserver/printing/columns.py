"""What a column of `kubectl get` is, and cells that many kinds have.

A column's `cell` gets the object and the moment, since ages are computed by the server. Texts follow
kubectl's printers. The columns of the built-in kinds stand in `builtin_columns`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.base import selectors, times

Cell = Callable[[dict[str, Any], datetime], Any]
NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """`type` and `format` by OpenAPI; `priority` above 0 shows only in `-o wide`."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def at(*path: str, default: Any = "") -> Cell:
    """The value at a path of field names; `default` when it is absent or null."""

    def cell(body: dict[str, Any], now: datetime) -> Any:
        value: Any = body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def written(*path: str) -> Cell:
    """A number or a percentage as it was written, "N/A" where there is none."""
    value = at(*path, default="N/A")
    return lambda body, now: str(value(body, now))


def count(*path: str) -> Cell:
    """How many items stand at a path."""
    find = at(*path, default=())
    return lambda body, now: len(find(body, now))


def since(*path: str, default: str = UNKNOWN) -> Cell:
    """The age of the moment at a path."""
    find = at(*path)
    return lambda body, now: age(find(body, now), now, default)


def age(text: str, now: datetime, default: str = UNKNOWN) -> str:
    """How long ago an RFC3339 moment was (`5s`, `3m20s`); `default` when there is none."""
    if not text:
        return default
    try:
        return times.age(max(0.0, (now - times.parse_time(text)).total_seconds()))
    except ValueError:
        return "<invalid>"


def labels_text(labels: Mapping[str, Any] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def listed(values: Iterable[str], limit: int = 3, none: str = NONE) -> str:
    """The first few values and how many more there are; `none` without any."""
    known = list(values)
    if not known:
        return none
    text = ",".join(known[:limit])
    return f"{text} + {len(known) - limit} more..." if len(known) > limit else text


def joined_mapping(*path: str) -> Cell:
    find = at(*path, default=None)
    return lambda body, now: labels_text(find(body, now))


def selector(*path: str) -> Cell:
    find = at(*path, default=None)
    return lambda body, now: selectors.format_label_selector(find(body, now))


def containers(field: str, *path: str) -> Cell:
    find = at(*path, default=())
    return lambda body, now: ",".join(str(item.get(field, "")) for item in find(body, now))


def as_text(cell: Cell) -> Cell:
    return lambda body, now: str(cell(body, now))


def fraction(upper: Cell, lower: Cell) -> Cell:
    return lambda body, now: f"{upper(body, now)}/{lower(body, now)}"


NAME = Column(
    "Name", at("metadata", "name"), format="name", description="Name must be unique within a namespace."
)
AGE = Column(
    "Age",
    since("metadata", "creationTimestamp"),
    description="How long ago the server created this object.",
)
CREATED_AT = Column("Created At", at("metadata", "creationTimestamp"), type="date")
GENERIC = (NAME, AGE)


def number(name: str, *path: str, priority: int = 0) -> Column:
    return Column(name, at(*path, default=0), type="integer", priority=priority)
