"""Label and field selectors, as text and as Kubernetes' LabelSelector objects."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.base.names import is_label_key, is_label_value

Operator = Literal["=", "!=", "in", "notin", "exists", "!", ">", "<"]

_TOKEN = re.compile(r"\s*(==|!=|[=!,()<>]|[^\s=!,()<>]+)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_OPERATORS: dict[str, Operator] = {
    "In": "in",
    "NotIn": "notin",
    "Exists": "exists",
    "DoesNotExist": "!",
}
NONE = "<none>"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. `values` is empty for `exists` and `!`, one for `=`, `!=`, `>`, `<`."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it. Like Kubernetes, `!=` and `notin` are met by an absent label."""
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "!":
            return value is None
        if self.operator in ("!=", "notin"):
            return value is None or value not in self.values
        if value is None:
            return False
        if self.operator in (">", "<"):
            if _INTEGER.fullmatch(value) is None:
                return False
            number, limit = int(value), int(self.values[0])
            return number > limit if self.operator == ">" else number < limit
        return value in self.values

    def __str__(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        if self.operator in ("in", "notin"):
            return f"{self.key} {self.operator} ({','.join(self.values)})"
        return f"{self.key}{self.operator}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must be met; no requirement means everything, `is_nothing` means nothing."""

    requirements: tuple[Requirement, ...] = ()
    is_nothing: bool = False

    def matches(self, labels: Mapping[str, str]) -> bool:
        return not self.is_nothing and all(one.matches(labels) for one in self.requirements)

    def __str__(self) -> str:
        """The text form; `<none>`, which does not parse, where nothing is selected."""
        return NONE if self.is_nothing else ",".join(str(one) for one in self.requirements)


def parse_selector(text: str) -> Selector:
    """The selector of a text such as `app=web,tier in (a,b),!canary`; empty selects everything.

    ValueError says what was found and where.
    """
    if not text.strip():
        return Selector()
    tokens = _Tokens(text)
    requirements = [_requirement(tokens)]
    while tokens.take(","):
        requirements.append(_requirement(tokens))
    if tokens.ahead:
        raise ValueError(f'"{text}" is not a label selector: unexpected "{tokens.ahead}"')
    return Selector(_ordered(requirements))


def from_label_selector(obj: Mapping[str, Any] | None) -> Selector:
    """The selector of a LabelSelector object (`matchLabels`, `matchExpressions`).

    None selects nothing and an empty object everything, as in Kubernetes. ValueError when it is none.
    """
    if obj is None:
        return Selector(is_nothing=True)
    requirements = [
        _checked(Requirement(key, "=", (str(value),)))
        for key, value in (obj.get("matchLabels") or {}).items()
    ]
    for expression in obj.get("matchExpressions") or ():
        operator = _OPERATORS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(
                f'"{expression.get("operator", "")}" is not one of In, NotIn, Exists, DoesNotExist'
            )
        values = tuple(sorted(set(expression.get("values") or ())))
        requirements.append(_checked(Requirement(expression.get("key", ""), operator, values)))
    return Selector(_ordered(requirements))


def format_label_selector(obj: Mapping[str, Any] | None) -> str:
    """The text of a LabelSelector object, parseable by `parse_selector`; empty for "everything".

    `<none>` for None: that selects nothing, which text cannot say.
    """
    return str(from_label_selector(obj))


class _Tokens:
    """The words of a selector text, one at a time."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = _TOKEN.findall(text)
        self._at = 0

    @property
    def ahead(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def take(self, *wanted: str) -> str:
        """The next word if it is one of `wanted` (or if nothing particular is wanted), else empty."""
        word = self.ahead
        if not word or (wanted and word not in wanted):
            return ""
        self._at += 1
        return word

    def take_word(self) -> str:
        """The next word if it is a key or value and no sign, else empty."""
        return (
            self.take()
            if self.ahead and self.ahead not in ("=", "==", "!=", "!", ",", "(", ")", "<", ">")
            else ""
        )


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.take("!"):
        return _checked(Requirement(tokens.take_word(), "!"))
    key = tokens.take_word()
    if sign := tokens.take("=", "==", "!="):
        return _checked(Requirement(key, "!=" if sign == "!=" else "=", (tokens.take_word(),)))
    if sign := tokens.take(">", "<"):
        return _checked(Requirement(key, ">" if sign == ">" else "<", (tokens.take_word(),)))
    if word := tokens.take("in", "notin"):
        return _checked(Requirement(key, "in" if word == "in" else "notin", _value_list(tokens)))
    return _checked(Requirement(key, "exists"))


def _value_list(tokens: _Tokens) -> tuple[str, ...]:
    if not tokens.take("("):
        raise ValueError(f'"{tokens.text}" is not a label selector: values must stand in parentheses')
    values = {tokens.take_word()}
    while tokens.take(","):
        values.add(tokens.take_word())
    if not tokens.take(")"):
        raise ValueError(f'"{tokens.text}" is not a label selector: a parenthesis is not closed')
    return tuple(sorted(values))


def _checked(one: Requirement) -> Requirement:
    if not is_label_key(one.key):
        raise ValueError(f'"{one.key}" is not a label key')
    for value in one.values:
        if not is_label_value(value):
            raise ValueError(f'"{value}" is not a label value')
    if one.operator in ("in", "notin") and not one.values:
        raise ValueError(f'"{one.key} {one.operator}" needs at least one value')
    if one.operator in ("exists", "!") and one.values:
        raise ValueError(f'"{one.key}" must not have values for Exists or DoesNotExist')
    if one.operator in (">", "<") and _INTEGER.fullmatch(one.values[0]) is None:
        raise ValueError(f'"{one.key}{one.operator}{one.values[0]}" needs a whole number')
    return one


def _ordered(requirements: Iterable[Requirement]) -> tuple[Requirement, ...]:
    return tuple(sorted(requirements, key=lambda one: one.key))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Conditions on dotted fields of an object: (path, is_equal, value). All must be met."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Whether the object's fields meet it; an absent field counts as the empty text."""
        return all((_field(obj, path) == value) is is_equal for path, is_equal, value in self.terms)

    def __str__(self) -> str:
        return ",".join(f"{path}{'=' if eq else '!='}{_escaped(value)}" for path, eq, value in self.terms)


def parse_field_selector(text: str) -> FieldSelector:
    """The selector of a text such as `metadata.name=web,status.phase!=Running`.

    `\\,`, `\\=` and `\\\\` stand for the character in a value. ValueError when it is none.
    """
    terms: list[tuple[str, bool, str]] = []
    for term in re.findall(r"(?:\\.|[^,\\]|\\$)+", text, re.DOTALL):
        found = re.fullmatch(r"([^=!\\]+)(==|!=|=)((?:\\[\\,=]|[^\\=])*)", term, re.DOTALL)
        if found is None:
            raise ValueError(f'"{term}" is not a field selector such as metadata.name=web')
        value = re.sub(r"\\(.)", r"\1", found[3], flags=re.DOTALL)
        terms.append((found[1].strip(), found[2] != "!=", value))
    return FieldSelector(tuple(terms))


def _escaped(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _field(obj: Mapping[str, Any], path: str) -> str:
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
