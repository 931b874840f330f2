"""What is known of a value before the formula runs: its type, or nothing (ANY).

A value of any type may turn out to be nil when it runs: a trigger has no value while it fails.
Source of the rules: expr-lang 1.17, whose numbers are Go's int (64 bits) and float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["any", "nil", "bool", "int", "float", "string", "array", "map"]


@dataclass(frozen=True, slots=True)
class Type:
    """`item` is the type of an array's items, None where `kind` is another."""

    kind: Kind
    item: Type | None = None

    @property
    def is_number(self) -> bool:
        return self.kind == "int" or self.kind == "float"

    def __str__(self) -> str:
        return "something unknown" if self.kind == "any" else f"{_ARTICLES[self.kind]}{self.kind}"


_ARTICLES = {
    "nil": "",
    "int": "an ",
    "array": "an ",
    "bool": "a ",
    "float": "a ",
    "string": "a ",
    "map": "a ",
}
ANY = Type("any")
NIL = Type("nil")
BOOL = Type("bool")
INT = Type("int")
FLOAT = Type("float")
STRING = Type("string")
MAP = Type("map")

_KINDS: dict[type, Kind] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "array",
    dict: "map",
}


def array_of(item: Type) -> Type:
    return Type("array", item)


def kind_of(value: Any) -> Kind:
    """The kind of a value of a running formula."""
    return _KINDS[type(value)]


def item_of(array: Type) -> Type:
    return array.item or ANY


def constant_type(value: Any) -> Type:
    return Type(kind_of(value))


def joined(types: list[Type]) -> Type:
    """The type that values of all these types have; ANY where they differ. Nil joins everything but nil."""
    first = next((one for one in types if one.kind != "nil"), NIL)
    return first if all(one == first or one.kind == "nil" for one in types) else ANY


def is_comparable(left: Type, right: Type) -> bool:
    """Whether == has a meaning for them."""
    if "any" in (left.kind, right.kind) or "nil" in (left.kind, right.kind):
        return True
    return left.kind == right.kind or (left.is_number and right.is_number)


def may_be(one: Type, kinds: tuple[Kind, ...]) -> bool:
    return one.kind == "any" or one.kind in kinds
