"""What an object asks for and does not get here, by the table: a walk along the types of its fields. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tidegate.local.apiserver.honoured.conditions import CONDITIONS, Around, no_node
from tidegate.local.apiserver.honoured.table import PLACES, Row, rows
from tidegate.local.apiserver.validation.fields import table
from tidegate.local.objects import Object
from tidegate.local.unhonoured import Unhonoured

VERSION = "V1"
_POD_SPEC = "PodSpec"
_NOTHING: tuple[Any, ...] = (None, "", {}, [])


@dataclass(slots=True)
class _Step:
    """What is to be done with one field: rows that warn, by key ("" for all of it), and what lies below."""

    warned: dict[str, Row] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    below: str = ""
    is_list: bool = False


@dataclass(slots=True)
class _Found:
    first: str
    count: int = 1


def findings(key: str, body: Object, node: Callable[[], Object | None] = no_node) -> list[Unhonoured]:
    """Each field once, with the place where it stands first; `key` is the kind's.

    Values of a wrong type are passed over. `node` is asked for what pods go by on the one node.
    """
    if key not in PLACES:
        return []
    start, type = PLACES[key]
    value: Any = body
    for name in start:
        value = value.get(name) if isinstance(value, dict) else None
    found: dict[Row, _Found] = {}
    _walk(type, value, "".join(f"{name}." for name in start), Around(key, node=node), found)
    return [
        Unhonoured(one.first, f"{row.what}: {row.why}", row.instead, row.runs, one.count - 1)
        for row, one in found.items()
    ]


def _walk(type: str, value: Any, prefix: str, around: Around, found: dict[Row, _Found]) -> None:
    if not isinstance(value, dict):
        return
    if "metadata" in table()[1][f"{VERSION}{type}"]:
        around.metadata = value.get("metadata") or {}
    if type == _POD_SPEC:
        around.pod = value
    steps = _steps(type)
    for name, inner in value.items():
        step = steps.get(name)
        if step is None or inner in _NOTHING:
            continue
        path = f"{prefix}{name}"
        for row, where, asked in _warned(step, inner, path):
            if not _asks_nothing(row, asked, around):
                known = found.get(row)
                if known is None:
                    found[row] = _Found(where)
                else:
                    known.count += 1
        if not step.below:
            continue
        if not step.is_list:
            _walk(step.below, inner, f"{path}.", around, found)
        elif isinstance(inner, list):
            for index, one in enumerate(inner):
                _walk(step.below, one, f"{path}[{index}].", around, found)


def _warned(step: _Step, value: Any, path: str) -> Iterator[tuple[Row, str, Any]]:
    if whole := step.warned.get(""):
        yield whole, path, value
    elif step.warned and isinstance(value, dict):
        for key, one in value.items():
            row = step.warned.get(key) or (None if key in step.known else step.warned.get("*"))
            if row is not None:
                yield row, f"{path}.{key}", one


def _asks_nothing(row: Row, value: Any, around: Around) -> bool:
    if value in row.unless:
        return True
    try:
        return bool(row.but) and CONDITIONS[row.but](value, around)
    except (AttributeError, KeyError, TypeError, ValueError):
        # A value of a wrong type: that is told elsewhere.
        return True


@cache
def _steps(type: str) -> dict[str, _Step]:
    """What of a type's fields may have to be told: the others are passed over."""
    steps: dict[str, _Step] = {}
    for row in rows().get(type, ()):
        step = steps.setdefault(row.field, _Step())
        if row.key:
            step.known |= {row.key}
        if row.verdict == "warned":
            step.warned[row.key] = row
        elif row.verdict == "parts":
            step.below, step.is_list = inner_type(type, row.field)
    return {name: step for name, step in steps.items() if step.warned or (step.below and _steps(step.below))}


def inner_type(type: str, name: str) -> tuple[str, bool]:
    """The type of a field, "" for a plain value or a map, and whether it is a list of that type."""
    text = table()[1][f"{VERSION}{type}"][name]
    inner = text.strip("[]")
    is_type = inner in table()[1] and inner.startswith(VERSION)
    return (inner.removeprefix(VERSION) if is_type else ""), text.startswith("[")
