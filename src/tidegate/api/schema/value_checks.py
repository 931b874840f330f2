"""What a structural schema says about one value alone: its type, its limits, its allowed values.

Messages and reasons are those of the Kubernetes API server, the value (never a whole object) shown.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.times import parse_time

Schema = dict[str, Any]
# Where we are, linked from the inside out; it becomes text only when a problem is found.
Path = tuple[Any, str | int] | None

_SHOWN = 80
_PATH_SHOWN = 200
DEPTH_MAX = 100
EMPTY = '""'


def kind_of(value: Any) -> str:
    """The JSON type: null, boolean, integer, number, string, array or object. `5.0` is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "object" if isinstance(value, dict) else "array"


def join(path: Path) -> str:
    """The path as a user would write it: `spec.triggers[1].metadata`."""
    parts: list[str] = []
    while path is not None:
        path, step = path
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step or EMPTY}")
    return "".join(reversed(parts)).removeprefix(".")


def shown(value: Any) -> str:
    """The value as a message shows it: JSON, long texts cut, objects and arrays by their type."""
    if isinstance(value, dict | list):
        return f'"{kind_of(value)}"'
    if isinstance(value, str):
        value = _cut(value, _SHOWN)
    return json.dumps(value, ensure_ascii=False)


def too_deep(value: Any) -> Problem | None:
    """The first place that nests deeper than `DEPTH_MAX` levels; None where nothing does."""
    level: list[tuple[Any, Path]] = [(value, None)]
    for _ in range(DEPTH_MAX):
        level = [
            (item, (path, name))
            for outer, path in level
            for name, item in (outer.items() if isinstance(outer, dict) else enumerate(outer))
            if isinstance(item, dict | list)
        ]
        if not level:
            return None
    where = join(level[0][1])
    return Problem(where[:_SHOWN], f"Invalid value: it nests deeper than {DEPTH_MAX} levels")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"


def check(schema: Schema, value: Any, kind: str, path: Path, problems: list[Problem]) -> bool:
    """Whether the type is right; everything wrong with the value alone is added to `problems`."""
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        is_right, wanted = kind in ("integer", "string"), "integer,string"
    else:
        is_right = wanted is None or wanted == kind or (wanted == "number" and kind == "integer")
    if not is_right:
        text = f'must be of type {wanted}: "{kind}"'
        problems.append(invalid(path, value, text, "FieldValueTypeInvalid"))
        return False
    if (allowed := schema.get("enum")) is not None and value not in allowed:
        choices = ", ".join(shown(one) for one in allowed)
        text = f"Unsupported value: {shown(value)}: supported values: {choices}"
        problems.append(Problem(join(path), text, "FieldValueNotSupported"))
    check = _CHECKS.get("integer" if kind == "number" else kind)
    if check is not None:
        problems.extend(check(schema, value, path))
    return True


def invalid(path: Path, value: Any, text: str, reason: str = "FieldValueInvalid") -> Problem:
    """A problem with the value itself, in the API server's words."""
    where = join(path)
    place = f"{_cut(where, _PATH_SHOWN)} in body " if where else ""
    return Problem(where, f"Invalid value: {shown(value)}: {place}{text}", reason)


def _number(schema: Schema, value: float, path: Path) -> Iterator[Problem]:
    low, high = schema.get("minimum"), schema.get("maximum")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format") or "")
    if low is None and bits:
        low = -(2**bits)
    if high is None and bits:
        high = 2**bits - 1
    if low is not None and (value < low or (value == low and schema.get("exclusiveMinimum"))):
        than = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(path, value, f"should be {than} {low}")
    if high is not None and (value > high or (value == high and schema.get("exclusiveMaximum"))):
        than = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(path, value, f"should be {than} {high}")
    if (step := schema.get("multipleOf")) and value % step != 0:
        yield invalid(path, value, f"should be a multiple of {step}")


def _text(schema: Schema, value: str, path: Path) -> Iterator[Problem]:
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if shortest is not None and len(value) < shortest:
        yield invalid(path, value, f"should be at least {shortest} chars long")
    if longest is not None and len(value) > longest:
        yield Problem(join(path), f"Too long: may not be more than {longest} bytes", "FieldValueTooLong")
    if pattern := schema.get("pattern"):
        compiled = _compiled(pattern)
        if compiled is not None and compiled.search(value) is None:
            yield invalid(path, value, f"should match '{pattern}'")
    if schema.get("format") == "date-time":
        try:
            parse_time(value)
        except ValueError:
            text = f"must be of type date-time: {shown(value)}"
            yield invalid(path, value, text, "FieldValueTypeInvalid")


def _array(schema: Schema, value: list[Any], path: Path) -> Iterator[Problem]:
    fewest, most = schema.get("minItems"), schema.get("maxItems")
    if fewest is not None and len(value) < fewest:
        text = f"Invalid value: {len(value)}: {join(path)} in body should have at least {fewest} items"
        yield Problem(join(path), text)
    if most is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} items"
        yield Problem(join(path), text, "FieldValueTooMany")
    if schema.get("x-kubernetes-list-type") in ("set", "map"):
        yield from _duplicates(value, schema.get("x-kubernetes-list-map-keys"), path)


def _duplicates(value: list[Any], keys: list[str] | None, path: Path) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        identity = {key: item.get(key) for key in keys} if keys and isinstance(item, dict) else item
        text = json.dumps(identity, sort_keys=True)
        if text in seen:
            yield Problem(
                join((path, index)), f"Duplicate value: {_cut(text, _PATH_SHOWN)}", "FieldValueDuplicate"
            )
        seen.add(text)


def _object(schema: Schema, value: Schema, path: Path) -> Iterator[Problem]:
    fewest, most = schema.get("minProperties"), schema.get("maxProperties")
    if fewest is not None and len(value) < fewest:
        yield invalid(path, value, f"should have at least {fewest} properties")
    if most is not None and len(value) > most:
        text = f"Too many: {len(value)}: must have at most {most} properties"
        yield Problem(join(path), text, "FieldValueTooMany")


@functools.lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern that Go can read and Python cannot: it is then not checked."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


_CHECKS: dict[str, Callable[[Schema, Any, Path], Iterator[Problem]]] = {
    "integer": _number,
    "string": _text,
    "array": _array,
    "object": _object,
}
