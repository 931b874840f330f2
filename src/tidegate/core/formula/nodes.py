"""The tree of a formula. Nodes are values; `at` is the offset in the source that an error shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    at: int


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, a string, true, false or nil."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A trigger or a variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer(Node):
    """`#` ("" as name), `#index`, `#acc`."""

    name: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Conditional(Node):
    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: str
    value: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """Several expressions; the last gives the value."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`base[key]` and `base.key`; `is_optional`: written `?.`."""

    base: Node
    key: Node
    is_optional: bool


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """The whole of `a?.b.c`: nil as soon as an optional base is nil."""

    body: Node


@dataclass(frozen=True, slots=True)
class Slice(Node):
    base: Node
    start: Node | None
    stop: Node | None


@dataclass(frozen=True, slots=True)
class Array(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    pairs: tuple[tuple[Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A call of a builtin. `predicate` is the expression that runs once per item, where there is one."""

    name: str
    arguments: tuple[Node, ...]
    predicate: Node | None = None
