"""What is refused about triggers, in ScaledObjects and ScaledJobs alike, beyond the schema.

Rules look at plain dictionaries that may be wrong in other places too: what has another type than
expected is passed over here, since the schema has already reported it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.api.schema.value_checks import shown
from tidegate.base.problems import Problem

RESOURCE_TRIGGERS = ("cpu", "memory")
_UNCACHED = (*RESOURCE_TRIGGERS, "cron")

Object = dict[str, Any]


def trigger_problems(spec: Object) -> Iterator[Problem]:
    """Cached metrics where they cannot be, and names given twice."""
    seen: set[str] = set()
    for index, trigger in enumerate(objects(spec, "triggers")):
        path = f"spec.triggers[{index}]"
        type, name = trigger.get("type"), text(trigger, "name")
        if trigger.get("useCachedMetrics") is True and type in _UNCACHED:
            message = f'property "useCachedMetrics" is not supported for "{type}" scaler'
            yield invalid(f"{path}.useCachedMetrics", True, message)
        if name and name in seen:
            message = (
                f"triggerName {shown(name)} is defined multiple times in the ScaledObject/ScaledJob, "
                "but it must be unique"
            )
            yield Problem(f"{path}.name", f"Duplicate value: {shown(name)}: {message}", "FieldValueDuplicate")
        seen.add(name)


def invalid(path: str, value: Any, message: str) -> Problem:
    return Problem(path, f"Invalid value: {shown(value)}: {message}")


def required(path: str, message: str = "") -> Problem:
    return Problem(path, f"Required value: {message}" if message else "Required value", "FieldValueRequired")


def unsupported(path: str, value: Any, choices: Iterable[str]) -> Problem:
    listed = ", ".join(f'"{choice}"' for choice in choices)
    message = f"Unsupported value: {shown(value)}: supported values: {listed}"
    return Problem(path, message, "FieldValueNotSupported")


def part(body: Any, *names: str) -> Object:
    """The object at that place, empty where there is none."""
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body if isinstance(body, dict) else {}


def objects(body: Object, name: str) -> list[Object]:
    """The array of that name; items that are no objects count as empty ones, to keep their places."""
    found = body.get(name)
    if not isinstance(found, list):
        return []
    return [item if isinstance(item, dict) else {} for item in found]


def whole(body: Object, name: str) -> int | None:
    """The integer of that name, None where there is none."""
    found = body.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def text(body: Object, name: str) -> str:
    """The text of that name, empty where there is none."""
    found = body.get(name)
    return found if isinstance(found, str) else ""
