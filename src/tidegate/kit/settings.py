"""How a scaler declares what users may write: each fact once, everything else derived from it.

    @declared
    class RedisList(Polled):
        list_name: str = setting("listName", doc="Key whose length is measured.")
        list_length: int = target("listLength", default=5, doc="Items that one replica should carry.")

Parsing, defaults, problems, the reference page and the contract tests come from these lines.
An annotation says how a text becomes a value: `str`, `int`, `float`, `bool`, `Duration` (seconds),
`Literal["a", "b"]` (a closed choice), `tuple[str, ...]`, `tuple[int, ...]` and `tuple[KeyValue, ...]`
(a list), each with
`| None` where absence is a value of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

from tidegate.base.duration import parse_duration
from tidegate.base.literals import parse_bool, parse_float, parse_int

Duration = Annotated[float, "duration"]
"""Seconds; written as Go does (`1m30s`), a bare integer means milliseconds."""


KeyValue = Annotated[tuple[str, str], "key=value"]
"""`key=value`, with one `=`; settings are tuples of it."""


class Source(Enum):
    """Where a value may be written. The value is the name that messages give it."""

    METADATA = "triggerMetadata"
    ENVIRONMENT = "resolvedEnv"
    AUTHENTICATION = "authParams"


METADATA = Source.METADATA
ENVIRONMENT = Source.ENVIRONMENT
AUTHENTICATION = Source.AUTHENTICATION

T = TypeVar("T")

REQUIRED: Any = dataclasses.MISSING
_KEY = "setting"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a declaration says beside its Python name and type.

    `sources` are tried in order, in each all `names` (the first is the one to recommend).
    A non-empty `removal` refuses the setting, a non-empty `announcement` is told when it is used.
    `is_hidden`: an address that may carry a password; it is kept out of texts as a whole.
    """

    names: tuple[str, ...]
    doc: str
    sources: tuple[Source, ...] = (METADATA,)
    is_secret: bool = False
    separator: str = ","
    is_hidden: bool = False
    role: Literal["", "target", "activation"] = ""
    removal: str = ""
    announcement: str = ""


def setting(
    *names: str,
    doc: str,
    default: Any = REQUIRED,
    sources: tuple[Source, ...] = (METADATA,),
    secret: bool = False,
    separator: str = ",",
    hidden: bool = False,
) -> Any:
    """A setting; required when it has no default. Further `names` are aliases."""
    return _field(Setting(names, doc, sources, secret, separator, hidden), default)


def target(*names: str, doc: str, default: Any = REQUIRED, sources: tuple[Source, ...] = (METADATA,)) -> Any:
    """The setting that is the metric's target."""
    return _field(Setting(names, doc, sources, role="target"), default)


def activation(
    *names: str,
    doc: str = "Active above this value.",
    default: Any = 0,
    sources: tuple[Source, ...] = (METADATA,),
) -> Any:
    """The setting above which the trigger is active."""
    return _field(Setting(names, doc, sources, role="activation"), default)


def removed(*names: str, message: str, default: Any = None) -> Any:
    """A setting that is refused with `message` whatever its value; annotate it `str | None`."""
    return _field(Setting(names, message, removal=message), default)


def deprecated(
    *names: str,
    message: str,
    doc: str,
    default: Any = None,
    sources: tuple[Source, ...] = (METADATA,),
) -> Any:
    """A setting that still works; `message` is announced where it is used."""
    return _field(Setting(names, doc, sources, announcement=message), default)


@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(setting, target, activation, removed, deprecated, dataclasses.field),
)
def declared(kind: type[T]) -> type[T]:
    """`kind` as a frozen value: equal settings make equal scalers, secrets stay out of its repr.

    The class is rebuilt with slots, so methods cannot use `super()` without arguments.
    """
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)


@dataclass(frozen=True, slots=True)
class Shape:
    """How a text becomes a value. `word` names the type for people; `parse` raises ValueError."""

    word: str
    parse: Callable[[str], Any]
    is_list: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """One declared setting of a class: its Python name, its declaration, its shape, its default."""

    attribute: str
    setting: Setting
    shape: Shape
    default: Any

    @property
    def is_required(self) -> bool:
        return self.default is REQUIRED

    @property
    def name(self) -> str:
        return self.setting.names[0]

    def read(self, text: str) -> Any:
        """The value of a non-empty, trimmed text. ValueError reads on after the text."""
        if not self.shape.is_list:
            return self.shape.parse(text)
        values = tuple(self.shape.parse(item.strip()) for item in text.split(self.setting.separator))
        if self.shape.parse is _key_value and len({key for key, _ in values}) < len(values):
            raise ValueError("has a key twice")
        return values


def settings_of(kind: type) -> tuple[Declared, ...]:
    """The settings of a declared class, its own before those of its bases."""
    key: Any = kind  # mypy does not see that a class of hashable objects is hashable itself
    return _settings_of(key)


@functools.cache
def _settings_of(kind: type) -> tuple[Declared, ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: field for field in dataclasses.fields(kind) if _KEY in field.metadata}
    order = dict.fromkeys(name for base in kind.__mro__ for name in vars(base).get("__annotations__", {}))
    return tuple(
        Declared(name, fields[name].metadata[_KEY], shape_of(hints[name]), fields[name].default)
        for name in order
        if name in fields
    )


def shape_of(annotation: Any) -> Shape:
    """The shape that an annotation stands for. TypeError when a setting cannot have that type."""
    if annotation in _SHAPES:
        return _SHAPES[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (one for one in arguments if one is not type(None))
        return shape_of(inner)
    if origin is Literal:
        choices = tuple(str(one) for one in arguments if one)
        return Shape("one of", functools.partial(_choose, choices), choices=choices)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        item = shape_of(arguments[0])
        word = "list of choices" if item.choices else f"list of {item.word}s"
        return Shape(word, item.parse, is_list=True, choices=item.choices)
    raise TypeError(f"a setting cannot be of type {annotation}")


def role_value(scaler: Any, role: str, otherwise: float) -> float:
    """The value of the setting with that role, `otherwise` where the class declares none."""
    for one in settings_of(type(scaler)):
        if one.setting.role == role:
            return float(getattr(scaler, one.attribute))
    return otherwise


def role_name(scaler: Any, role: str) -> str:
    """The name of the setting with that role, "" where the class declares none."""
    return next((one.name for one in settings_of(type(scaler)) if one.setting.role == role), "")


def _field(declaration: Setting, default: Any) -> Any:
    is_shown = not (declaration.is_secret or declaration.is_hidden)
    return dataclasses.field(default=default, repr=is_shown, metadata={_KEY: declaration})


def _key_value(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or "=" in value:
        raise ValueError("is not a list of key=value (each with one =)")
    return key.strip(), value.strip()


def _choose(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise ValueError(f"is not one of {', '.join(choices)}")
    return text


_SHAPES: dict[Any, Shape] = {
    str: Shape("string", str),
    int: Shape("integer", parse_int),
    float: Shape("number", parse_float),
    bool: Shape("boolean", parse_bool),
    Duration: Shape("duration", parse_duration),
    KeyValue: Shape("`key=value`", _key_value),
}
