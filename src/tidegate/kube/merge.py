"""JSON merge patches: making the smallest one, applying one, guarding one. Source: RFC 7386."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def difference(current: Object, wanted: Object) -> Object:
    """The merge patch that turns `current` into `wanted`; empty when there is nothing to do.

    `wanted` must not contain nulls: in a merge patch they mean removal.
    """
    patch: Object = {name: None for name in current if name not in wanted}
    for name, value in wanted.items():
        if name not in current:
            patch[name] = value
        elif isinstance(value, dict) and isinstance(current[name], dict):
            below = difference(current[name], value)
            if below:
                patch[name] = below
        elif not _is_same(current[name], value):
            patch[name] = value
    return patch


def changes(current: Object, patch: Object) -> Object:
    """The part of a merge patch that would change `current`; empty when it changes nothing."""
    left: Object = {}
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(current.get(name), dict):
            below = changes(current[name], value)
            if below:
                left[name] = below
        elif value is None:
            if name in current:
                left[name] = None
        elif name not in current or not _is_same(current[name], value):
            left[name] = value
    return left


def apply(current: Object, patch: Object) -> Object:
    """A new object: `current` after the merge patch."""
    merged = dict(current)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            below = merged.get(name)
            merged[name] = apply(below if isinstance(below, dict) else {}, value)
        else:
            merged[name] = value
    return merged


def guarded(patch: Object, resource_version: str) -> Object:
    """The same patch, refused with `Conflict` when the object is no longer at this version."""
    return {**patch, "metadata": {**patch.get("metadata", {}), "resourceVersion": resource_version}}


def _is_same(one: Any, other: Any) -> bool:
    """Equality of JSON: true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
