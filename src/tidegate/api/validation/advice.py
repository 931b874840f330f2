"""What to write instead: the next step for a value that a schema refuses, and for a field that it has not."""

from __future__ import annotations

import re
from typing import Any

from tidegate.api.decode import KINDS
from tidegate.api.schema.value_checks import Schema, kind_of
from tidegate.api.validation.problems import metadata_schema, schema_of
from tidegate.api.validation.triggers import text
from tidegate.api.yamltext import UNSET, UNSET_MEANS
from tidegate.base.duration import parse_duration
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint

_STEP = re.compile(r"\.?([^.\[\]]+)|\[([0-9]{1,9})\]")
_OF_METADATA = ("annotations", "labels", "namespace")


def advice(body: dict[str, Any], problem: Problem, written: str = "") -> str:
    """`; write it in quotes: "5"`, to end the problem's message with; empty where there is none.

    `written` is the value as it stands in the file, where that is known (`yes`, `010`).
    """
    if problem.path == "kind":
        return hint(str(body.get("kind")), KINDS)
    schema, value = _at(body, problem.path)
    if value == UNSET:
        return f"; this {UNSET_MEANS}"
    if problem.reason == "FieldValueNotSupported" and isinstance(value, str):
        return hint(value, schema.get("enum") or ())
    if problem.reason != "FieldValueTypeInvalid":
        return ""
    wanted, kind = schema.get("type"), kind_of(value)
    if wanted == "string" and kind in ("integer", "number", "boolean"):
        plain = str(value).lower()
        if kind == "boolean" and written not in ("", "true", "false"):
            return f'; {written} is {plain} in YAML: write "{plain}" if it is meant, "{written}" for the text'
        return f'; write it in quotes: "{written or plain}"'
    if wanted == "integer" and isinstance(value, str):
        return _number(value)
    if wanted == "array" and kind == "object":
        return '; begin the entry with "- ", as an item of a list'
    if wanted == "object" and isinstance(value, str) and "name" in (schema.get("required") or ()):
        return f"; write {{name: {value}}}"
    return ""


def unknown_field(body: dict[str, Any], path: str) -> Problem:
    """The problem with a field that the schema has not, with the one that may be meant."""
    above, _, name = path.rpartition(".")
    schema, _ = _at(body, above)
    message = "unknown field" + hint(name, schema.get("properties") or ())
    if above == "spec" and name in _OF_METADATA:
        message += "; it belongs under metadata"
    return Problem(path, message, "FieldValueForbidden")


def _number(value: str) -> str:
    if re.fullmatch(r"-?[0-9]{1,18}", value):
        return f"; write it without quotes: {int(value)}"
    try:
        seconds = parse_duration(value)
    except ValueError:
        return ""
    return f"; it counts seconds: write {seconds:.0f}" if seconds >= 1 and value[-1:].isalpha() else ""


def _at(body: dict[str, Any], path: str) -> tuple[Schema, Any]:
    """The schema and the value of a place; empty and None where there is none."""
    kind = text(body, "kind")
    schema: Any = schema_of(kind) if kind in KINDS else None
    value: Any = body
    for name, index in _STEP.findall(path):
        if not isinstance(schema, dict):
            return {}, None
        if name == "metadata" and value is body:
            schema, value = metadata_schema(), body.get(name)
        elif name:
            properties = schema.get("properties") or {}
            schema = properties.get(name, schema.get("additionalProperties"))
            value = value.get(name) if isinstance(value, dict) else None
        else:
            schema = schema.get("items")
            is_there = isinstance(value, list) and int(index) < len(value)
            value = value[int(index)] if is_there else None
    return (schema, value) if isinstance(schema, dict) else ({}, None)
