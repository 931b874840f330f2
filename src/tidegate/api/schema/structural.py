"""Structural schemas at work, as the API server applies them to custom resources.

The order is `prune`, `apply_defaults`, `validate`. The first two change the value in place. Each is
one walk over the value. CEL rules are not evaluated here.

`apiVersion`, `kind` and `metadata` of a whole resource (and of embedded resources) are Kubernetes'
own: they are neither pruned nor looked into.
"""

from __future__ import annotations

import copy
from typing import Any

from tidegate.api.schema.value_checks import Path, Schema, check, invalid, join, kind_of
from tidegate.base.problems import Problem

_RESOURCE = frozenset(("apiVersion", "kind", "metadata"))


def validate(schema: Schema, value: Any, path: str = "") -> list[Problem]:
    """Everything in `value` that the schema refuses, in the order it is written."""
    problems: list[Problem] = []
    _validate(schema, value, (None, path) if path else None, problems)
    return problems


def prune(schema: Schema, value: Any) -> list[str]:
    """Removes, in place, the fields that the schema does not know; returns their paths."""
    pruned: list[str] = []
    _prune(schema, value, None, pruned, _is_resource(value))
    return pruned


def apply_defaults(schema: Schema, value: Any) -> None:
    """Fills in, in place, the defaults of absent fields; explicit nulls are absent unless nullable."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for name, item in list(value.items()):
            if item is None:
                child = _child(schema, properties, name)
                if child is not None and not child.get("nullable"):
                    del value[name]
        for name, child in properties.items():
            if "default" in child and name not in value:
                value[name] = copy.deepcopy(child["default"])
        for name, item in value.items():
            if isinstance(item, dict | list) and (child := _child(schema, properties, name)):
                apply_defaults(child, item)
    elif isinstance(value, list) and (items := schema.get("items")):
        for item in value:
            apply_defaults(items, item)


def _validate(schema: Schema, value: Any, path: Path, problems: list[Problem]) -> None:
    if value is None and schema.get("nullable"):
        return
    kind = kind_of(value)
    if not check(schema, value, kind, path, problems):
        return
    if kind == "object":
        properties = schema.get("properties") or {}
        for name in schema.get("required") or ():
            if name not in value:
                problems.append(Problem(join((path, name)), "Required value", "FieldValueRequired"))
        for name, item in value.items():
            if (child := _child(schema, properties, name)) is not None:
                _validate(child, item, (path, name), problems)
    elif kind == "array" and (items := schema.get("items")):
        for index, item in enumerate(value):
            _validate(items, item, (path, index), problems)
    _validate_combinations(schema, value, path, problems)


def _validate_combinations(schema: Schema, value: Any, path: Path, problems: list[Problem]) -> None:
    for part in schema.get("allOf") or ():
        _validate(part, value, path, problems)
    any_of, one_of = schema.get("anyOf"), schema.get("oneOf")
    if any_of and all(_has_problems(part, value) for part in any_of):
        problems.append(invalid(path, value, "must validate at least one schema (anyOf)"))
    if one_of and sum(not _has_problems(part, value) for part in one_of) != 1:
        problems.append(invalid(path, value, "must validate one and only one schema (oneOf)"))
    if "not" in schema and not _has_problems(schema["not"], value):
        problems.append(invalid(path, value, "must not validate the schema (not)"))


def _has_problems(schema: Schema, value: Any) -> bool:
    found: list[Problem] = []
    _validate(schema, value, None, found)
    return bool(found)


def _prune(schema: Schema, value: Any, path: Path, pruned: list[str], is_resource: bool) -> None:
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        keeps_unknown = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or (
            schema.get("additionalProperties") is True
        )
        for name in list(value):
            if is_resource and name in _RESOURCE:
                continue
            child = _child(schema, properties, name)
            if child is not None:
                if isinstance(value[name], dict | list):
                    _prune(
                        child,
                        value[name],
                        (path, name),
                        pruned,
                        bool(child.get("x-kubernetes-embedded-resource")),
                    )
            elif not keeps_unknown:
                del value[name]
                pruned.append(join((path, name)))
    elif isinstance(value, list) and (items := schema.get("items")):
        is_resource = bool(items.get("x-kubernetes-embedded-resource"))
        for index, item in enumerate(value):
            _prune(items, item, (path, index), pruned, is_resource)


def _child(schema: Schema, properties: Schema, name: str) -> Schema | None:
    """The schema of a member: its property, else that of additional properties, else None."""
    found = properties.get(name)
    if found is None:
        found = schema.get("additionalProperties")
    return found if isinstance(found, dict) else None


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and "apiVersion" in value and "kind" in value
