"""What of a wrong object can still be read, so that one mistake does not hide the others.

A number where a text belongs is taken for its text, `"5"` for 5: that is what its writer means. What
says nothing is left out, what may not be missing gets a stand-in; both are `lost`, and nothing that is
found there, or speaks of it, is the writer's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from tidegate.api.schema.structural import validate
from tidegate.api.schema.value_checks import Path, Schema, check, join, kind_of
from tidegate.api.validation.problems import metadata_schema, schema_of
from tidegate.base.problems import Problem

_GONE: Any = object()
_COMBINATIONS = ("allOf", "anyOf", "oneOf", "not")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_OF_SPEC = re.compile(r"spec\.(\w+)")


@dataclass(frozen=True, slots=True)
class ReadablePart:
    """A body that fits its schema; `lost` are the paths where it does not say what was written."""

    body: dict[str, Any]
    lost: tuple[str, ...]

    def is_lost(self, problem: Problem) -> bool:
        """Whether a problem of the body is one of a value that nobody wrote."""
        for path in self.lost:
            if problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")):
                return True
            field = _OF_SPEC.fullmatch(path)
            if field is not None and field[1].rstrip("s").casefold() in problem.message.casefold():
                return True
        return False


def readable_part(body: dict[str, Any]) -> ReadablePart:
    """`body`, one of our kinds without fields that no schema has, made to fit; it is not changed."""
    lost: list[str] = []
    mended = _mended(schema_of(body["kind"]), body, None, lost)
    metadata = body.get("metadata")
    mended["metadata"] = (
        _mended(metadata_schema(), metadata, (None, "metadata"), lost) if isinstance(metadata, dict) else {}
    )
    return ReadablePart(mended, tuple(lost))


def _mended(schema: Schema, value: Any, path: Path, lost: list[str]) -> Any:
    """The value as the schema wants it; `_GONE` where there is no way."""
    value = _meant(schema.get("type"), value)
    kind, found = kind_of(value), list[Problem]()
    if not check(schema, value, kind, path, found) or found:
        return _GONE
    if kind == "object":
        value = _object(schema, value, path, lost)
    elif kind == "array" and (items := schema.get("items")):
        value = [_kept(items, item, (path, index), lost) for index, item in enumerate(value)]
    is_combined = any(word in schema for word in _COMBINATIONS)
    return _GONE if is_combined and validate(schema, value) else value


def _object(schema: Schema, value: dict[str, Any], path: Path, lost: list[str]) -> dict[str, Any]:
    properties, others = schema.get("properties") or {}, schema.get("additionalProperties")
    mended: dict[str, Any] = {}
    for name, item in value.items():
        child = properties.get(name, others)
        if not isinstance(child, dict):
            mended[name] = item
        elif item is not None:
            kept = _kept(child, item, (path, name), lost)
            if kept is not _GONE:
                mended[name] = kept
    for name in schema.get("required") or ():
        if name not in mended:
            mended[name] = _stand_in(properties.get(name, {}))
            lost.append(join((path, name)))
    return mended


def _kept(schema: Schema, value: Any, path: Path, lost: list[str]) -> Any:
    """The value mended; a stand-in for an object or an item, since its being there says something."""
    mended = _mended(schema, value, path, lost)
    if mended is not _GONE:
        return mended
    lost.append(join(path))
    is_item = path is not None and isinstance(path[1], int)
    return _stand_in(schema) if is_item or schema.get("type") == "object" else _GONE


def _meant(wanted: Any, value: Any) -> Any:
    if wanted == "string" and isinstance(value, bool):
        return str(value).lower()
    if wanted == "string" and isinstance(value, int | float):
        return str(value)
    if wanted == "integer" and isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value


def _stand_in(schema: Schema) -> Any:
    """The least value that fits."""
    if "enum" in schema:
        return schema["enum"][0]
    wanted, properties = schema.get("type"), schema.get("properties") or {}
    if wanted == "object":
        return {name: _stand_in(properties.get(name, {})) for name in schema.get("required") or ()}
    if wanted == "array":
        return [_stand_in(schema.get("items") or {})] * schema.get("minItems", 0)
    if wanted in ("integer", "number"):
        return schema.get("minimum", 0)
    if wanted == "boolean":
        return False
    return "x" * schema.get("minLength", 1)
