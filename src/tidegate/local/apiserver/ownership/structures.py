"""How far the fields of a kind can be owned apart: which maps and lists are several things, which are one.

The built-in kinds' table is `structures.json`, written by
tests/local/apiserver/ownership/make_structures.py; a custom resource says it in its schema.

Source: Kubernetes documentation, "Server-Side Apply: Merge strategy".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request

_META = "!apimachinery.pkg.apis.meta.v1.ObjectMeta"
DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Leaf:
    """One thing, whatever it is made of."""


@dataclass(frozen=True, slots=True)
class Guess:
    """No schema says what it is: maps have fields, all else is one thing."""


@dataclass(slots=True)
class Map:
    """A map whose fields are owned one by one. `others` is what undeclared fields are (None: not allowed).

    `always` are the fields that an object of this kind has, whether its JSON shows them or not.
    """

    fields: dict[str, Node] = field(default_factory=dict)
    others: Node | None = None
    always: frozenset[str] = frozenset()

    def child(self, name: str) -> Node:
        return self.fields.get(name) or self.others or LEAF

    def is_declared(self, name: str) -> bool:
        return name in self.fields


@dataclass(slots=True)
class Items:
    """A list whose items are told apart: by these keys, or (without keys) by themselves."""

    keys: tuple[str, ...]
    defaults: Mapping[str, Any]
    item: Node


Node = Leaf | Guess | Map | Items
LEAF, GUESS = Leaf(), Guess()
_ENVELOPE: tuple[str, ...] = ("apiVersion", "kind")
# By storage key and version, with the schema it was made of: one for each version of a definition.
_CUSTOM: dict[tuple[str, str], tuple[Any, Node]] = {}


def structure_of(kind: Kind) -> Node:
    """The structure of the objects of a kind, in the version that the kind has."""
    if kind.is_custom:
        place = (kind.key, kind.resource.version)
        known = _CUSTOM.get(place)
        if known is None or known[0] is not kind.schema:
            known = _CUSTOM[place] = (kind.schema, _custom(kind))
        return known[1]
    resource = kind.resource
    key = ".".join(filter(None, (resource.plural, resource.group, resource.version)))
    root = _table()[0].get(key)
    return GUESS if root is None else _declared(root)


# -- built-in kinds ----------------------------------------------------------------------------


@cache
def _table() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    found = msgspec.json.decode(files(__package__).joinpath("structures.json").read_bytes())
    return found["roots"], found["types"]


@cache
def _declared(type: str) -> Map:
    """The structure of a type of the table; types may contain themselves."""
    fields = _table()[1][type]
    return _Declared(fields)


class _Declared(Map):
    """A struct of the table, whose fields are looked up when first asked for."""

    __slots__ = ("_texts",)

    def __init__(self, texts: dict[str, str]) -> None:
        always = frozenset(name for name, text in texts.items() if text.startswith("!"))
        super().__init__({}, None, always)
        self._texts = texts

    def child(self, name: str) -> Node:
        known = self.fields.get(name)
        if known is None:
            known = self.fields[name] = _read(self._texts.get(name, ""))
        return known

    def is_declared(self, name: str) -> bool:
        return True  # what no kind has was refused or pruned before


def _read(text: str) -> Node:
    text = text.removeprefix("!")
    if not text:
        return LEAF
    if text.startswith("{"):
        return Map({}, _read(text[1:-1]))
    if not text.startswith("["):
        return _declared(text)
    written, _, inner = text[1:].partition("]")
    keys = [part.partition("=") for part in written.split(",") if part]
    defaults = {key: default for key, has, default in keys if has}
    return Items(tuple(key for key, _, _ in keys), defaults, _read(inner))


# -- custom resources --------------------------------------------------------------------------


def _custom(kind: Kind) -> Node:
    meta = _read(_META)
    if kind.schema is None:
        return Map({"metadata": meta, **dict.fromkeys(_ENVELOPE, LEAF)}, GUESS, frozenset({"metadata"}))
    root = _schema(kind.schema, 0)
    if not isinstance(root, Map):
        root = Map({}, GUESS)
    root.fields |= {"metadata": meta, **dict.fromkeys(_ENVELOPE, LEAF)}
    root.always = frozenset({"metadata"})
    return root


def _schema(schema: Mapping[str, Any], depth: int) -> Node:
    if depth > DEPTH_MAX:
        raise bad_request(f"the schema of the kind nests deeper than {DEPTH_MAX}: nothing can be applied")
    if schema.get("type") == "array":
        return _list(schema, depth)
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") is True
    if schema.get("type") != "object":
        return GUESS if is_open and not schema.get("type") else LEAF
    if schema.get("x-kubernetes-map-type") == "atomic":
        return LEAF
    named = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    others: Node | None = GUESS if is_open else None
    if isinstance(more, dict):
        others = _schema(more, depth + 1)
    elif more is True:
        others = GUESS
    fields = {name: _schema(inner, depth + 1) for name, inner in named.items()}
    if schema.get("x-kubernetes-embedded-resource") is True:
        fields = {"metadata": _read(_META), **dict.fromkeys(_ENVELOPE, LEAF), **fields}
    return Map(fields, others)


def _list(schema: Mapping[str, Any], depth: int) -> Node:
    type, items = schema.get("x-kubernetes-list-type"), schema.get("items")
    if type not in ("map", "set") or not isinstance(items, dict):
        return LEAF
    inner = _schema(items, depth + 1)
    if type == "set":
        return Items((), {}, inner)
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    named = items.get("properties") or {}
    defaults = {key: named[key]["default"] for key in keys if "default" in (named.get(key) or {})}
    return Items(keys, defaults, inner)
