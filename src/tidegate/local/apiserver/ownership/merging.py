"""A configuration merged into an object, items taken out of it, and what differs between two. Pure.

Source: Kubernetes' `sigs.k8s.io/structured-merge-diff`, whose outcomes these are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tidegate.local.apiserver.ownership.paths import Path, Paths, indexed
from tidegate.local.apiserver.ownership.structures import GUESS, Guess, Items, Leaf, Map, Node

_ABSENT: Any = object()
Tree = dict[str, Any]


# -- merging -----------------------------------------------------------------------------------


def merged(node: Node, live: Any, wanted: Any) -> Any:
    """The object with the configuration in it; what that does not name stays. Parts are shared."""
    node = _known(node, live, wanted)
    if isinstance(node, Map) and isinstance(wanted, dict | None) and isinstance(live, dict | None):
        return _merged_map(node, live, wanted)
    if isinstance(node, Items) and isinstance(wanted, list | None) and isinstance(live, list | None):
        return _merged_list(node, live, wanted)
    return wanted


def _merged_map(node: Map, live: Tree | None, wanted: Tree | None) -> Any:
    if not live and not wanted:
        return wanted
    out = dict(live or {})
    for name, value in (wanted or {}).items():
        out[name] = merged(node.child(name), out[name], value) if name in out else value
    return out


def _merged_list(node: Items, live: list[Any] | None, wanted: list[Any] | None) -> Any:
    """Items that both have stand in the order of the configuration, the others where they stood."""
    if not live and not wanted:
        return wanted
    old, new = indexed(node, live, is_live=True), indexed(node, wanted)

    def item(step: str) -> Any:
        if step not in new:
            return old[step]
        return merged(node.item, old[step], new[step]) if step in old else new[step]

    return [item(step) for step in _order(list(old), list(new))]


def _order(old: list[str], new: list[str]) -> Iterator[str]:
    in_old, in_new, done = set(old), set(new), set[str]()
    shared = [step for step in new if step in in_old]
    at_old = at_new = 0
    while at_old < len(old) or at_new < len(new):
        if at_old < len(old):
            step = old[at_old]
            if step not in in_new:
                at_old += 1
                yield step
                continue
            if step in done or (at_new < len(new) and shared and step != shared[0]):
                # It has had its turn, or gets it where the configuration has it.
                at_old += 1
                continue
        if at_new < len(new):
            step = new[at_new]
            at_new += 1
            if shared and shared[0] == step:
                shared.pop(0)
            done.add(step)
            yield step


# -- taking out --------------------------------------------------------------------------------


def without(node: Node, value: Any, paths: Paths) -> Any:
    """The value without what the paths name; maps and lists that are left empty go, too (None)."""
    tree: Tree = {}
    for path in paths:
        at = tree
        for step in path:
            at = at.setdefault(step, {})
        at[""] = True
    return _without(node, value, tree) if tree else value


def _without(node: Node, value: Any, tree: Tree) -> Any:
    node = _known(node, value, value)
    if isinstance(node, Map) and isinstance(value, dict):
        kept = {}
        for name, inner in value.items():
            below = tree.get(f"f:{name}")
            if below is None:
                kept[name] = inner
            elif "" not in below:
                kept[name] = _without(node.child(name), inner, below)
        return kept or None
    if isinstance(node, Items) and isinstance(value, list):
        items = []
        for step, inner in indexed(node, value, is_live=True).items():
            below = tree.get(step)
            if below is None:
                items.append(inner)
            elif "" not in below:
                items.append(_without(node.item, inner, below))
        return items or None
    return value


# -- comparing ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Difference:
    added: set[Path] = field(default_factory=set)
    removed: set[Path] = field(default_factory=set)
    changed: set[Path] = field(default_factory=set)

    @property
    def is_none(self) -> bool:
        return not (self.added or self.removed or self.changed)


def difference(node: Node, old: Any, new: Any) -> Difference:
    """What differs, down to the leaves; parts that are equal are not looked into."""
    found = Difference()
    _compare(node, old, new, (), found)
    return found


def _compare(node: Node, old: Any, new: Any, path: Path, found: Difference) -> None:
    if old is new or (old == new and _same_kind(old, new)):
        return
    node = _known(node, old, new)
    if isinstance(node, Map) and (_filled(old, dict) or _filled(new, dict)):
        _compare_maps(node, old, new, path, found)
    elif isinstance(node, Items) and (_filled(old, list) or _filled(new, list)):
        before = indexed(node, _or_none(old, list), is_live=True)
        after = indexed(node, _or_none(new, list), is_live=True)
        for step in before | after:
            there = (*path, step)
            _compare(node.item, before.get(step, _ABSENT), after.get(step, _ABSENT), there, found)
    elif old is not _ABSENT and new is not _ABSENT:
        found.changed.add(path)
    if old is _ABSENT:
        found.added.add(path)
    elif new is _ABSENT:
        found.removed.add(path)


def _compare_maps(node: Map, old: Any, new: Any, path: Path, found: Difference) -> None:
    before, after = _or_none(old, dict) or {}, _or_none(new, dict) or {}
    for name in before | after:
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if name in node.always:
            one = _empty(other) if one is _ABSENT and old is not _ABSENT else one
            other = _empty(one) if other is _ABSENT and new is not _ABSENT else other
        _compare(node.child(name), one, other, (*path, f"f:{name}"), found)


def _empty(beside: Any) -> Any:
    """A field that is always there, where the JSON leaves it out."""
    return {} if isinstance(beside, dict) else None


def _known(node: Node, one: Any, other: Any) -> Node:
    """What a value without a schema is taken for."""
    if isinstance(node, Guess):
        given = [value for value in (one, other) if value is not None and value is not _ABSENT]
        return Map({}, GUESS) if given and all(isinstance(value, dict) for value in given) else Leaf()
    return node


def _filled(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and bool(value)


def _or_none(value: Any, kind: type) -> Any:
    return value if isinstance(value, kind) else None


def _same_kind(one: Any, other: Any) -> bool:
    """Whether equal values are the same in JSON: 1 and true are not. Deeper ones differ as rarely."""
    return isinstance(one, bool) == isinstance(other, bool)
