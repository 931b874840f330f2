"""Sets of fields, and how `managedFields` writes them down (FieldsV1).

A path is a tuple of steps as they are written there: `f:name`, `k:{"name":"web"}`, `v:"x"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from tidegate.local.apiserver.ownership.structures import GUESS, Guess, Items, Leaf, Map, Node

Path = tuple[str, ...]
Paths = frozenset[Path]
NOTHING: Paths = frozenset()
PATHS_MAX = 100_000
_DEPTH_MAX = 200
_ITSELF = "."


class Unowned(ValueError):
    """A value that the structure of its kind has no place for."""


class BadFields(ValueError):
    """Something that is no FieldsV1."""


def field_set(node: Node, value: Any, *, is_live: bool = False) -> Paths:
    """The fields that a configuration sets, or that a live object has.

    `Unowned` for a configuration that is no object of the structure.
    """
    found: set[Path] = set()
    _collect(node, value, (), found, is_live)
    return frozenset(found)


def _collect(node: Node, value: Any, path: Path, found: set[Path], is_live: bool) -> None:
    if isinstance(node, Guess):
        node = Map({}, GUESS) if isinstance(value, dict) else Leaf()
    if value is None or isinstance(node, Leaf):
        found.add(path)
    elif isinstance(node, Map):
        if not isinstance(value, dict):
            raise Unowned(f"{shown(path)}: expected map, got {_kind_of(value)}")
        for name, inner in value.items():
            below = (*path, f"f:{name}")
            if node.others is None and not node.is_declared(name) and not is_live:
                raise Unowned(f"{shown(below)}: field not declared in schema")
            _collect(node.child(name), inner, below, found, is_live)
            if inner == {} or inner is None or not node.is_declared(name):
                found.add(below)
    else:
        for step, inner in indexed(node, value, path, is_live=is_live).items():
            _collect(node.item, inner, (*path, step), found, is_live)
            found.add((*path, step))


def indexed(node: Items, value: Any, path: Path = (), *, is_live: bool = False) -> dict[str, Any]:
    """The items of a list by their steps. `Unowned` for an item twice or without its keys, but in a live
    object: there the first one counts, and one without keys is known by its place.
    """
    if value is None:
        return {}
    if not isinstance(value, list):
        raise Unowned(f"{shown(path)}: expected list, got {_kind_of(value)}")
    found: dict[str, Any] = {}
    for index, item in enumerate(value):
        place = f"i:{index}"
        try:
            step = step_of(node, item, (*path, place))
        except Unowned:
            if not is_live:
                raise
            step = place
        if step not in found:
            found[step] = item
        elif not is_live:
            raise Unowned(f"{shown(path)}: duplicate entries for key {shown((step,))}")
    return found


def step_of(node: Items, item: Any, path: Path) -> str:
    if not node.keys:
        if isinstance(item, dict | list):
            raise Unowned(f"{shown(path)}: an item of a set is a plain value, not {_kind_of(item)}")
        return "v:" + _json(item)
    if not isinstance(item, dict):
        raise Unowned(f"{shown(path)}: associative list with keys may not have non-map elements")
    keys = {key: item.get(key, node.defaults.get(key)) for key in sorted(node.keys)}
    keys = {key: value for key, value in keys.items() if value is not None}
    if not keys:
        wanted = ", ".join(f'"{key}"' for key in node.keys)
        raise Unowned(
            f"{shown(path)}: associative list with keys has an element that omits all key fields [{wanted}]"
        )
    return "k:" + _json(keys)


def named(node: Node, paths: Iterable[Path]) -> Paths:
    """The paths, and the declared fields on the way to each."""
    found = set(paths)
    for path in list(found):
        at: Node = node
        for depth, step in enumerate(path[:-1], 1):
            if isinstance(at, Map) and step.startswith("f:") and at.is_declared(step[2:]):
                found.add(path[:depth])
            at = descend(at, step)
    return frozenset(found)


def descend(node: Node, step: str) -> Node:
    """The structure behind a step."""
    if isinstance(node, Map) and step.startswith("f:"):
        return node.child(step[2:])
    if isinstance(node, Items):
        return node.item
    return node if isinstance(node, Guess) else Leaf()


def written(paths: Iterable[Path]) -> dict[str, Any]:
    """FieldsV1 of a set, in Kubernetes' order."""
    tree: dict[str, Any] = {}
    members = set(paths)
    for path in sorted(members):
        at = tree
        for depth, step in enumerate(path, 1):
            if step not in at:
                at[step] = {}
            if depth == len(path):
                break
            at = at[step]
            if path[:depth] in members and _ITSELF not in at:
                at[_ITSELF] = {}
    return tree


def read(fields: Any) -> Paths:
    """The set of a FieldsV1; `BadFields` for what is none, or for one that is too large."""
    found: set[Path] = set()
    _read(fields, (), found)
    return frozenset(found)


def _read(fields: Any, path: Path, found: set[Path]) -> None:
    if not isinstance(fields, Mapping) or len(path) > _DEPTH_MAX or len(found) > PATHS_MAX:
        raise BadFields("fieldsV1 is not a map of fields, or too large")
    if not fields and path:
        found.add(path)
    for step, inner in fields.items():
        if step == _ITSELF:
            found.add(path)
        elif step[:2] in ("f:", "k:", "v:", "i:"):
            _read(inner, (*path, step), found)
        else:
            raise BadFields(f"fieldsV1 names {step!r}, which is no step of a path")


def shown(path: Path) -> str:
    """A path for people: `.spec.containers[name="web"].image`."""
    return "".join(_shown(step) for step in path)


def _shown(step: str) -> str:
    kind, rest = step[0], step[2:]
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = msgspec.json.decode(rest)
        return "[" + ",".join(f"{key}={_json(value)}" for key, value in keys.items()) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _kind_of(value: Any) -> str:
    """What a value is, without the value: it may be a secret."""
    kinds = {dict: "map", list: "list", str: "string", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")
